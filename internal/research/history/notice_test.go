package history_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

func record(t *testing.T, kind history.Kind, body any) history.Record {
	t.Helper()

	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}

	return history.Record{Seq: 41, Time: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Kind: kind, Body: b}
}

func noticing() *history.Campaign {
	p := contract.Program{
		Name:     "sort-speed",
		Metric:   contract.Metric{Name: "ns_per_op", Better: research.Lower, Unit: "ns"},
		Campaign: contract.CampaignLimit{Experiments: 200, Hours: 10}, Stall: contract.DefaultStall(),
	}

	return &history.Campaign{Name: "sort-speed", Program: p, Calibrated: true,
		Rule: rules.RuleState{NoiseKind: research.Deterministic, Incumbent: 80}}
}

// judged is experiment n with a verdict.
func judged(n int, v research.Verdict, reason string) history.Experiment {
	return history.Experiment{Proposal: history.Proposal{N: n, Hypothesis: "a\x1b[31m size\n hint"},
		Judgement: &rules.Judgement{N: n, Verdict: v, Reason: reason, Value: new(float64), Baseline: new(float64),
			Gain: &research.Interval{Mid: .1, Lo: .05, Hi: .15}, Scale: "log"}}
}

func TestNoticedKeep(t *testing.T) {
	c := noticing()
	exact := judged(7, research.Improved, "")
	*exact.Judgement.Value, *exact.Judgement.Baseline, exact.Judgement.StoppedBy = 80, 100, "one_run"

	n, err := history.Noticed(c, record(t, history.KindExperimentKept, history.Keeping{N: 7}), &exact, nil)
	if err != nil {
		t.Fatal(err)
	}

	want := &history.Notice{Event: contract.EventBest, Seq: 41, At: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		Experiment: 7, Hypothesis: "a [31m size hint",
		Text:  "experiment 7 is the new best of sort-speed: better: ns_per_op 100 → 80 ns, 10 % less (90 %: 5..15) (deterministic, one run)",
		Value: exact.Judgement.Value, Gain: exact.Judgement.Gain, Scale: "log"}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Error(diff)
	}

	// two raw numbers of a noisy metric would be taken for a comparison
	noisy := judged(8, research.Provisional, "")

	*noisy.Judgement.Value, *noisy.Judgement.Baseline, noisy.Judgement.Runs = 81.25, 99.75, 3
	if n, err = history.Noticed(c, record(t, history.KindExperimentKept, history.Keeping{N: 8}), &noisy,
		nil); err != nil {
		t.Fatal(err)
	}

	if b, _ := json.Marshal(n); n.Value != nil || !strings.Contains(n.Text, "on trial: ns_per_op 99.75 → 81.25 ns, 18.5 % less measured; expected 10 % less (90 %: 5..15), not proven yet") {
		t.Errorf("%s", b)
	}

	for name, k := range map[string]history.Keeping{"a simplification": {N: 7, Simplification: true},
		"a person's override": {N: 7, Overridden: history.ByTerminal}} {
		if n, err := history.Noticed(c, record(t, history.KindExperimentKept, k), &exact, nil); n != nil ||
			err != nil {
			t.Errorf("%s is told as a new best: %v %v", name, n, err)
		}
	}
}

func TestNoticedCertificate(t *testing.T) {
	for outcome, want := range map[rules.Outcome]contract.Event{rules.Certified: contract.EventCertified,
		rules.RolledBack: contract.EventRolledBack} {
		end := history.CertificateEnd{Job: "h1",
			Certificate: rules.Certificate{Outcome: outcome, Edits: 3, Reason: "why"}}

		n, err := history.Noticed(noticing(), record(t, history.KindCertificateFinished, end), nil, nil)
		if err != nil || n == nil || n.Event != want || !strings.Contains(n.Text, "chain of 3 edits") {
			t.Errorf("%s: %+v %v", outcome, n, err)
		}
	}
}

