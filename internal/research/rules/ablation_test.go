package rules_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// exactly plays an ablation of a deterministic metric: cost gives the value of
// the head without some changes, or why it can't be.
func exactly(
	t *testing.T, a rules.Ablation, cost func(out []int) (float64, string),
) (end *rules.AblationEnd, comparisons int) {
	t.Helper()
	a.NoiseKind, a.Scale, a.Better = research.Deterministic, "linear", research.Lower
	made := map[string]rules.ComparisonResult{}

	key := func(besides, out []int) string { return fmt.Sprint(besides, out) }
	for {
		step := a.NextComparison(func(besides, out []int) rules.ComparisonResult { return made[key(besides, out)] })
		if step.Done != nil {
			return step.Done, comparisons
		}

		if comparisons++; comparisons > 100 {
			t.Fatal("it never ends")
		}
		c := step.Compare

		with, unfit := cost(c.Besides)
		if unfit != "" {
			t.Fatalf("it went on from %v, which can't be: %s", c.Besides, unfit)
		}
		less, unfit := cost(slices.Concat(c.Besides, c.Out))
		made[key(c.Besides, c.Out)] = rules.ComparisonResult{Diffs: []float64{less - with}, Unfit: unfit}
	}
}

func changes(n int) (all []rules.AblationChange) {
	for i := range n {
		all = append(all, rules.AblationChange{N: i + 1, Claim: float64(i + 1)})
	}

	return all
}

func has(out []int, n int) bool { return !slices.Contains(out, n) }

// What is dropped and what stays, change by change.
func TestAblationOfExactMetric(t *testing.T) {
	pay := func(gains map[int]float64) func([]int) (float64, string) {
		return func(out []int) (float64, string) {
			v := 1000.

			for n, g := range gains {
				if has(out, n) {
					v -= g
				}
			}

			return v, ""
		}
	}

	both := func(out []int) bool { return has(out, 1) && has(out, 2) }
	for _, c := range []struct {
		name string
		a    rules.Ablation
		cost func(out []int) (float64, string)
		out  []int
		why  map[int]string
	}{
		{name: "riders among gains", a: rules.Ablation{Changes: changes(4)}, cost: pay(map[int]float64{2: 5, 4: 1}),
			out: []int{1, 3}},
		{name: "of two that do the same, one stays", a: rules.Ablation{Changes: changes(2)},
			cost: func(out []int) (float64, string) {
				if has(out, 1) || has(out, 2) {
					return 990, ""
				}

				return 1000, ""
			}, out: []int{1}},
		{name: "two that only work together stay", a: rules.Ablation{Changes: changes(2)},
			cost: func(out []int) (float64, string) {
				if both(out) {
					return 990, ""
				}

				return 1000, ""
			}},
		{name: "harm goes", a: rules.Ablation{Changes: changes(2)}, cost: pay(map[int]float64{1: -3, 2: 5}),
			out: []int{1}},
		{name: "less than what counts goes", a: rules.Ablation{Changes: changes(2), Least: 2},
			cost: pay(map[int]float64{1: 2, 2: 2.5}), out: []int{1}},
		{name: "it goes with what builds on it",
			a:    rules.Ablation{Changes: []rules.AblationChange{{N: 1, Ties: []int{2}}, {N: 2}, {N: 3}}},
			cost: pay(map[int]float64{3: 1}), out: []int{1, 2}},
		{name: "it stays with what builds on it",
			a:    rules.Ablation{Changes: []rules.AblationChange{{N: 1, Ties: []int{2}}, {N: 2}}},
			cost: pay(map[int]float64{2: 1})},
		{name: "shorter stays unless it hurts",
			a: rules.Ablation{Changes: []rules.AblationChange{{N: 1, Shorter: true}, {N: 2, Shorter: true},
				{N: 3, Shorter: true}}}, cost: pay(map[int]float64{2: -1}), out: []int{2},
			why: map[int]string{1: rules.AblationShorter, 2: rules.AblationHurts}},
		{name: "what can't be left out stays", a: rules.Ablation{Changes: changes(2)},
			cost: func(out []int) (float64, string) {
				if !has(out, 1) {
					return 0, "check failed"
				}

				return 1000, ""
			}, out: []int{2}, why: map[int]string{1: "check failed", 2: rules.AblationIdle}},
	} {
		t.Run(c.name, func(t *testing.T) {
			end, _ := exactly(t, c.a, c.cost)
			if diff := cmp.Diff(c.out, end.DroppedExperiments()); diff != "" {
				t.Errorf("dropped: %s", diff)
			}

			for _, f := range slices.Concat(end.Kept, end.Dropped) {
				if want, ok := c.why[f.N]; ok && f.Why != want {
					t.Errorf("%d: %q, want %q", f.N, f.Why, want)
				}
			}
		})
	}
}

