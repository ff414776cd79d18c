package rules_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// A fixed campaign decides the same for ever: belief, price, pairs kept back,
// evidence and levels, to six digits. Delete testdata/auto.golden to make it
// again, and say in the change why every old ledger is judged differently.
func TestAutoGolden(t *testing.T) {
	goldenAuto(t, goldenText(t, autoRule(research.Lower)))
}

// goldenText is what the fixed campaign decides by the rule.
func goldenText(t *testing.T, rule rules.Auto) string {
	b := rulestest.NewBench(t, rule, timing)
	var out strings.Builder

	for round := range 2 {
		for i, effect := range []float64{0, .04, -.03, 0, -.008, .01, -.06, 0} {
			j := b.Try(effect)
			fmt.Fprintf(&out, "%d.%d %s %s runs %d gain %.6g..%.6g noise %.6g price %.6g claim %.6g sd %.6g pairs %d\n",
				round, i, j.Verdict, j.StoppedBy, j.Runs, j.Gain.Lo, j.Gain.Hi, j.Noise, b.State.Auto.Price,
				b.State.Auto.Claim, math.Sqrt(b.State.Auto.ClaimVar), b.State.ReservePairs(b.Outlook))
		}
		obs, c := b.Certify()
		b.CloseCertificate(obs, c)
		fmt.Fprintf(&out, "%s\nlog E %.6g need %.6g gain %.6g next alpha %.6g s %.6g eps %.6g\n",
			c.Describe(rule.Metric), math.Log(c.E), c.Need, c.Gain.Mid, rules.AutoAlpha(b.State.Tests+1, b.State.Kept),
			b.State.S, b.State.Auto.Belief.Outliers/b.State.Auto.Belief.Seen)
	}

	return out.String()
}

func goldenAuto(t *testing.T, got string) {
	const path = "testdata/auto.golden"

	want, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("%s was missing and is made again: look at it", path)
	}

	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}