// TestNoticedCrashLoop: five for one cause are a loop, told once, whatever the
// numbers in the reason; anything in between ends it.
func TestNoticedCrashLoop(t *testing.T) {
	crash := func(n int) history.Experiment {
		return judged(n, research.Invalid, fmt.Sprintf("exit code 7 after %d ms", n))
	}
	past := func(bad map[int]history.Experiment) (told []int) {
		for n := 1; n <= 14; n++ {
			at := func(n int) history.Experiment {
				if x, ok := bad[n]; ok {
					return x
				}

				return crash(n)
			}
			x := at(n)

			var before []history.Experiment
			for m := n - 1; m > 0 && len(before) < history.CrashesLookedAt; m-- {
				before = append(before, at(m))
			}

			got, err := history.Noticed(noticing(), record(t, history.KindExperimentJudged, rules.Judgement{N: n}),
				&x, before)
			if err != nil {
				t.Fatal(err)
			}

			if got != nil {
				told = append(told, got.Experiment)
				if got.Event != contract.EventCrashLoop || !strings.Contains(got.Text,
					"5 experiments of sort-speed in a row") {
					t.Errorf("%+v", got)
				}
			}
		}

		return told
	}

	stopped := judged(3, research.Invalid, "stopped by request")
	for name, c := range map[string]struct {
		bad  map[int]history.Experiment
		want []int
	}{
		"all":           {nil, []int{5}},
		"a good one":    {map[int]history.Experiment{3: judged(3, research.Regressed, "")}, []int{8}},
		"another cause": {map[int]history.Experiment{7: judged(7, research.Invalid, "no metric")}, []int{5, 12}},
		"a stop":        {map[int]history.Experiment{3: stopped, 8: judged(8, research.Improved, "")}, []int{13}},
	} {
		if diff := cmp.Diff(c.want, past(c.bad)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCircumstances(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC)
	calm := history.Situation{Now: now, Last: now.Add(-time.Minute), Head: 9}
	silent := calm

	silent.Last = now.Add(-2 * time.Hour)
	for name, c := range map[string]struct {
		change func(*history.Campaign)
		s      history.Situation
		want   map[history.Circumstance]string
	}{
		"calm": {func(*history.Campaign) {}, calm, nil},
		"silent": {func(*history.Campaign) {}, silent,
			map[history.Circumstance]string{"silence": "nothing has happened in sort-speed for 2 h, and 200 experiments are left: its agent seems to have stopped"}},
		"silent but busy": {func(*history.Campaign) {},
			history.Situation{Now: now, Last: silent.Last, Running: true}, nil},
		"silent and rests":  {func(c *history.Campaign) { c.Rests = &history.Rest{} }, silent, nil},
		"silent and ended":  {func(c *history.Campaign) { c.Ended = "abandoned" }, silent, nil},
		"silent, asked for": {func(c *history.Campaign) { c.Program.Stall.Hours = 3 }, silent, nil},
		"of an old program": {func(c *history.Campaign) { c.Program.Stall = contract.Stall{} }, calm, nil},
		"standstill": {func(c *history.Campaign) { c.Streak = 30 }, calm,
			map[history.Circumstance]string{"standstill": "30 experiments of sort-speed in a row, and none was kept"}},
		"spent": {func(c *history.Campaign) {
			c.Experiments, c.Kept, c.RunSeconds, c.Baseline = 200, 2, 5400, new(float64)
			*c.Baseline = 100
		}, silent,
			map[history.Circumstance]string{"spent": "the budget of sort-speed is spent: 200 of 200 experiments, 1.5 of 10 run hours; 2 edits kept; ns_per_op 100 → 80 ns, 20 ns less"}},
		"spent, to be decided": {func(c *history.Campaign) { c.Experiments, c.Unresolved = 200, []int{200} },
			history.Situation{Now: now, Last: now.Add(-time.Second)}, nil},
		"spent, still running": {func(c *history.Campaign) { c.Experiments = 200 },
			history.Situation{Now: now, Last: now, Running: true}, nil},
		"broken": {func(c *history.Campaign) { c.Calibrated, c.Broken = false, "no line METRIC" }, silent,
			map[history.Circumstance]string{"broken": "the start version of sort-speed gives no usable metric: no line METRIC"}},
		"contract": {func(*history.Campaign) {}, history.Situation{Now: now, Last: silent.Last, Changed: true},
			map[history.Circumstance]string{"contract": "the contract of sort-speed was changed, so nothing runs: `ratchet accept` in a terminal, or put the front matter back"}},
	} {
		camp := noticing()
		c.change(camp)

		got := map[history.Circumstance]string{}
		for k, n := range history.Circumstances(camp, c.s) {
			got[k] = n.Text
		}

		if c.want == nil {
			c.want = map[history.Circumstance]string{}
		}

		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTargets(t *testing.T) {
	secret := "https://hooks.example.org/T0/B0/s3cret"
	for want, x := range map[string]contract.Target{
		"webhook hooks.example.org": {Webhook: secret}, "ntfy env:TOPIC": {Ntfy: "env:TOPIC"},
		"desktop": {Desktop: true}, "command ./tell.sh": {Command: "./tell.sh\nmore"}, "hook h.sh": {Hook: "h.sh",
			On: []contract.Event{contract.HookAfter}},
	} {
		if got := x.Name(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}

	all := contract.Target{Desktop: true}
	if !all.WantsEvent(contract.EventStall) || all.WantsEvent(contract.HookBefore) {
		t.Error("a target without `on` wants all events, and no hook's")
	}

	some := contract.Target{Desktop: true, On: []contract.Event{contract.EventBest}}
	if some.WantsEvent(contract.EventStall) || !some.WantsEvent(contract.EventBest) {
		t.Error("a target wants what it names")
	}

	p := contract.Program{Notify: []contract.Target{{Hook: "a", On: []contract.Event{contract.HookAfter}}}}
	if p.HasNotifier() || len(p.HookPaths(contract.HookAfter)) != 1 || len(p.HookPaths(contract.HookBefore)) != 0 {
		t.Error("a hook is not a target of notices")
	}
}
