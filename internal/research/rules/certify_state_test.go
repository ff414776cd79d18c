package rules_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

func TestMovedAndBack(t *testing.T) {
	for _, better := range []research.Direction{research.Lower, research.Higher} {
		p := rulestest.NoisyProgram(contract.Amount{})
		p.Metric.Better = better
		rule := rules.NewRule(p)
		st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)

		good := 900.
		if better == research.Higher {
			good = 1 / .9 * 1000
		}
		j, obs := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
			if w.Side == rules.Candidate {
				return rulestest.ValidRun(good)
			}

			return rulestest.ValidRun(1000)
		})
		st = rule.Close(st, rulestest.UsualOutlook, obs, j)

		moved := st.AfterKeep(j)
		if moved.Incumbent != *j.Value || math.Abs(moved.Level-st.Level-math.Log(.9)) > .003 {
			t.Errorf("%s: moved from %v to %v, level by %v", better, st.Incumbent, moved.Incumbent,
				moved.Level-st.Level)
		}

		back := moved.AfterUndo(j)
		if diff := cmp.Diff(st, back, cmpopts.EquateApprox(0, 1e-9),
			cmpopts.IgnoreFields(rules.RuleState{}, "LevelVar", "Incumbent")); diff != "" {
			t.Errorf("%s: %s", better, diff)
		}

		if back.Incumbent != *j.Baseline {
			t.Errorf("%s: back at %v", better, back.Incumbent)
		}
	}
}

func TestUnequalRepeatsDemote(t *testing.T) {
	p := contract.Program{Search: rules.SearchCertify, Metric: contract.Metric{Better: research.Higher}}
	rule := rules.NewRule(p)

	st, _ := rulestest.CalibrateWith(t, rule, 50)
	if same := st.AfterRepeats(p, []float64{50, 50, 50}); same.NoiseKind != research.Deterministic {
		t.Errorf("equal repeats: %+v", same)
	}

	st = st.AfterRepeats(p, []float64{50, 51, 50})
	if st.NoiseKind != research.Noisy || !st.Demoted || st.Note == "" || !(st.S > 0) {
		t.Fatalf("unequal repeats: %+v", st)
	}

	if bad := st.AfterRepeats(p, []float64{math.NaN(), 1}); cmp.Diff(st, bad) != "" {
		t.Errorf("a NaN reached the state: %+v", bad)
	}
	// From here on the metric takes pairs.
	j, _ := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
		if w.Side == rules.Candidate {
			return rulestest.ValidRun(80)
		}

		return rulestest.ValidRun(50)
	})
	if j.Verdict != research.Improved || j.Pairs < 2 {
		t.Errorf("%s after %d pairs", j.Verdict, j.Pairs)
	}
}

func TestRecalibrationKeepsTheCounts(t *testing.T) {
	old := rules.RuleState{TestCount: rules.TestCount{Tests: 7, Kept: 2}, Start: map[string]float64{"mem": 100}}
	st := rules.RuleState{NoiseKind: research.Noisy, Start: map[string]float64{"mem": 120, "errors": 0}}.Continue(old)

	want := rules.RuleState{NoiseKind: research.Noisy, TestCount: rules.TestCount{Tests: 7, Kept: 2},
		Start: map[string]float64{"mem": 100, "errors": 0}}
	if diff := cmp.Diff(want, st); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff(want, want.Continue(rules.RuleState{})); diff != "" {
		t.Errorf("after nothing: %s", diff)
	}
}
