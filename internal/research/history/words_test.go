package history_test

import (
	"math"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

func TestFormatValue(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{41234, "bytes", "41234 bytes"}, {0, "", "0"}, {.99790123, "", "0.997901"}, {1234.56789, "ns", "1234.57 ns"},
		{123456789012, "", "123456789012"}, {1234567.8, "", "1234568"}, {-.5, "", "-0.5"}, {.00012345678, "",
			"0.000123457"},
		{1.5e-9, "s", "1.5e-09 s"}, {2e20, "", "2e+20"}, {3.10, "x", "3.1 x"}, {math.NaN(), "", "-"}, {999999.96, "",
			"1000000"},
	} {
		if got := wording.FormatValue(c.v, c.unit); got != c.want {
			t.Errorf("%v %s: %q, not %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	gain := func(mid, lo, hi float64) *research.Interval { return &research.Interval{Mid: mid, Lo: lo, Hi: hi} }
	for _, c := range []struct {
		j    rules.Judgement
		want string
	}{
		{rules.Judgement{Verdict: research.Improved, StoppedBy: "threshold", Scale: "log",
			Gain: gain(.041, .032, .0504), Pairs: 12, E: 2213.3, Need: 1011.2, Value: new(96.0), Baseline: new(100.0)},
			"improved: 4.1 % (90 %: 3.2..5.0), 12 pairs, E = 2213 against 1011 needed"},
		{rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "screen", Scale: "log", Runs: 1,
			Gain: gain(.003, -.03, .036), Noise: .02, Detectable: .03},
			"inconclusive (stopped at the screen after 1 run): +0.3 % against a noise of 2.0 %; this says nothing about effects under about 3.0 %"},
		{rules.Judgement{Verdict: research.Regressed, StoppedBy: "screen", Scale: "log", Runs: 2,
			Gain: gain(-.09, -.12, -.06), Noise: .02},
			"regressed (at the screen, after 2 runs): -9.0 % against a noise of 2.0 %"},
		{rules.Judgement{Verdict: research.Regressed, StoppedBy: "futility", Scale: "log",
			Gain: gain(-.05, -.06, -.04), Pairs: 3, E: .001, Need: 1011},
			"regressed: -5.0 % (90 %: -6.0..-4.0), 3 pairs"},
		{rules.Judgement{Verdict: research.Equivalent, StoppedBy: "threshold", Scale: "log",
			Gain: gain(.0004, -.002, .003), Pairs: 2},
			"equivalent: +0.04 % (90 %: -0.2..0.3), 2 pairs; if there is an effect, it is too small to be worth having"},
		{rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "futility", Scale: "linear",
			Gain: gain(.12345, -1, 1.5), Pairs: 1, E: .1, Need: 1011, Detectable: 3.2},
			"inconclusive (stopped by futility after 1 pair): +0.123 s (90 %: -1..1.5), E = 0.1 against 1011 needed; this says nothing about effects under about 3.2 s"},
		{rules.Judgement{Verdict: research.Invalid, Reason: "exit status 1"}, "invalid: exit status 1"},
		{rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "budget", Runs: 3},
			"inconclusive (stopped by budget after 3 runs): too little was measured to say anything of its effect"},
		{rules.Judgement{Verdict: research.Improved, StoppedBy: "one_run", Scale: "log",
			Gain: gain(.02726, .02726, .02726), Value: new(40110.0), Baseline: new(41234.0)},
			"improved: 41234 → 40110 s, 2.7 % (deterministic, one run)"},
		{rules.Judgement{Verdict: research.Improved, StoppedBy: "one_run", Scale: "linear", Gain: gain(2, 2, 2),
			Value: new(-5.0), Baseline: new(-3.0)},
			"improved: -3 → -5 s, 2 s (deterministic, one run)"},
		{rules.Judgement{Verdict: research.Regressed, StoppedBy: "one_run", Scale: "log",
			Gain: gain(-.00000001, 0, 0), Value: new(1.00000001), Baseline: new(1.0)},
			"regressed: 1 → 1.00000001 s, 1e-06 % worse (deterministic, one run)"},
		{rules.Judgement{Verdict: research.Equivalent, StoppedBy: "one_run", Scale: "log", Gain: gain(0, 0, 0),
			Value: new(7.0), Baseline: new(7.0)},
			"equivalent: 7 → 7 s, no change (deterministic, one run)"},
	} {
		if got := c.j.Describe(contract.Metric{Unit: "s"}); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestKeepable(t *testing.T) {
	for _, c := range []struct {
		verdict        research.Verdict
		added, removed int
		ok, simpler    bool
		why            string
	}{
		{research.Improved, 9, 0, true, false, ""},
		{research.Provisional, 9, 0, true, false, ""},
		{research.Equivalent, 1, 2, true, true, ""},
		{research.Equivalent, 2, 2, false, false, "removes more lines"},
		{research.Regressed, 0, 9, false, false, "regressed"},
		{research.Inconclusive, 0, 9, false, false, "inconclusive"},
		{research.Invalid, 0, 9, false, false, "invalid"},
		{"", 0, 9, false, false, "no verdict yet"},
	} {
		x := history.Experiment{Proposal: history.Proposal{Added: c.added, Removed: c.removed}}
		if c.verdict != "" {
			x.Judgement = &rules.Judgement{Verdict: c.verdict}
		}

		ok, simpler, why := history.Keepable(x)
		if ok != c.ok || simpler != c.simpler || !strings.Contains(why, c.why) || ok != (why == "") {
			t.Errorf("%+v: %v %v %q", c, ok, simpler, why)
		}
	}
}
