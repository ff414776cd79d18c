package rules_test

import (
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

var (
	cpuMS    = contract.Metric{Name: "cpu_ms", Better: research.Lower}
	loss     = contract.Metric{Name: "val_loss", Better: research.Lower}
	accuracy = contract.Metric{Name: "accuracy", Better: research.Higher}
	rate     = contract.Metric{Name: "rate", Unit: "req/s", Better: research.Higher}
)

func gainOf(mid, lo, hi float64) *research.Interval {
	return &research.Interval{Mid: mid, Lo: lo, Hi: hi}
}

// TestDescribe: a judgement in the words that everybody reads.
func TestDescribe(t *testing.T) {
	rope := rules.RuleState{Auto: &rules.AutoState{Rope: .005}}
	for _, c := range []struct {
		name   string
		metric contract.Metric
		j      rules.Judgement
		want   string
	}{
		{"proven by pairs", cpuMS, rules.Judgement{Verdict: research.Improved, StoppedBy: "threshold", Scale: "log",
			Gain: gainOf(.12, .09, .15), Pairs: 6, E: 40, Need: 20, Value: new(262.), Baseline: new(299.)},
			"better: cpu_ms 299 → 262, 12 % less (90 %: 9..15), 6 pairs, E = 40 against 20 needed"},
		{"an estimate beside medians that say something else", cpuMS, rules.Judgement{Verdict: research.Improved,
			StoppedBy: "threshold", Scale: "log", Gain: gainOf(.12, .11, .13), Pairs: 6, E: 2e9, Need: 20,
			Value: new(200.), Baseline: new(299.)},
			"better: cpu_ms 299 → 200, 33.1 % less measured; estimated 12 % less (90 %: 11..13), 6 pairs, E = over 1000000 against 20 needed"},
		{"dropped after one look", cpuMS, rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "price",
			Scale: "log", Runs: 1, ValueRuns: 1, Gain: gainOf(-.004, -.2, .2), Noise: .09, Detectable: .18, Value: new(301.),
			Baseline: new(299.)},
			"no gain seen (first look): cpu_ms 299 (earlier runs) → 301 (1 run); single runs differ by 9 %; not worth more runs; this says nothing about effects under about 18 %"},
		{"far worse in one look", cpuMS, rules.Judgement{Verdict: research.Regressed, StoppedBy: "price", Scale: "log",
			Runs: 3, ValueRuns: 1, BaselineRuns: 2, Gain: gainOf(-1.46, -1.5, -1.42), Noise: .02, Value: new(700.),
			Baseline: new(299.)},
			"looks worse (first look): cpu_ms 299 (earlier runs and 2 new runs) → 700 (1 run); single runs differ by 2 %; not worth more runs"},
		{"an older record of one look", cpuMS, rules.Judgement{Verdict: research.Regressed, StoppedBy: "screen",
			Scale: "log", Runs: 1, Gain: gainOf(-.46, -.5, -.42), Noise: .02},
			"looks worse (first look); single runs differ by 2 %; not worth more runs"},
		{"several looks", cpuMS, rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "looks", Scale: "log",
			Runs: 24, ValueRuns: 12, BaselineRuns: 12, Gain: gainOf(.002, -.01, .014), Detectable: .008, Value: new(298.4),
			Baseline: new(299.)},
			"no difference seen: cpu_ms 299 (earlier runs and 12 new runs) → 298.4 (12 runs), 0.2 % less (90 %: -1..1.4); the limit of runs for one edit was reached; this says nothing about effects under about 0.8 %"},
		{"worse in several", cpuMS, rules.Judgement{Verdict: research.Regressed, StoppedBy: "price", Scale: "log",
			Runs: 3, ValueRuns: 2, Gain: gainOf(-1.5, -1.8, -1.2), Value: new(747.5), Baseline: new(299.)},
			"worse: cpu_ms 299 (earlier runs) → 747.5 (2 runs), 2.5 × as much (90 %: 2.2..2.8)"},
		{"on trial, by less than counts", loss, rules.Judgement{Verdict: research.Provisional, StoppedBy: "price",
			Scale: "log", Runs: 1, ValueRuns: 1, Gain: gainOf(.0018, -.014, .0176), Noise: .019, Value: new(3.0308),
			Baseline: new(3.0658), State: rope},
			"on trial: val_loss 3.0658 (earlier runs) → 3.0308 (1 run), 1.14 % less measured; expected 0.2 % less (90 %: -1.4..1.8), no gain shown yet: single runs differ by 1.9 %; below the smallest gain that counts (0.5 %): may be kept because it is more likely better than worse, and its chain is proven or taken back as a whole"},
		{"on trial, by much", cpuMS, rules.Judgement{Verdict: research.Provisional, StoppedBy: "price", Scale: "log",
			Runs: 2, ValueRuns: 2, Gain: gainOf(.97, .95, .98), Noise: .019, Value: new(9460.93),
			Baseline: new(318404.), State: rope},
			"on trial: cpu_ms 318404 (earlier runs) → 9460.9 (2 runs), expected 97 % less (90 %: 95..98), not proven yet"},
		{"too small to be worth having", rate, rules.Judgement{Verdict: research.Equivalent, StoppedBy: "threshold",
			Scale: "log", Gain: gainOf(.0004, -.002, .003), Pairs: 2, Value: new(100.04), Baseline: new(100.)},
			"no difference seen: rate 100 → 100.04 req/s, 0.04 % more (90 %: -0.2..0.3), 2 pairs; if there is an effect, it is too small to be worth having"},
		{"a test that was given up", cpuMS, rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "futility",
			Scale: "log", Gain: gainOf(.05, .01, .09), Pairs: 3, Unequal: 2, E: .1, Need: 1011, Detectable: .2},
			"not proven: cpu_ms 5 % less (90 %: 1..9), 3 pairs (2 more did not count), E = 0.1 against 1011 needed; a proof had become unlikely; this says nothing about effects under about 20 %"},
		{"twice as many", rate, rules.Judgement{Verdict: research.Improved, StoppedBy: "threshold", Scale: "log",
			Gain: gainOf(1.4, 1.1, 1.7), Pairs: 2, E: 30, Need: 20, Value: new(240.), Baseline: new(100.)},
			"better: rate 100 → 240 req/s, 2.4 × as much (90 %: 2.1..2.7), 2 pairs, E = 30 against 20 needed"},
		{"a count that reaches 0", contract.Metric{Name: "failures", Better: research.Lower}, rules.Judgement{
			Verdict: research.Improved, StoppedBy: "one_run", Scale: "count", Gain: gainOf(3, 3, 3), Value: new(0.),
			Baseline: new(3.)}, "better: failures 3 → 0, 3 fewer (deterministic, one run)"},
		{"a share by points", accuracy, rules.Judgement{Verdict: research.Improved, StoppedBy: "threshold",
			Scale: "share", Gain: gainOf(.04, .01, .07), Pairs: 8, E: 40, Need: 20, Value: new(.56), Baseline: new(.52)},
			"better: accuracy 0.52 → 0.56, 4 points more (90 %: 1..7), 8 pairs, E = 40 against 20 needed"},
		{"exact", contract.Metric{Name: "size", Unit: "B"}, rules.Judgement{Verdict: research.Regressed,
			StoppedBy: "one_run", Scale: "log", Gain: gainOf(-.00000001, -.00000001, -.00000001), Value: new(1.00000001),
			Baseline: new(1.0)}, "worse: size 1 → 1.00000001 B, 0.000001 % more (deterministic, one run)"},
		{"equal", contract.Metric{Name: "size", Unit: "B"}, rules.Judgement{Verdict: research.Equivalent,
			StoppedBy: "one_run", Scale: "log", Gain: gainOf(0, 0, 0), Value: new(7.), Baseline: new(7.)},
			"no difference seen: size 7 → 7 B, no change (deterministic, one run)"},
		{"within min_gain", contract.Metric{Name: "size", Unit: "B"}, rules.Judgement{Verdict: research.Equivalent,
			StoppedBy: "one_run", Scale: "log", Gain: gainOf(.01, .01, .01), Value: new(99.), Baseline: new(100.)},
			"no difference seen: size 100 → 99 B, 1 % less, within min_gain (deterministic, one run)"},
		{"invalid", cpuMS, rules.Judgement{Verdict: research.Invalid, Reason: "exit status 1"}, "invalid: exit status 1"},
		{"nothing measured", cpuMS, rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "budget", Runs: 3},
			"no difference seen: too little was measured, 3 runs; no more runs were left"},
		{"a stop that has no words", cpuMS, rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "something",
			Runs: 3}, "no difference seen: too little was measured, 3 runs"},
	} {
		if got := c.j.Describe(c.metric); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestColumns: what of a judgement stands in a table.
func TestColumns(t *testing.T) {
	judged := rules.Judgement{Verdict: research.Improved, Scale: "log", Gain: gainOf(.12, .09, .15), Pairs: 6,
		Value: new(262.), Baseline: new(299.)}
	trial := judged
	trial.Verdict, trial.Pairs, trial.ValueRuns = research.Provisional, 0, 1
	look := trial
	look.Verdict = research.Inconclusive
	broken := judged
	broken.Verdict = research.Invalid

	for _, c := range []struct {
		j    rules.Judgement
		want string
	}{
		{judged, "299 → 262 | 12 % less | 9..15 | cpu_ms 299 → 262, 12 % less (90 %: 9..15)"},
		{trial, "299 → 262 | expected 12 % less | 9..15 | cpu_ms 299 (earlier runs) → 262 (1 run), expected 12 % less (90 %: 9..15)"},
		{look, "299 → 262 | first look |  | cpu_ms 299 (earlier runs) → 262 (1 run) (first look)"},
		{broken, " | - |  | "},
		{rules.Judgement{Verdict: research.Inconclusive}, " | - |  | "},
	} {
		got := strings.Join([]string{c.j.FromTo(cpuMS), c.j.ShortChange(cpuMS), c.j.ShortRange(cpuMS),
			c.j.DescribeChange(cpuMS)}, " | ")
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestDescribeCertificate(t *testing.T) {
	obs := []rules.Observation{
		{RunRequest: rules.RunRequest{Side: rules.Checkpoint, Pair: 1}, Valid: true, Value: 60},
		{RunRequest: rules.RunRequest{Side: rules.Incumbent, Pair: 1}, Valid: true, Value: 5},
		{RunRequest: rules.RunRequest{Side: rules.Incumbent, Pair: 2}, Valid: true, Value: 9, Unequal: true},
	}
	passed := rules.Certificate{Outcome: rules.Certified, StoppedBy: "threshold", Edits: 2, Scale: "log", Pairs: 1, E: 40,
		Need: 20, Gain: gainOf(.91, .88, .94)}
	failed := passed
	failed.Outcome, failed.StoppedBy = rules.RolledBack, "cap"
	unseen := rules.Certificate{Outcome: rules.RolledBack, StoppedBy: "budget", Edits: 1, Scale: "log"}

	for _, c := range []struct {
		c    rules.Certificate
		want string
	}{
		{passed.WithValues(obs), "certified: chain of 2 edits, p99 60 → 5 ms, 91 % less (90 %: 88..94), 1 pair, E = 40 against 20 needed"},
		{failed, "rolled back: chain of 2 edits, p99 91 % less (90 %: 88..94), 1 pair, E = 40 against 20 needed; the limit of pairs for one test was reached"},
		{unseen.WithValues(obs), "rolled back: chain of 1 edit, nothing was measured; no more runs were left"},
	} {
		if got := c.c.Describe(contract.Metric{Name: "p99", Unit: "ms"}); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// TestRunsAreCounted: a judgement without pairs says how many runs of each version it
// rests on.
func TestRunsAreCounted(t *testing.T) {
	night := map[rules.Side]int{}
	rule := rules.NewRule(contract.Program{Metric: contract.Metric{Name: "t", Better: research.Lower},
		Search: rules.SearchAuto})
	state := calibratedOn(t, rule, 100, 102, 98)

	outlook := rules.Outlook{Budget: 300, Left: 290, Proposals: 20}
	var obs []rules.Observation
	for {
		step := rule.Next(state, outlook, obs)
		if step.Done != nil {
			if step.Done.ValueRuns != night[rules.Candidate] || step.Done.BaselineRuns != night[rules.Incumbent] ||
				step.Done.ValueRuns+step.Done.BaselineRuns != step.Done.Runs {
				t.Errorf("%d of %d runs, of the incumbent %d of %d", step.Done.ValueRuns, night[rules.Candidate],
					step.Done.BaselineRuns, night[rules.Incumbent])
			}

			return
		}
		night[step.Run.Side]++
		obs = append(obs, rules.Observation{RunRequest: *step.Run, Valid: true, Value: 99 + float64(len(obs)%3)})
	}
}

// calibratedOn is the state after a calibration that saw the values, in turn.
func calibratedOn(t *testing.T, rule rules.Rule, values ...float64) rules.RuleState {
	t.Helper()
	var obs []rules.Observation

	for {
		request := rule.Calibrate(obs)
		if request == nil {
			break
		}
		obs = append(obs, rules.Observation{RunRequest: *request, Valid: true, Value: values[len(obs)%len(values)]})
	}

	state, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}

	return state
}
