package research_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
)

func record(t *testing.T, kind research.Kind, body any) research.Record {
	t.Helper()

	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}

	return research.Record{Seq: 41, Time: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Kind: kind, Body: b}
}

func noticing() *research.Campaign {
	p := defaults()
	p.Metric.Unit = "ns"

	return &research.Campaign{Name: "sort-speed", Program: p, Calibrated: true,
		Rule: research.RuleState{Class: research.Deterministic, Incumbent: 80}}
}

// judged is experiment n with a verdict.
func judged(n int, v research.Verdict, reason string) research.Experiment {
	return research.Experiment{Proposal: research.Proposal{N: n, Hypothesis: "a\x1b[31m size\n hint"},
		Judgement: &research.Judgement{N: n, Verdict: v, Reason: reason, Value: new(float64), Baseline: new(float64),
			Gain: &research.Interval{Mid: .1, Lo: .05, Hi: .15}, Scale: "log"}}
}

func TestNoticedKeep(t *testing.T) {
	c := noticing()
	exact := judged(7, research.Improved, "")
	*exact.Judgement.Value, *exact.Judgement.Baseline, exact.Judgement.StoppedBy = 80, 100, "one_run"

	n, err := research.Noticed(c, record(t, research.KindExperimentKept, research.Keeping{N: 7}), &exact, nil)
	if err != nil {
		t.Fatal(err)
	}

	want := &research.Notice{Event: research.EventBest, Seq: 41, At: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		Experiment: 7, Hypothesis: "a [31m size hint",
		Text:  "experiment 7 is the new best of sort-speed: improved: 100 → 80 ns, 10.0 % (deterministic, one run)",
		Value: exact.Judgement.Value, Gain: exact.Judgement.Gain, Scale: "log"}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Error(diff)
	}

	// two raw numbers of a noisy metric would be taken for a comparison
	noisy := judged(8, research.Provisional, "")

	*noisy.Judgement.Value, *noisy.Judgement.Baseline, noisy.Judgement.Runs = 81.25, 99.75, 3
	if n, err = research.Noticed(c, record(t, research.KindExperimentKept, research.Keeping{N: 8}), &noisy,
		nil); err != nil {
		t.Fatal(err)
	}

	if b, _ := json.Marshal(n); n.Value != nil || strings.Contains(string(b), "81.25") || strings.Contains(string(b),
		"99.75") || !strings.Contains(n.Text, "provisional: expected gain 10.0 % after 3 runs") {
		t.Errorf("%s", b)
	}

	for name, k := range map[string]research.Keeping{"a simplification": {N: 7, Simplification: true},
		"a person's override": {N: 7, Overridden: research.ByTerminal}} {
		if n, err := research.Noticed(c, record(t, research.KindExperimentKept, k), &exact, nil); n != nil ||
			err != nil {
			t.Errorf("%s is told as a new best: %v %v", name, n, err)
		}
	}
}

func TestNoticedCertificate(t *testing.T) {
	for outcome, want := range map[research.Outcome]research.Event{research.Certified: research.EventCertified,
		research.RolledBack: research.EventRolledBack} {
		end := research.CertificateEnd{Job: "h1",
			Certificate: research.Certificate{Outcome: outcome, Edits: 3, Reason: "why"}}

		n, err := research.Noticed(noticing(), record(t, research.KindCertificateFinished, end), nil, nil)
		if err != nil || n == nil || n.Event != want || !strings.Contains(n.Text, "chain of 3 edits") {
			t.Errorf("%s: %+v %v", outcome, n, err)
		}
	}
}

