package rules_test

import (
	"math"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
	"ratchet/internal/testform"
)

func shorter(o rules.Outlook) rules.Outlook {
	o.Shorter = true
	return o
}

// simplify judges one shorter edit of that effect.
func simplify(n *rulestest.Night, effect float64) rules.Judgement {
	o := shorter(patient)
	j, obs := rulestest.JudgeWithin(o, n.Rule, n.State,
		func(_ int, w rules.RunRequest) rules.Observation { return n.Observe(w, effect) })
	n.State = n.Rule.Close(n.State, o, obs, j)

	return j
}

// A shorter edit is equivalent when it is shown to lose less than what matters,
// and nothing is spent on it where that can't be shown.
func TestShorterEditsAreTested(t *testing.T) {
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{Value: .01, Relative: true}))
	count := map[string]int{}

	for i := range uint64(20) {
		for name, c := range map[string]struct{ noise, effect float64 }{
			"null": {.005, 0}, "a little worse": {.005, .01}, "worse": {.005, .05}, "too noisy": {.05, 0},
		} {
			n := rulestest.NewNight(t, rule, rulestest.NormalNoise(c.noise), 91, i)
			n.Calibrate()
			j := simplify(n, c.effect)

			count[name+" "+string(j.Verdict)]++
			if simple := n.State.SimpleTests == 1; j.Verdict == research.Equivalent &&
				(!simple || n.State.SimpleKept != 1 || j.E < j.Need || n.State.Kept != 0) {
				t.Errorf("%s: %+v, streams %d %d", name, j, n.State.SimpleTests, n.State.SimpleKept)
			}

			if name == "too noisy" && j.StoppedBy == "screen" &&
				(j.Runs != 1 || !strings.Contains(j.Describe(contract.Metric{}), "can't be shown")) {
				t.Errorf("%s: %d runs: %s", name, j.Runs, j.Describe(contract.Metric{}))
			}
		}
	}

	if count["null equivalent"] < 15 || count["a little worse equivalent"] > 1 ||
		count["worse equivalent"]+count["too noisy equivalent"] > 0 {
		t.Error(count)
	}
	t.Log(count)
}

// At the edge of the null, every shorter edit loses exactly what matters.
func TestShorterEditsAtTheEdgeAreNotEquivalent(t *testing.T) {
	testform.SkipQuick(t, "TestGainsOfMinGainStayUnproven stands at the other edge")
	t.Parallel()
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{Value: .01, Relative: true}))
	bad := 0

	const nights = 40
	for i := range uint64(nights) {
		n := rulestest.NewNight(t, rule, rulestest.NormalNoise(.006), 92, i)
		n.Calibrate()

		for range 30 {
			if simplify(n, -math.Log(.99)).Verdict == research.Equivalent {
				bad++
				break
			}
		}
	}
	t.Logf("%d of %d nights", bad, nights)

	if bad > nights/20 {
		t.Errorf("%d of %d nights with an `equivalent` that loses min_gain", bad, nights)
	}
}

func TestAutoKeepsShorterEdits(t *testing.T) {
	for _, c := range []struct {
		effect float64
		sigma  float64
		want   bool
	}{{0, .002, true}, {.03, .002, false}, {0, .1, false}} {
		equivalent := 0

		for i := range 10 {
			b := rulestest.NewBench(t, autoRule(research.Lower), timing)
			for range i {
				b.Rand.Float64()
			}

			b.Sigma = c.sigma
			for range 8 { // learn the noise
				b.Try(0)
			}
			b.Outlook.Shorter = true

			j := b.Try(c.effect)
			if j.Verdict == research.Equivalent {
				equivalent++

				if j.Runs < 2 {
					t.Errorf("equivalent after %d run", j.Runs)
				}
			}
		}
		t.Logf("effect %v, noise %v: %d of 10", c.effect, c.sigma, equivalent)

		if c.want && equivalent < 4 || !c.want && equivalent > 1 {
			t.Errorf("effect %v at noise %v: %d of 10 equivalent", c.effect, c.sigma, equivalent)
		}
	}
}
