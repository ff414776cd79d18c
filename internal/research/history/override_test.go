package history_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// overrule keeps an experiment against its verdict, as a person may.
func (c *chronicle) overrule(effect float64) *history.Experiment {
	c.diary.t.Helper()

	n, j := c.judge(effect)
	if j.Verdict == research.Improved || j.Verdict == research.Provisional {
		c.diary.t.Fatalf("nothing to override: %s", j.Verdict)
	}
	c.add(history.KindExperimentKept, history.Keeping{N: n, Commit: fmt.Sprint("k", n), Was: c.campaign.Incumbent,
		Overridden: history.ByTerminal})
	c.Head += effect

	return c.experiments[research.NewJobID('x', n)]
}

// A keep against the verdict is not evidence: it joins no chain, adds to no sum,
// and the level of a noisy metric is measured again; undone, it leaves no trace.
func TestOverridesProveNothing(t *testing.T) {
	c := newChronicle(t, autoProgram(), .01, 3)
	got := &c.campaign

	x := c.overrule(.05)
	if got.Incumbent != x.Commit || got.Checkpoint != x.Commit || got.Overridden != 1 || got.Kept != 1 ||
		got.Calibrated ||
		got.CertifiedGain != 0 || got.Rule.Auto.Chain != 0 || got.Rule.Auto.Claim != 0 {
		t.Fatalf("kept by a person: %+v", got)
	}

	if p := got.Proof(x); p != "kept by a person against the verdict" {
		t.Errorf("its proof: %q", p)
	}
	c.calibrate()
	c.propose(-.08)

	if got.Rule.Auto.Chain != 1 || got.Checkpoint != x.Commit {
		t.Fatalf("a chain on top of it: %+v", got)
	}
	checkpoint, claim := got.Checkpoint, got.Rule.Auto.Claim
	y := c.overrule(.04)

	if got.Checkpoint != checkpoint || got.Rule.Auto.Claim != claim || got.Overridden != 2 {
		t.Errorf("in an open chain: checkpoint %s, claim %v, %d overridden", got.Checkpoint, got.Rule.Auto.Claim,
			got.Overridden)
	}
	c.calibrate()
	chain := *got.Rule.Auto
	c.add(history.KindKeepUndone, history.Undoing{N: y.N, Commit: "undone", Was: y.Commit, Tree: "tree"})
	c.Head -= .04

	if got.Overridden != 1 || got.Calibrated || y.Status != research.Reverted {
		t.Errorf("undone: %+v", got)
	}

	if diff := cmp.Diff(chain, *got.Rule.Auto); diff != "" {
		t.Errorf("undone, the claims differ: %s", diff)
	}
	c.calibrate()
	c.propose(-.06)
	c.certify()
	c.mustRecompute("with overrides")
}
