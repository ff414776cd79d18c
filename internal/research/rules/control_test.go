package rules_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

var auditMetric = contract.Metric{Name: "ms", Better: research.Lower, Unit: "ms"}

// playAudit makes an audit's runs: the start takes 100, the head as much times head, and
// the start times after right after a run of the head.
func playAudit(m rules.JobStart, head, after float64, seed uint64) (obs []rules.Observation) {
	rnd := rand.New(rand.NewPCG(seed, 3))

	for want := rules.NextMeasurementRun(m, research.Audit, rules.RuleState{NoiseKind: research.Noisy}, nil); want != nil; {
		value := 100 * math.Exp(.01*rnd.NormFloat64())

		switch {
		case want.Side == rules.Incumbent:
			value *= head
		case len(obs) > 0 && obs[len(obs)-1].Side == rules.Incumbent:
			value *= after
		}
		obs = append(obs, rules.Observation{RunRequest: *want, Valid: true, Value: value})
		want = rules.NextMeasurementRun(m, research.Audit, rules.RuleState{NoiseKind: research.Noisy}, obs)
	}

	return obs
}

var auditStart = rules.JobStart{Job: "a1", Commit: "b", Paired: "a", Runs: rules.SparingAuditPairs, Control: true}

// A head that slows down what runs after it has no gain by that, and the audit says so.
func TestAuditSeesInterference(t *testing.T) {
	for _, after := range []float64{1.1, 2, 5, .8} {
		obs := playAudit(auditStart, 1, after, 1)
		end := rules.SummariseAudit(auditStart, obs, auditMetric, "")

		if end.Control == nil || !end.Control.Interferes {
			t.Fatalf("times %v: not seen: %+v", after, end.Control)
		}

		if end.Gain.Lo > 0 || end.Gain.Hi < 0 {
			t.Errorf("times %v: the gain is %+v", after, *end.Gain)
		}

		if words := end.Control.Describe(auditMetric, end.Scale); !strings.Contains(words, "interference") ||
			strings.Contains(words, "better") != (after < 1) {
			t.Errorf("times %v: %s", after, words)
		}

		uncontrolled := auditStart
		uncontrolled.Control = false
		plain := rules.SummariseAudit(uncontrolled, obs[:2*rules.SparingAuditPairs], auditMetric, "")

		if after > 1 && plain.Gain.Mid < .03 || plain.Control != nil {
			t.Errorf("times %v: without the control nothing is claimed: %+v", after, plain.Gain)
		}
	}
}

// An honest audit has one run more than before, and the same gain.
func TestHonestAuditsKeepTheirGain(t *testing.T) {
	seen := 0

	for seed := range uint64(200) {
		obs := playAudit(auditStart, .9, 1, seed)
		if len(obs) != 2*rules.SparingAuditPairs+1 || obs[len(obs)-1].Side != rules.Start {
			t.Fatalf("%d runs, the last of %s", len(obs), obs[len(obs)-1].Side)
		}

		end := rules.SummariseAudit(auditStart, obs, auditMetric, "")
		if end.Control == nil || len(end.Control.AfterHead) != 3 || len(end.Samples) != 6 || len(end.Paired) != 6 {
			t.Fatalf("%+v", end)
		}

		if end.Control.Interferes {
			seen++
			continue
		}

		plain := auditStart
		plain.Control = false
		if was := rules.SummariseAudit(plain, obs[:12], auditMetric, ""); *was.Gain != *end.Gain {
			t.Errorf("seed %d: %v with the control, %v without", seed, *end.Gain, *was.Gain)
		}
	}

	if seen > 8 {
		t.Errorf("%d of 200 honest audits see interference", seen)
	}
}

// Pairs that do not count are made up for in an audit, as many at most as were asked for.
func TestAuditMakesUpForUnequalPairs(t *testing.T) {
	for _, c := range []struct{ unequal, runs, samples int }{{0, 13, 6}, {2, 17, 6}, {100, 25, 0}} {
		var obs []rules.Observation

		left := c.unequal
		for want := rules.NextMeasurementRun(auditStart, research.Audit, rules.RuleState{NoiseKind: research.Noisy}, nil); want != nil; {
			run := rules.Observation{RunRequest: *want, Valid: true, Value: 100}
			if before := len(obs) - 1; left > 0 && want.Pair > 0 && before >= 0 && obs[before].Pair == want.Pair {
				run.Unequal = true
				left--
			}
			obs = append(obs, run)
			want = rules.NextMeasurementRun(auditStart, research.Audit, rules.RuleState{NoiseKind: research.Noisy}, obs)
		}

		if samples, _ := rules.SplitSamples(auditStart, obs); len(obs) != c.runs || len(samples) != c.samples {
			t.Errorf("%d unequal pairs: %d runs, %d samples", c.unequal, len(obs), len(samples))
		}

		if end := rules.SummariseAudit(auditStart, obs, auditMetric, ""); (end.Gain == nil) != (c.samples == 0) {
			t.Errorf("%d unequal pairs: the gain is %v", c.unequal, end.Gain)
		}
	}
}
