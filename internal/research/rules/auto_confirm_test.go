package rules_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// regimes: of every thirty runs nine in a row take 1.75 times as long, as on a host whose
// other guests work now and then.
func regimes(n int, _ *rand.Rand) float64 {
	if n%30 >= 21 {
		return math.Log(1.75)
	}

	return 0
}

// Nothing is said of an edit by looks of which one version's fell into the time in which
// the machine was slow: 100 useless edits, each with runs to spare.
func TestSlowTimesCallNothing(t *testing.T) {
	called := func(rule rules.Auto) (n int) {
		for seed := range uint64(5) {
			b := machineBench(t, rule, seed, .02, regimes)
			b.Outlook = rules.Outlook{Budget: 6000, Left: 5900, Proposals: 100, RunSeconds: .5}

			for range 20 {
				judgement := b.Try(0)
				if judgement.Gain != nil && (judgement.Gain.Lo > 0 || judgement.Gain.Hi < 0) {
					n++
				}
			}
		}

		return n
	}

	present, first := called(machineRule()), called(autoRule(research.Lower))
	t.Logf("called: %d of 100, %d by the first version", present, first)

	if present > 7 {
		t.Errorf("%d of 100 useless edits are called better or worse", present)
	}

	if first <= 7 {
		t.Errorf("the first version, which confirms nothing, calls only %d", first)
	}
}

// An interval without 0 stands where looks at both versions that follow each other say the
// same, and reaches to 0 where they say nothing of the kind.
func TestCallsAreConfirmed(t *testing.T) {
	for name, c := range map[string]struct {
		head float64 // its level beside the edit, on the log scale
		want research.Verdict
	}{
		"the machine became slow": {.5, research.Equivalent},
		"the edit is slow":        {0, research.Regressed},
	} {
		b := machineBench(t, machineRule(), 3, .01, func(int, *rand.Rand) float64 { return 0 })
		for range 10 {
			b.Try(0)
		}
		heads := 0

		judgement, obs := rulestest.JudgeWithin(b.Outlook, b.Rule, b.State,
			func(_ int, want rules.RunRequest) rules.Observation {
				level := .5 + .005*b.Rand.NormFloat64()
				if want.Side == rules.Incumbent {
					level = c.head + .005*b.Rand.NormFloat64()
					heads++
				}

				return rulestest.ValidRun(math.Exp(b.Head + level))
			})
		t.Logf("%s: %s after %d runs, %d of the head: %v", name, judgement.Verdict, len(obs), heads, judgement.Gain)

		if heads == 0 || judgement.Verdict != c.want {
			t.Errorf("%s: %s, want %s, with %d looks at the head", name, judgement.Verdict, c.want, heads)
		}

		says := judgement.Gain != nil && (judgement.Gain.Lo > 0 || judgement.Gain.Hi < 0)
		if says != (c.want == research.Regressed) {
			t.Errorf("%s: the interval is %v", name, judgement.Gain)
		}
	}
}
