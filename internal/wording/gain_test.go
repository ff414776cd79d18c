package wording_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

var (
	lower  = wording.Metric{Name: "cpu_ms", Better: research.Lower, Scale: research.LogScale}
	higher = wording.Metric{Name: "rps", Unit: "req/s", Better: research.Higher, Scale: research.LogScale}
	amount = wording.Metric{Name: "delta", Unit: "ms", Better: research.Lower, Scale: research.LinearScale}
	count  = wording.Metric{Name: "failures", Better: research.Lower, Scale: wording.CountScale}
	share  = wording.Metric{Name: "accuracy", Better: research.Higher, Scale: wording.ShareScale}
	inPct  = wording.Metric{Name: "coverage", Unit: "%", Better: research.Higher, Scale: research.LogScale}
)

func between(mid, lo, hi float64) research.Interval {
	return research.Interval{Mid: mid, Lo: lo, Hi: hi}
}

func exactly(v float64) research.Interval { return between(v, v, v) }

// TestFormatChange: what a person or an agent reads of a change, in full.
func TestFormatChange(t *testing.T) {
	for _, c := range []struct {
		metric   wording.Metric
		from, to float64
		gain     research.Interval
		want     string
	}{
		{lower, 299, 262, between(.12, .09, .15), "cpu_ms 299 → 262, 12 % less (90 %: 9..15)"},
		{lower, 262, 299, between(-.14, -.17, -.11), "cpu_ms 262 → 299, 14 % more (90 %: 11..17)"},
		{lower, 299.123, 298.4567, between(.002, -.004, .009),
			"cpu_ms 299.12 → 298.46, 0.2 % less (90 %: -0.4..0.9)"},
		{lower, 3.0658, 3.0308, between(.0018, -.014, .017), "cpu_ms 3.0658 → 3.0308, 0.2 % less (90 %: -1.4..1.7)"},
		// What is better when lower is never more than 100 % less, and one that got far worse is told by a factor.
		{lower, 60, 5, between(.9167, .9, .93), "cpu_ms 60 → 5, 91.7 % less (90 %: 90..93)"},
		{lower, 318404, 94.6, between(.9997, .9996, .9998), "cpu_ms 318404 → 94.6, 3330 × less (90 %: 2500..5000)"},
		{lower, 8, 20, between(-1.5, -1.8, -1.2), "cpu_ms 8 → 20, 2.5 × as much (90 %: 2.2..2.8)"},
		{higher, 100, 240, between(1.4, 1.1, 1.7), "rps 100 → 240 req/s, 2.4 × as much (90 %: 2.1..2.7)"},
		{higher, 100, 42, between(-.58, -.6, -.56), "rps 100 → 42 req/s, 58 % less (90 %: 56..60)"},
		// An end that is no 0 is not told as one.
		{lower, 100, 97, between(.03, .0004, .06), "cpu_ms 100 → 97, 3 % less (90 %: 0.04..6)"},
		{lower, 100, 99.95, between(.0005, -.01, .011), "cpu_ms 100 → 99.95, 0.05 % less (90 %: -1..1.1)"},
		// Amounts, counts down to 0, and shares by points.
		{amount, 3.5, -1.25, between(4.75, 4, 5.5), "delta 3.5 → -1.25 ms, 4.8 ms less (90 %: 4..5.5)"},
		{count, 3, 0, exactly(3), "failures 3 → 0, 3 fewer"},
		{count, 0, 12345, exactly(-12345), "failures 0 → 12345, 12345 more"},
		{share, .52, .56, between(.04, .01, .07), "accuracy 0.52 → 0.56, 4 points more (90 %: 1..7)"},
		{share, .52, .51, exactly(-.01), "accuracy 0.52 → 0.51, 1 point less"},
		{inPct, 52, 56, between(4./52, 1./52, 7./52), "coverage 52 → 56 %, 4 points more (90 %: 1..7)"},
		// Equal ones, and such that only more digits tell apart.
		{lower, 81, 81, exactly(0), "cpu_ms 81 → 81, no change"},
		{lower, 1.0000001, 1.0000002, exactly(-1e-7), "cpu_ms 1.0000001 → 1.0000002, 0.00001 % more"},
		{lower, 123456789.25, 123456789.5, exactly(-2e-9), "cpu_ms 123456789.25 → 123456789.5, 0.0000002 % more"},
	} {
		requireText(t, c.metric.FormatChange(wording.Change{From: &c.from, To: &c.to, Gain: &c.gain}), c.want)
	}

	from, to := 3.0658, 3.0308
	requireText(t, lower.FormatChange(wording.Change{From: &from, To: &to, FromNote: "5 runs", ToNote: "1 run"}),
		"cpu_ms 3.0658 (5 runs) → 3.0308 (1 run)")
	requireText(t, lower.FormatChange(wording.Change{Gain: &research.Interval{Mid: .2, Lo: .2, Hi: .2}}),
		"cpu_ms 20 % less")
	requireText(t, higher.FormatFromTo(1, 2), "1 → 2 req/s")
	requireText(t, higher.FormatValue(2), "2 req/s")
}