// noisyAblation is one whose noise is known: 1 % a pair.
func noisyAblation(claims ...float64) rules.Ablation {
	a := rules.Ablation{NoiseKind: research.Noisy, Scale: "log", Better: research.Lower, S: .01, Eps: .05,
		Pairs: rules.SparingAblationPairs}
	for i, claim := range claims {
		a.Changes = append(a.Changes, rules.AblationChange{N: i + 1, Claim: claim})
	}

	return a
}

// same gives equal differences of what is left out, for ever.
func same(
	t *testing.T, a rules.Ablation, diff func(besides, out []int) float64,
) (*rules.AblationEnd, []rules.Comparison) {
	t.Helper()
	made := map[string][]float64{}
	var asked []rules.Comparison

	for {
		step := a.NextComparison(func(besides, out []int) rules.ComparisonResult {
			return rules.ComparisonResult{Diffs: made[fmt.Sprint(besides, out)]}
		})
		if step.Done != nil {
			return step.Done, asked
		}

		if len(asked) > 500 {
			t.Fatal("it never ends")
		}
		c := *step.Compare

		asked = append(asked, c)
		for range c.Pairs {
			k := fmt.Sprint(c.Besides, c.Out)
			wobble := a.S * float64(1-2*(len(made[k])%2))
			made[k] = append(made[k], diff(c.Besides, c.Out)+wobble)
		}
	}
}

// Many riders go in one comparison, and a gain among them is found by halving.
func TestAblationByGroups(t *testing.T) {
	a := noisyAblation(make([]float64, 16)...)

	end, asked := same(t, a, func(_, out []int) float64 { return 0 })
	if len(end.Dropped) != 16 || len(asked[0].Out) != 16 {
		t.Errorf("%d of 16 riders dropped, the first comparison leaves out %v", len(end.Dropped), asked[0].Out)
	}

	for _, c := range asked {
		if len(c.Out) != 16 {
			t.Errorf("%v was compared: the group alone says it", c.Out)
		}
	}

	end, _ = same(t, a, func(_, out []int) float64 {
		if slices.Contains(out, 5) {
			return .04
		}

		return 0
	})
	if len(end.Kept) != 1 || end.Kept[0].N != 5 || end.Kept[0].Why != rules.AblationPays ||
		end.Kept[0].Gain.Lo <= 0 {
		t.Errorf("kept %+v", end.Kept)
	}
}

// A gain whose group brings nothing, since a loss beside it cancels it, is found by asking
// the halves; the first version drops both.
func TestAblationAsksHalves(t *testing.T) {
	for name, effects := range map[string]map[int]float64{
		"neighbours":     {5: .05, 6: -.05},
		"the ends":       {1: .05, 16: -.05},
		"several losses": {4: .06, 7: -.03, 9: -.03},
	} {
		diff := func(_, out []int) float64 {
			sum := 0.0
			for _, n := range out {
				sum += effects[n]
			}

			return sum
		}

		a := noisyAblation(make([]float64, 16)...)
		if end, _ := same(t, a, diff); len(end.Dropped) != 16 {
			t.Errorf("%s: without halves %d of 16 are dropped: it shows nothing", name, len(end.Dropped))
		}
		a.AsksHalves = true
		end, asked := same(t, a, diff)

		lost := diff(nil, end.DroppedExperiments())
		if lost > .001 || len(end.Dropped) < 10 {
			t.Errorf("%s: dropped %v, a gain of %.3f is lost; asked %v", name, end.DroppedExperiments(), lost, asked)
		}
	}
}

