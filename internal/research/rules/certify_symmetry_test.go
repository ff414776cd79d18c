package rules_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// ruleFor makes the rule of a program; a broken one, where a test shows that it fails.
type ruleFor func(contract.Program) rules.Rule

// The same runs, turned over or in another unit, give the same verdicts.
func TestDirectionAndUnitDoNotMatter(t *testing.T) {
	for name, diff := range certifyTurnFaults(t, rules.NewRule) {
		t.Errorf("%s: %s", name, diff)
	}
}

func certifyTurnFaults(t *testing.T, made ruleFor) map[string]string {
	turns := map[string]struct {
		better research.Direction
		turn   func(float64) float64
	}{
		"x 1000":     {better: research.Lower, turn: func(x float64) float64 { return 1000 * x }},
		"reciprocal": {better: research.Higher, turn: func(x float64) float64 { return 1 / x }},
	}
	edits := []float64{0, -.06, .05, 0, -.02, .01, -.1, 0}
	play := func(better research.Direction, turn func(float64) float64) (all []string) {
		p := rulestest.NoisyProgram(contract.Amount{})

		p.Metric.Better = better
		for i := range 20 {
			n := rulestest.NewNight(t, made(p), rulestest.HeavyNoise(), 77, uint64(i))
			n.Turn = turn
			n.Calibrate()

			for _, e := range edits {
				j := n.Propose(e, e >= 0)
				all = append(all, fmt.Sprint(j.Verdict, j.StoppedBy, j.Pairs, j.Wins))
			}
		}

		return all
	}

	want, faults := play(research.Lower, func(x float64) float64 { return x }), map[string]string{}
	for name, c := range turns {
		if diff := cmp.Diff(want, play(c.better, c.turn)); diff != "" {
			faults[name] = diff
		}
	}

	return faults
}

// The negated metric, with better flipped, is the same one: exactly where both
// are compared on the linear scale, and in what is improved where one is on the log.
func TestNegatedMetricGivesTheSameVerdicts(t *testing.T) {
	for _, fault := range negationFaults(t, rules.NewRule) {
		t.Error(fault)
	}
}

func negationFaults(t *testing.T, made ruleFor) (faults []string) {
	for _, c := range []struct {
		centre  float64
		effects []float64
		exact   bool
	}{{0, []float64{0, -6, 6, -3, 300}, true}, {-500, []float64{0, -60, 300, -90, 0}, false}} {
		play := func(better research.Direction, sign float64) (all []string) {
			r := rand.New(rand.NewPCG(5, 8))
			p := rulestest.NoisyProgram(contract.Amount{Value: .3})
			p.Metric.Better = better
			rule := made(p)
			run := func(effect float64) float64 { return sign * (c.centre + effect + r.NormFloat64()) }

			values := make([]float64, 9)
			for i := range values {
				values[i] = run(0)
			}
			st, _ := rulestest.CalibrateWith(t, rule, values...)

			for i := range 60 {
				r = rand.New(rand.NewPCG(5, uint64(i))) // a look more or less must not shift what comes after
				j, obs := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
					if w.Side == rules.Candidate {
						return rulestest.ValidRun(run(c.effects[i%len(c.effects)]))
					}

					return rulestest.ValidRun(run(0))
				})
				st = rule.Close(st, rulestest.UsualOutlook, obs, j)

				text := fmt.Sprintf("%s %s %d %.9f", j.Verdict, j.StoppedBy, j.Pairs, j.Gain.Mid)
				if !c.exact {
					text = fmt.Sprint(j.Verdict == research.Improved, j.Pairs)
				}

				all = append(all, text)
			}

			return all
		}

		want := play(research.Lower, 1)
		if diff := cmp.Diff(want, play(research.Higher, -1)); diff != "" {
			faults = append(faults, fmt.Sprintf("around %v: %s", c.centre, diff))
		}

		if text := strings.Join(want, ", "); c.exact &&
			!(strings.Contains(text, "improved") && strings.Contains(text, "regressed")) {
			faults = append(faults, fmt.Sprintf("nothing was decided around %v: %s", c.centre, text))
		}
	}

	return faults
}

// The rule is a function: same state, same runs, same answer, and its arguments stay as they were.
func TestNextAndCloseAreFunctions(t *testing.T) {
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{}))
	st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)
	before := fmt.Sprintf("%#v", st)
	j, obs := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
		if w.Side == rules.Candidate {
			return rulestest.ValidRun(900)
		}

		return rulestest.ValidRun(1000)
	})

	a, b := rule.Close(st, rulestest.UsualOutlook, obs, j), rule.Close(st, rulestest.UsualOutlook, obs, j)
	if diff := cmp.Diff(a, b); diff != "" || fmt.Sprintf("%#v", st) != before {
		t.Errorf("state changed: %s", diff)
	}

	if again := rule.Next(st, rulestest.UsualOutlook, obs); again.Done == nil || cmp.Diff(*again.Done, j) != "" {
		t.Errorf("another answer: %+v", again)
	}
}

// Whatever the numbers, the rule ends, and what it says and carries can be written down.
func TestWildNumbersEndInSomethingFinite(t *testing.T) {
	wild := []float64{0, 1, -1, 1e-320, 5e-324, 1e308, -1e308, 1e200, -1e200, math.NaN(), math.Inf(1), math.Inf(-1),
		1000, 1001, 999}
	r := rand.New(rand.NewPCG(6, 6))
	pick := func(n int) float64 { return wild[r.IntN(n)] }
	judged := 0

	for i := range 3000 {
		p := rulestest.NoisyProgram(contract.Amount{Value: .1, Relative: i%2 == 0})
		p.Metric.Noise = []research.NoiseKind{research.Noisy, research.NoiseAuto, research.Deterministic}[i%3]
		p.Metric.Better = []research.Direction{research.Lower, research.Higher}[i/3%2]
		rule := rules.NewRule(p)
		var obs []rules.Observation

		base := pick(len(wild))
		for want := rule.Calibrate(obs); want != nil; want = rule.Calibrate(obs) {
			v := base
			if i%5 == 0 {
				v = pick(len(wild))
			}

			obs = append(obs, rules.Observation{RunRequest: *want, Valid: true, Value: v})
		}

		st, err := rule.Calibrated(obs)
		if err != nil {
			continue
		}

		for range 5 {
			j, obs := rulestest.JudgeWith(rule, st, func(int, rules.RunRequest) rules.Observation {
				return rulestest.ValidRun(pick(len(wild)))
			})

			st = rule.Close(st, rulestest.UsualOutlook, obs, j)
			if st, judged = st.AfterKeep(j).AfterUndo(j).AfterRepeats(p, []float64{pick(len(wild)), pick(len(wild))}),
				judged+1; len(obs) > 50 {
				t.Fatalf("%d runs", len(obs))
			}

			if _, err := json.Marshal(j); err != nil {
				t.Fatalf("judgement %+v: %v", j, err)
			}

			if _, err := json.Marshal(st); err != nil {
				t.Fatalf("state %+v: %v", st, err)
			}
		}
	}

	if judged < 1000 {
		t.Errorf("only %d judgements", judged)
	}
}
