package research_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
)

// runsOf plays a confirmation of a 10 % gain; contended says of which runs the
// machine was busy, by their number from 0.
func runsOf(t *testing.T, contended ...int) ([]research.Observation, research.Judgement, research.RuleState) {
	t.Helper()
	rule := research.NewRule(noisyProgram(research.Amount{}))
	st, _ := calibratedBy(t, rule, quiet...)

	busy := map[int]bool{}
	for _, i := range contended {
		busy[i] = true
	}
	j, obs := playWith(rule, st, func(i int, w research.Want) research.Observation {
		o := valued(1000)
		if w.Side == research.Candidate {
			o = valued(900)
		}

		if busy[i] && !w.Again {
			o.Value *= 3 // what the load does; the repetition counts instead
		}
		o.Contended = busy[i]

		return o
	})

	return obs, j, rule.Close(st, usual, obs, j)
}

// A contended look, and a pair with a contended half, is made once more, in the
// same order, and the repetition counts, contended or not.
func TestContendedRunsAreRepeatedOnce(t *testing.T) {
	_, calm, calmState := runsOf(t)
	for name, c := range map[string]struct {
		contended []int
		more      int
	}{
		"nothing": {nil, 0}, "the screen": {[]int{0}, 1}, "the screen twice": {[]int{0, 1}, 1}, "a half": {[]int{1}, 2},
		"the other half": {[]int{2}, 2}, "both": {[]int{1, 2}, 2}, "the repetition too": {[]int{1, 3, 4}, 2},
		"the second pair": {[]int{3}, 2},
	} {
		obs, j, st := runsOf(t, c.contended...)
		if j.Verdict != research.Improved || j.Runs != calm.Runs+c.more || len(obs) != j.Runs {
			t.Errorf("%s: %s after %d runs, %d without load", name, j.Verdict, j.Runs, calm.Runs)
		}
		repeated := 0

		for i, o := range obs {
			if !o.Again {
				continue
			}

			first := obs[max(i-2, 0)]
			if first.Again || first.Pair != o.Pair || first.Side != o.Side || first.Order != o.Order {
				t.Errorf("%s: run %d repeats %+v as %+v", name, i, first.Want, o.Want)
			}

			repeated++
		}

		if repeated != c.more {
			t.Errorf("%s: %d runs repeated", name, repeated)
		}

		if diff := cmp.Diff(calmState, st); diff != "" {
			t.Errorf("%s: the load reached the state: %s", name, diff)
		}
	}
}

func TestInvalidRepetitions(t *testing.T) {
	want := func(side research.Side, again bool) research.Want {
		return research.Want{Side: side, Role: research.Confirm, Pair: 1, Order: "BC", Again: again}
	}
	busy := research.Observation{Want: want(research.Incumbent, false), Valid: true, Value: 1000, Contended: true}
	other := research.Observation{Want: want(research.Candidate, false), Valid: true, Value: 900}
	first := research.Observation{Want: want(research.Incumbent, true), Valid: true, Value: 1001}

	failed := research.Observation{Want: want(research.Candidate, true), Reason: "exit status 1"}
	if w := research.Again(research.Noisy, []research.Observation{busy, other}); w == nil ||
		*w != want(research.Incumbent, true) {
		t.Errorf("asks for %+v", w)
	}

	if w := research.Again(research.Noisy, []research.Observation{busy, other, first}); w == nil ||
		*w != want(research.Candidate, true) {
		t.Errorf("then for %+v", w)
	}

	for name, obs := range map[string][]research.Observation{
		"incomplete": {busy}, "not contended": {first, other}, "failed": {busy, other, first, failed},
		"done": {busy, other, first, {Want: want(research.Candidate, true), Valid: true, Value: 1, Contended: true}},
	} {
		if w := research.Again(research.Noisy, obs); w != nil {
			t.Errorf("%s: asks for %+v", name, w)
		}
	}

	settled := research.Settled([]research.Observation{busy, other, first, failed})
	if diff := cmp.Diff([]research.Observation{busy, other, failed}, settled); diff != "" {
		t.Errorf("a repetition that failed: %s", diff)
	}
}

// playMeasured makes a measurement's runs, all of them contended.
func playMeasured(
	m *research.Measurement, class research.Noise, value func(research.Side) float64,
) (obs []research.Observation) {
	next := func() *research.Want { return research.NextMeasured(m.JobStart, research.Measure, class, obs) }
	for w := next(); w != nil; w = next() {
		obs = append(obs, research.Observation{Want: *w, Valid: true, Value: value(w.Side), Contended: true})
	}

	return obs
}

// Load can't change the number of a deterministic metric: its contended pairs
// are not made again. Once it is demoted, they are. A ledger in which they were
// made again, as they were once, is recomputed all the same.
func TestDeterministicPairsAreMadeOnce(t *testing.T) {
	value := func(s research.Side) float64 {
		if s == research.Candidate {
			return 900
		}

		return 1000
	}
	m := &research.Measurement{JobStart: research.JobStart{Job: "m1", Commit: "x", Paired: "s", Runs: 3}}
	once := playMeasured(m, research.Deterministic, value)

	twice := playMeasured(m, research.Noisy, value)
	if len(once) != 6 || len(twice) != 12 {
		t.Fatalf("%d runs of three pairs while deterministic, %d once demoted", len(once), len(twice))
	}
	p := noisyProgram(research.Amount{})

	p.Metric.Noise = research.NoiseAuto
	for name, obs := range map[string][]research.Observation{"once": once, "repeated": twice} {
		d := recordedNight(t, p, machine{}, []float64{-.1})
		d.add(research.KindMeasurementStarted, m.JobStart)
		d.runs("m1", obs)
		samples, paired := research.Measured(m.JobStart, obs)

		end := research.Summarise(samples, paired, p.Metric, "log")
		if end.Job = "m1"; end.Gain == nil {
			t.Fatalf("%s: no gain from %d and %d samples", name, len(samples), len(paired))
		}
		d.add(research.KindMeasurementFinished, end)

		if err := research.Recompute(slices.Values(d.records)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		d.records = d.records[:len(d.records)-1]
		end.Gain.Mid++
		d.add(research.KindMeasurementFinished, end)

		if research.Recompute(slices.Values(d.records)) == nil {
			t.Errorf("%s: another gain was not noticed", name)
		}
	}
}