// Riders cost two comparisons more where halves are asked.
func TestAblationAsksHalvesOnce(t *testing.T) {
	a := noisyAblation(make([]float64, 16)...)
	a.AsksHalves = true

	end, asked := same(t, a, func(_, out []int) float64 { return 0 })
	sizes := map[int]bool{}

	for _, c := range asked {
		sizes[len(c.Out)] = true
	}

	if len(end.Dropped) != 16 || len(sizes) != 2 || !sizes[16] || !sizes[8] {
		t.Errorf("%d of 16 riders dropped, by comparisons of %v changes", len(end.Dropped), sizes)
	}
}

// Gains that are each too small to tell are not lost together: the drops are taken back.
func TestAblationTakesBack(t *testing.T) {
	a := noisyAblation(.003, .003, .003, .003, .003, .003, .003, .003)
	end, asked := same(t, a, func(_, out []int) float64 { return .004 * float64(len(out)) })

	lost := .004 * float64(len(end.Dropped))
	if lost > .01 {
		t.Errorf("%v dropped: %.1f %% lost", end.DroppedExperiments(), 100*lost)
	}

	if end.Pairs == 0 != (len(end.Dropped) == 0) {
		t.Errorf("the end was compared by %d pairs, %d changes are dropped", end.Pairs, len(end.Dropped))
	}

	if !slices.ContainsFunc(asked, func(c rules.Comparison) bool { return c.Last }) {
		t.Errorf("the trimmed head was never compared with the untrimmed: %v, %v, %v", end.DroppedExperiments(),
			end.Pairs, asked)
	}
}

// The forecast of a clean case is what it takes.
func TestAblationForecast(t *testing.T) {
	a := noisyAblation(0, 0, 0, .05)

	comparisons, runs := a.ForecastRuns(func(_, _ []int) rules.ComparisonResult { return rules.ComparisonResult{} })
	if comparisons != 2 || runs < 8 || runs > 40 {
		t.Errorf("%d comparisons, %d runs", comparisons, runs)
	}

	done := func(_, out []int) rules.ComparisonResult {
		d := 0.
		if slices.Contains(out, 4) {
			d = .05
		}

		return rules.ComparisonResult{Diffs: slices.Repeat([]float64{d}, 24)}
	}
	if comparisons, runs := a.ForecastRuns(done); comparisons != 0 || runs != 0 {
		t.Errorf("all is measured, yet %d comparisons, %d runs", comparisons, runs)
	}
}

// A guard that the head keeps, and the head without a change breaks, keeps the change in.
func TestAblationSeesGuards(t *testing.T) {
	limit := 100.
	a := rules.Ablation{Of: "h", NoiseKind: research.Deterministic, Scale: "linear", Better: research.Lower}
	p := contract.Program{Metric: contract.Metric{Name: "ms", Better: research.Lower},
		Guards: []contract.Guard{{Name: "mem", Max: &limit}}}
	r := rules.NewAblationRuns(a, p, rules.RuleState{})
	obs := func(side rules.Side, value, mem float64) rules.Observation {
		return rules.Observation{RunRequest: rules.RunRequest{Side: side, Pair: 1}, Valid: true, Value: value,
			Guards: map[string]float64{"ms": value, "mem": mem}}
	}
	r.AddJob(rules.JobStart{Job: "m1", Ablates: "h", Paired: "x", Without: []int{1}},
		[]rules.Observation{obs(rules.Incumbent, 10, 90), obs(rules.Candidate, 10, 110)},
		&rules.MeasurementEnd{})
	r.AddJob(rules.JobStart{Job: "m2", Ablates: "another", Without: []int{2}},
		[]rules.Observation{obs(rules.Candidate, 1, 1)}, &rules.MeasurementEnd{})
	r.AddJob(rules.JobStart{Job: "m3", Ablates: "h", Without: []int{2}},
		[]rules.Observation{obs(rules.Candidate, 12, 90)}, nil)

	if e := r.ResultOf(nil, []int{1}); e.Unfit == "" {
		t.Errorf("the guard is not seen: %+v", e)
	}

	if e := r.ResultOf(nil, []int{2}); e.Unfit != "" || !slices.Equal(e.Diffs, []float64{2}) {
		t.Errorf("the value of a lost job's run does not count: %+v", e)
	}
}
