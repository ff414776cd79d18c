package rules_test

import (
	"math"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// patient is an outlook with ten runs a proposal: certify's cheap preset.
var patient = rules.Outlook{Budget: 1000, Left: 1000, Proposals: 100}

// falseNights is the share of nights with a false keep among 100 edits of one effect.
func falseNights(
	t *testing.T, rule rules.Rule, w rulestest.Machine, nights int, effect float64, stored bool,
) (share, runs float64) {
	t.Helper()
	bad, total := 0, 0

	for i := range nights {
		n := rulestest.NewNight(t, rule, w, 20260101, uint64(i))
		n.Calibrate()

		if stored {
			n.Stored = &n.State.Incumbent
		}

		for range 100 {
			n.Propose(effect, true)
		}

		total += n.Counts.Runs
		if n.Counts.FalseKeeps > 0 {
			bad++
		}
	}

	return float64(bad) / float64(nights), float64(total) / float64(nights) / 100
}

func TestNullNightsStayClean(t *testing.T) {
	nights := 100
	if testing.Short() {
		nights = 25
	}

	for _, assumptions := range []string{contract.AssumeModel, contract.AssumeNone} {
		p := rulestest.NoisyProgram(contract.Amount{})

		p.Assumptions = assumptions
		for name, w := range map[string]rulestest.Machine{"normal 2 %": rulestest.NormalNoise(.02),
			"heavy one-sided": rulestest.HeavyNoise(), "drift": rulestest.DriftNoise()} {
			t.Run(assumptions+", "+name, func(t *testing.T) {
				t.Parallel()
				share, runs := falseNights(t, rules.NewRule(p), w, nights, 0, false)
				t.Logf("P(any false keep) = %.4f, %.2f runs a proposal", share, runs)

				if share > .05 {
					t.Errorf("P(any false keep in a night of 100 null edits) = %.3f > .05", share)
				}
			})
		}
	}
}

// At the edge of the null, every edit gains exactly min_gain.
func TestGainsOfMinGainStayUnproven(t *testing.T) {
	nights := 40
	if testing.Short() {
		nights = 20
	}

	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{Value: .02, Relative: true}))

	for name, w := range map[string]rulestest.Machine{"normal 2 %": rulestest.NormalNoise(.02),
		"heavy one-sided": rulestest.HeavyNoise(), "drift": rulestest.DriftNoise()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			share, runs := falseNights(t, rule, w, nights, math.Log(.98), false)
			t.Logf("P(any false keep) = %.4f, %.2f runs a proposal", share, runs)

			if share > .05 {
				t.Errorf("P(any keep in a night of edits that gain min_gain) = %.3f > .05", share)
			}
		})
	}
}

// peeking is the rule without its correction: it keeps as soon as E >= 2.
type peeking struct{ rules.Rule }

func (p peeking) Next(st rules.RuleState, o rules.Outlook, obs []rules.Observation) rules.Step {
	e, b := 1.0, 0.0

	for _, o := range obs {
		switch {
		case o.Role != research.Confirm:
		case b == 0:
			b = o.Value
		default:
			better := o.Value < b
			if o.Side == rules.Incumbent {
				better = b < o.Value
			}

			if b = 0; better {
				e *= 1.9
			} else {
				e *= .1
			}
		}
	}

	if e < 2 || b != 0 {
		return p.Rule.Next(st, o, obs)
	}
	v := obs[0].Value

	return rules.Step{Done: &rules.Judgement{Verdict: research.Improved, Value: &v, Baseline: &v, State: st}}
}

// The same test must fail for rules that are known to be broken; else it has no teeth.
func TestBrokenRulesFailNullNights(t *testing.T) {
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{}))
	t.Run("peeking without correction", func(t *testing.T) {
		t.Parallel()
		share, _ := falseNights(t, peeking{rule}, rulestest.NormalNoise(.02), 50, 0, false)
		t.Logf("%.3f", share)

		if share < .25 {
			t.Errorf("only %.3f of the nights went wrong", share)
		}
	})
	t.Run("stored baseline under drift", func(t *testing.T) {
		t.Parallel()
		share, _ := falseNights(t, rule, rulestest.DriftNoise(), 50, 0, true)
		t.Logf("%.3f", share)

		if share < .25 {
			t.Errorf("only %.3f of the nights went wrong", share)
		}
	})
}

// What the rule is for: real gains are found, at a cost, and claimed honestly.
func TestRealGainsAreFound(t *testing.T) {
	t.Parallel()
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{Value: .005, Relative: true}))
	clear, claimed, real := 0, 0.0, 0.0

	for i := range 60 {
		n := rulestest.NewNight(t, rule, rulestest.NormalNoise(.01), 31, uint64(i))
		n.Calibrate()

		j := n.Propose(math.Log(.9), false)
		if j.Verdict != research.Improved {
			continue
		}

		clear++

		claimed, real = claimed+j.Gain.Mid, real+.1
		if j.Pairs > 13 {
			t.Errorf("night %d: %d pairs", i, j.Pairs)
		}
	}

	if clear < 60 {
		t.Errorf("a 10 %% gain at 1 %% noise was improved in %d of 60 nights", clear)
	}

	if r := claimed / real; r < .97 || r > 1.03 {
		t.Errorf("claimed/true = %.3f", r)
	}
}

// A mixed night: most edits do nothing, some harm, some help.
func TestMixedNight(t *testing.T) {
	t.Parallel()
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{}))
	falseKeeps, keeps, gain, offered, runs := 0, 0, 0.0, 0.0, 0

	for i := range 40 {
		n := rulestest.NewNight(t, rule, rulestest.NormalNoise(.02), 57, uint64(i))
		n.Calibrate()

		for k := range 50 {
			effect := 0.0

			switch k % 10 {
			case 3:
				effect = .05
			case 6:
				effect = -.06
			}
			offered += max(-effect, 0)
			n.Propose(effect, effect >= 0)
		}
		falseKeeps, keeps, gain, runs = falseKeeps+n.Counts.FalseKeeps, keeps+n.Counts.Keeps, gain-n.Level,
			runs+n.Counts.Runs
	}
	t.Logf("%d keeps, %d false, %.2f of the gain on offer, %.2f runs a proposal", keeps, falseKeeps, gain/offered,
		float64(runs)/2000)

	if falseKeeps > keeps/50 || gain < .6*offered {
		t.Errorf("%d of %d keeps are false; %.2f of the gain on offer was found", falseKeeps, keeps, gain/offered)
	}
}
