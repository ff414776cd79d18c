package history_test

import (
	"math"
	"strings"
	"testing"

	"ratchet/internal/research"
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