// TestNoticedCrashLoop: five for one cause are a loop, told once, whatever the
// numbers in the reason; anything in between ends it.
func TestNoticedCrashLoop(t *testing.T) {
	crash := func(n int) research.Experiment {
		return judged(n, research.Invalid, fmt.Sprintf("exit code 7 after %d ms", n))
	}
	past := func(bad map[int]research.Experiment) (told []int) {
		for n := 1; n <= 14; n++ {
			at := func(n int) research.Experiment {
				if x, ok := bad[n]; ok {
					return x
				}

				return crash(n)
			}
			x := at(n)

			var before []research.Experiment
			for m := n - 1; m > 0 && len(before) < research.CrashesLookedAt; m-- {
				before = append(before, at(m))
			}

			got, err := research.Noticed(noticing(), record(t, research.KindExperimentJudged, research.Judgement{N: n}),
				&x, before)
			if err != nil {
				t.Fatal(err)
			}

			if got != nil {
				told = append(told, got.Experiment)
				if got.Event != research.EventCrashLoop || !strings.Contains(got.Text,
					"5 experiments of sort-speed in a row") {
					t.Errorf("%+v", got)
				}
			}
		}

		return told
	}

	stopped := judged(3, research.Invalid, "stopped by request")
	for name, c := range map[string]struct {
		bad  map[int]research.Experiment
		want []int
	}{
		"all":           {nil, []int{5}},
		"a good one":    {map[int]research.Experiment{3: judged(3, research.Regressed, "")}, []int{8}},
		"another cause": {map[int]research.Experiment{7: judged(7, research.Invalid, "no metric")}, []int{5, 12}},
		"a stop":        {map[int]research.Experiment{3: stopped, 8: judged(8, research.Improved, "")}, []int{13}},
	} {
		if diff := cmp.Diff(c.want, past(c.bad)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCircumstances(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC)
	calm := research.Situation{Now: now, Last: now.Add(-time.Minute), Head: 9}
	silent := calm

	silent.Last = now.Add(-2 * time.Hour)
	for name, c := range map[string]struct {
		change func(*research.Campaign)
		s      research.Situation
		want   map[research.Circumstance]string
	}{
		"calm": {func(*research.Campaign) {}, calm, nil},
		"silent": {func(*research.Campaign) {}, silent,
			map[research.Circumstance]string{"silence": "nothing has happened in sort-speed for 2 h, and 200 experiments are left: its agent seems to have stopped"}},
		"silent but busy": {func(*research.Campaign) {},
			research.Situation{Now: now, Last: silent.Last, Running: true}, nil},
		"silent and rests":  {func(c *research.Campaign) { c.Rests = &research.Rest{} }, silent, nil},
		"silent and ended":  {func(c *research.Campaign) { c.Ended = "abandoned" }, silent, nil},
		"silent, asked for": {func(c *research.Campaign) { c.Program.Stall.Hours = 3 }, silent, nil},
		"of an old program": {func(c *research.Campaign) { c.Program.Stall = research.Stall{} }, calm, nil},
		"standstill": {func(c *research.Campaign) { c.Streak = 30 }, calm,
			map[research.Circumstance]string{"standstill": "30 experiments of sort-speed in a row, and none was kept"}},
		"spent": {func(c *research.Campaign) {
			c.Experiments, c.Kept, c.RunSeconds, c.Baseline = 200, 2, 5400, new(float64)
			*c.Baseline = 100
		}, silent,
			map[research.Circumstance]string{"spent": "the budget of sort-speed is spent: 200 of 200 experiments, 1.5 of 10 run hours; 2 edits kept; ns_per_op 80 ns, 100 ns at the start"}},
		"spent, to be decided": {func(c *research.Campaign) { c.Experiments, c.Unresolved = 200, []int{200} },
			research.Situation{Now: now, Last: now.Add(-time.Second)}, nil},
		"spent, still running": {func(c *research.Campaign) { c.Experiments = 200 },
			research.Situation{Now: now, Last: now, Running: true}, nil},
		"broken": {func(c *research.Campaign) { c.Calibrated, c.Broken = false, "no line METRIC" }, silent,
			map[research.Circumstance]string{"broken": "the start version of sort-speed gives no usable metric: no line METRIC"}},
		"contract": {func(*research.Campaign) {}, research.Situation{Now: now, Last: silent.Last, Changed: true},
			map[research.Circumstance]string{"contract": "the contract of sort-speed was changed, so nothing runs: `ratchet accept` in a terminal, or put the front matter back"}},
	} {
		camp := noticing()
		c.change(camp)

		got := map[research.Circumstance]string{}
		for k, n := range research.Circumstances(camp, c.s) {
			got[k] = n.Text
		}

		if c.want == nil {
			c.want = map[research.Circumstance]string{}
		}

		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTargets(t *testing.T) {
	secret := "https://hooks.example.org/T0/B0/s3cret"
	for want, x := range map[string]research.Target{
		"webhook hooks.example.org": {Webhook: secret}, "ntfy env:TOPIC": {Ntfy: "env:TOPIC"},
		"desktop": {Desktop: true}, "command ./tell.sh": {Command: "./tell.sh\nmore"}, "hook h.sh": {Hook: "h.sh",
			On: []research.Event{research.HookAfter}},
	} {
		if got := x.Name(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}

	all := research.Target{Desktop: true}
	if !all.Wants(research.EventStall) || all.Wants(research.HookBefore) {
		t.Error("a target without `on` wants all events, and no hook's")
	}

	some := research.Target{Desktop: true, On: []research.Event{research.EventBest}}
	if some.Wants(research.EventStall) || !some.Wants(research.EventBest) {
		t.Error("a target wants what it names")
	}

	p := research.Program{Notify: []research.Target{{Hook: "a", On: []research.Event{research.HookAfter}}}}
	if p.Tells() || len(p.Hooks(research.HookAfter)) != 1 || len(p.Hooks(research.HookBefore)) != 0 {
		t.Error("a hook is no target of notices")
	}
}
