package history_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// runsOf plays a confirmation of a 10 % gain; contended says of which runs the
// machine was busy, by their number from 0.
func runsOf(t *testing.T, contended ...int) ([]rules.Observation, rules.Judgement, rules.RuleState) {
	t.Helper()
	rule := rules.NewRuleOfVersion(rulestest.NoisyProgram(contract.Amount{}), rules.FirstVersion)
	st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)

	busy := map[int]bool{}
	for _, i := range contended {
		busy[i] = true
	}
	j, obs := rulestest.JudgeWith(rule, st, func(i int, w rules.RunRequest) rules.Observation {
		o := rulestest.ValidRun(1000)
		if w.Side == rules.Candidate {
			o = rulestest.ValidRun(900)
		}

		if busy[i] && !w.Again {
			o.Value *= 3 // what the load does; the repetition counts instead
		}
		o.Contended = busy[i]

		return o
	})

	return obs, j, rule.Close(st, rulestest.UsualOutlook, obs, j)
}

// By version 0 of the rule, a contended look, and a pair with a contended half, is made once more, in the
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
				t.Errorf("%s: run %d repeats %+v as %+v", name, i, first.RunRequest, o.RunRequest)
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
	noisy := rules.RuleState{NoiseKind: research.Noisy}
	want := func(side rules.Side, again bool) rules.RunRequest {
		return rules.RunRequest{Side: side, Role: research.Confirm, Pair: 1, Order: "BC", Again: again}
	}
	busy := rules.Observation{RunRequest: want(rules.Incumbent, false), Valid: true, Value: 1000, Contended: true}
	other := rules.Observation{RunRequest: want(rules.Candidate, false), Valid: true, Value: 900}
	first := rules.Observation{RunRequest: want(rules.Incumbent, true), Valid: true, Value: 1001}

	failed := rules.Observation{RunRequest: want(rules.Candidate, true), Reason: "exit status 1"}
	if w := noisy.NextRepeat([]rules.Observation{busy, other}); w == nil ||
		*w != want(rules.Incumbent, true) {
		t.Errorf("asks for %+v", w)
	}

	if w := noisy.NextRepeat([]rules.Observation{busy, other, first}); w == nil ||
		*w != want(rules.Candidate, true) {
		t.Errorf("then for %+v", w)
	}

	for name, obs := range map[string][]rules.Observation{
		"incomplete": {busy}, "not contended": {first, other}, "failed": {busy, other, first, failed},
		"done": {busy, other, first, {RunRequest: want(rules.Candidate, true), Valid: true, Value: 1, Contended: true}},
	} {
		if w := noisy.NextRepeat(obs); w != nil {
			t.Errorf("%s: asks for %+v", name, w)
		}
	}

	settled := rules.ResolveRepeats([]rules.Observation{busy, other, first, failed})
	if diff := cmp.Diff([]rules.Observation{busy, other, failed}, settled); diff != "" {
		t.Errorf("a repetition that failed: %s", diff)
	}
}

// playMeasured makes a measurement's runs, all of them contended.
func playMeasured(
	m *history.Measurement, st rules.RuleState, value func(rules.Side) float64,
) (obs []rules.Observation) {
	next := func() *rules.RunRequest { return rules.NextMeasurementRun(m.JobStart, research.Measure, st, obs) }
	for w := next(); w != nil; w = next() {
		obs = append(obs, rules.Observation{RunRequest: *w, Valid: true, Value: value(w.Side), Contended: true})
	}

	return obs
}

// Load can't change the number of a deterministic metric: its contended pairs
// are not made again. Once it is demoted, they are, by version 0 of the rule. A ledger in which they were
// made again, as they were once, is recomputed all the same.
func TestDeterministicPairsAreMadeOnce(t *testing.T) {
	value := func(s rules.Side) float64 {
		if s == rules.Candidate {
			return 900
		}

		return 1000
	}
	m := &history.Measurement{JobStart: rules.JobStart{Job: "m1", Commit: "x", Paired: "s", Runs: 3}}
	once := playMeasured(m, rules.RuleState{NoiseKind: research.Deterministic}, value)

	twice := playMeasured(m, rules.RuleState{NoiseKind: research.Noisy}, value)
	if len(once) != 6 || len(twice) != 12 {
		t.Fatalf("%d runs of three pairs while deterministic, %d once demoted", len(once), len(twice))
	}
	p := rulestest.NoisyProgram(contract.Amount{})

	p.Metric.Noise = research.NoiseAuto
	for name, obs := range map[string][]rules.Observation{"once": once, "repeated": twice} {
		d := recordedNight(t, p, rulestest.Machine{}, []float64{-.1})
		d.add(history.KindMeasurementStarted, m.JobStart)
		d.runs("m1", obs)
		samples, paired := rules.SplitSamples(m.JobStart, obs)

		end := rules.SummariseMeasurement(samples, paired, p.Metric, "log")
		if end.Job = "m1"; end.Gain == nil {
			t.Fatalf("%s: no gain from %d and %d samples", name, len(samples), len(paired))
		}
		d.add(history.KindMeasurementFinished, end)

		if err := history.Recompute(slices.Values(d.records)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		d.records = d.records[:len(d.records)-1]
		end.Gain.Mid++
		d.add(history.KindMeasurementFinished, end)

		if history.Recompute(slices.Values(d.records)) == nil {
			t.Errorf("%s: another gain was not noticed", name)
		}
	}
}