func TestFormatSizes(t *testing.T) {
	requireText(t, lower.FormatAmount(.123), "12.3 % less")
	requireText(t, higher.FormatAmount(-.123), "12.3 % less")
	requireText(t, lower.FormatSize(.005), "0.5 %")
	requireText(t, lower.FormatSize(-.0123), "1.2 %")
	requireText(t, lower.FormatSize(12), "a factor of 13")
	requireText(t, amount.FormatSize(-12.3456), "12.3 ms")
	requireText(t, share.FormatSize(.02), "2 points")
	requireText(t, lower.FormatSpread(.019), "1.9 %")
	requireText(t, lower.FormatSpread(1.4), "a factor of 4.1")
	requireText(t, lower.FormatSpread(1e300), "a factor of "+wording.FormatDigits(1e304, 2))
	requireText(t, amount.FormatSpread(12), "12 ms")
	requireText(t, lower.FormatRange(nil, between(.12, .09, .15)), "9..15")
	requireText(t, lower.FormatRange(nil, exactly(.12)), "")
	requireText(t, lower.FormatAmount(1), "100 % less")
}

func TestValueAfter(t *testing.T) {
	for _, c := range []struct {
		metric wording.Metric
		gain   float64
		want   float64
	}{{lower, .25, 75}, {lower, -.25, 125}, {lower, 2, 0}, {higher, .25, 125}, {amount, 25, 75}, {share, .25, 100.25}} {
		if got := c.metric.ValueAfter(100, c.gain); got != c.want {
			t.Errorf("%s after %g: %g, want %g", c.metric.Name, c.gain, got, c.want)
		}
	}
}

// TestNoPercentIsAbsurd: whatever the gain, no percentage has an exponent, and nothing is
// more than 100 % less.
func TestNoPercentIsAbsurd(t *testing.T) {
	tooMuchLess := regexp.MustCompile(`(^| )[1-9][0-9]{2,}(\.[0-9]+)? % less`)

	for _, m := range []wording.Metric{lower, higher, inPct} {
		for e := -12.; e < 12; e += .25 {
			for _, gain := range []float64{math.Pow(10, e), -math.Pow(10, e)} {
				for _, width := range []float64{0, .01, 1} {
					g := between(gain, gain-width, gain+width)
					told := m.FormatGain(g) + "; " + m.FormatSize(gain)

					if found := tooMuchLess.FindString(told); strings.Contains(told, "e+") || strings.Contains(told, "e-") ||
						found != "" && found != "100 % less" {
						t.Errorf("%s: a gain of %g is told as %q", m.Name, gain, told)
					}
				}
			}
		}
	}
}
