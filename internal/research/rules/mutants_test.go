package rules_test

import (
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// Every test of a property of the rule is shown to be able to fail: a rule that
// is broken in just that property is put to it. (Rules that lack a part which
// null nights need are in TestBrokenRulesFailNullNights.)

// absolute is a rule with a smallest difference that counts, in the metric's unit.
type absolute struct {
	rulestest.FullRule
	least float64
}

func (a absolute) Next(st rules.RuleState, o rules.Outlook, obs []rules.Observation) rules.Step {
	step := a.FullRule.Next(st, o, obs)
	step.Done = belowUnit(step.Done, a.least)

	return step
}

// absoluteEdits is absolute, of search: certify.
type absoluteEdits struct {
	rules.Rule
	least float64
}

func (a absoluteEdits) Next(st rules.RuleState, o rules.Outlook, obs []rules.Observation) rules.Step {
	step := a.Rule.Next(st, o, obs)
	step.Done = belowUnit(step.Done, a.least)

	return step
}

func belowUnit(j *rules.Judgement, least float64) *rules.Judgement {
	if j == nil || j.Value == nil || math.Abs(*j.Value-*j.Baseline) >= least {
		return j
	}
	small := *j
	small.Verdict = research.Equivalent

	return &small
}

// byRatio compares by value/baseline, which turns round where values are negative.
type byRatio struct {
	rules.Rule
	better research.Direction
}

func (r byRatio) Next(st rules.RuleState, o rules.Outlook, obs []rules.Observation) rules.Step {
	step := r.Rule.Next(st, o, obs)
	if step.Done == nil || step.Done.Verdict != research.Improved {
		return step
	}

	if ratio := *step.Done.Value / *step.Done.Baseline; ratio > 1 != (r.better == research.Higher) {
		j := *step.Done
		j.Verdict = research.Regressed
		step.Done = &j
	}

	return step
}

// swapped takes the candidate's runs for the head's, and the head's for the candidate's.
type swapped struct{ rulestest.FullRule }

func (s swapped) Next(st rules.RuleState, o rules.Outlook, obs []rules.Observation) rules.Step {
	turned := slices.Clone(obs)
	for i, x := range obs {
		turned[i].Side = map[rules.Side]rules.Side{rules.Candidate: rules.Incumbent,
			rules.Incumbent: rules.Candidate}[x.Side]
	}

	return s.FullRule.Next(st, o, turned)
}

// hasty counts a certificate's first pair twice.
type hasty struct{ rulestest.FullRule }

func (h hasty) NextPair(
	st rules.RuleState, o rules.Outlook, obs []rules.Observation,
) rules.CertificateStep {
	if len(obs) == 2 {
		again := slices.Clone(obs)
		again[0].Pair, again[1].Pair = 2, 2
		obs = slices.Concat(obs, again)
	}

	return h.FullRule.NextPair(st, o, obs)
}

// trusting takes what is not a number for the start's value.
type trusting struct{ rulestest.FullRule }

func (r trusting) Next(st rules.RuleState, o rules.Outlook, obs []rules.Observation) rules.Step {
	fixed := slices.Clone(obs)
	for i, x := range obs {
		if math.IsNaN(x.Value) {
			fixed[i].Value = st.Values[0]
		}
	}

	return r.FullRule.Next(st, o, fixed)
}

func TestBrokenRulesFailTheirTests(t *testing.T) {
	lower := autoRule(research.Lower)
	shortcut, rope := lower, lower
	shortcut.Metric.Noise = research.NoiseAuto // equal runs are taken for a metric without noise
	rope.Rope *= 1.03

	golden, err := os.ReadFile("testdata/auto.golden")
	if err != nil {
		t.Fatal(err)
	}
	_, eager := signFault(t, func(p contract.Program) rules.Rule { return peeking{rules.NewRule(p)} })

	whole := func(int) float64 { return .05 }
	for broken, failed := range map[string]bool{
		"every test has the whole alpha, certify": alphaSum(whole) >= .05,
		"every test has the whole alpha, auto":    autoAlphaSum(whole) > .05,
		"the eleventh win is not waited for":      eager != "",
		"one pair is enough":                      singlePairFault(t, hasty{lower}) != "",
		"the sides are swapped":                   learningFault(t, swapped{lower}) != "",
		"a NaN is believed":                       numberFault(t, trusting{lower}) != "",
		"equal runs stop the belief":              equalFault(t, shortcut) != "",
		"a constant is another":                   goldenText(t, rope) != string(golden),
		"ratio of negative values": len(negationFaults(t,
			func(p contract.Program) rules.Rule { return byRatio{rules.NewRule(p), p.Metric.Better} })) > 0,
	} {
		if !failed {
			t.Errorf("%s: the test of it passes", broken)
		}
	}
}

// A rule that knows only one direction, or a difference in the metric's unit,
// fails just that half of the tests of symmetry and scaling.
func TestBrokenRulesAreNotSymmetric(t *testing.T) {
	lowerOnly := func(p contract.Program) rules.Rule {
		p.Metric.Better = research.Lower
		return rules.NewRule(p)
	}

	inUnits := func(p contract.Program) rules.Rule { return absoluteEdits{rules.NewRule(p), 40} }
	for _, c := range []struct {
		broken string
		faults map[string]string
		want   string
	}{
		{"auto, only lower",
			turnFaults(t, func(research.Direction) rulestest.FullRule { return autoRule(research.Lower) }),
			"higher is better"},
		{"auto, a threshold in units", turnFaults(t,
			func(d research.Direction) rulestest.FullRule { return absolute{autoRule(d), .04} }), "a thousandfold"},
		{"certify, only lower", certifyTurnFaults(t, lowerOnly), "reciprocal"},
		{"certify, a threshold in units", certifyTurnFaults(t, inUnits), "x 1000"},
	} {
		if c.faults[c.want] == "" {
			t.Errorf("%s: the test passes with %q; it fails with %q", c.broken, c.want,
				slices.Collect(maps.Keys(c.faults)))
		}
	}
}
