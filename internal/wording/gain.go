package wording

import (
	"math"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// Metric is what the words about a metric's values depend on. Its methods are the only
// writer of values, changes and noise: every view uses them.
//
// A gain is positive for better. On research.LogScale it is a share of the value before,
// else an amount in the unit. It is told as what the value does: 12 % less, 4 points more.
type Metric struct {
	Name   string
	Unit   string
	Better research.Direction // "" is lower
	Scale  string             // of gains
}

// Change is what is told of a difference. From and To are values in the metric's unit,
// nil where they are not known.
type Change struct {
	From, To         *float64
	FromNote, ToNote string // behind the value, in parentheses: "5 runs"
	Derived          bool   // nobody measured To: it follows from a gain
	Gain             *research.Interval
}

// FormatValue is a value with its unit.
func (m Metric) FormatValue(v float64) string { return FormatValue(v, m.Unit) }

// FormatFromTo is both values of a change with the unit, with as many digits as it takes
// to see the difference: 299 → 262 ms.
func (m Metric) FormatFromTo(from, to float64) string {
	return m.formatValues(Change{From: &from, To: &to})
}

// Over is a gain over a value, with the value that it leads to; of the gain alone where
// from is nil.
func (m Metric) Over(from *float64, gain research.Interval) Change {
	c := Change{From: from, Gain: &gain, Derived: true}
	if from != nil {
		to := m.ValueAfter(*from, gain.Mid)
		c.To = &to
	}

	return c
}

// FormatChange is a change in full: the metric, its values, the difference, and the
// interval of 90 % of that: cpu_ms 299 → 262, 12 % less (90 %: 9..15).
func (m Metric) FormatChange(c Change) string {
	values := m.formatValues(c)
	words := strings.TrimSpace(m.Name + " " + values)

	switch {
	case c.Gain == nil:
		return words
	case values == "":
		return strings.TrimSpace(words + " " + m.FormatGain(*c.Gain))
	}

	return words + ", " + m.FormatGainOf(c.From, *c.Gain)
}

// formatValues are both values of a change, "" where one is missing.
func (m Metric) formatValues(c Change) string {
	if c.From == nil || c.To == nil {
		return ""
	}

	was, is := formatApart(*c.From, *c.To)
	if c.Derived {
		is = "about " + FormatDigits(roundDigits(*c.To, 3), 6)
	}

	if m.Unit != "" {
		is += " " + m.Unit
	}

	return was + inParentheses(c.FromNote) + " → " + is + inParentheses(c.ToNote)
}

func inParentheses(note string) string {
	if note == "" {
		return ""
	}

	return " (" + note + ")"
}

// FormatGain is a gain with its interval, without a sign: 12 % less (90 %: 9..15). An
// interval without a width is left out.
func (m Metric) FormatGain(gain research.Interval) string {
	return m.FormatGainOf(nil, gain)
}

// FormatGainOf is FormatGain of a change from a value, which a metric in percent is told
// in points by; nil where it is not known.
func (m Metric) FormatGainOf(from *float64, gain research.Interval) string {
	mid, lo, hi := m.formatGainNumbers(from, gain)
	if gain.Lo == gain.Hi {
		return mid
	}

	return mid + " (90 %: " + lo + ".." + hi + ")"
}

// FormatAmount is a gain without its interval: 12 % less.
func (m Metric) FormatAmount(gain float64) string {
	return m.FormatGain(research.Interval{Mid: gain, Lo: gain, Hi: gain})
}

// FormatRange is a gain's interval in the numbers of FormatGain, as a column has it:
// 9..15; "" where it has no width.
func (m Metric) FormatRange(from *float64, gain research.Interval) string {
	if gain.Lo == gain.Hi {
		return ""
	}
	_, lo, hi := m.formatGainNumbers(from, gain)

	return lo + ".." + hi
}

// FormatSize is the size of a difference that has no direction, such as the smallest gain
// that counts: 0.5 %, 3 ms, 2 points.
func (m Metric) FormatSize(gain float64) string {
	m, size := m.pointsOf(nil), math.Abs(gain)
	switch {
	case m.Scale != research.LogScale:
		return m.formatAmount(roundDigits(size, 3))
	case size >= 10: // a factor says more
		return "a factor of " + FormatDigits(roundDigits(1+size, 2), 2)
	}

	return formatPercent(size) + " %"
}

// FormatSpread is a standard deviation on the scale, of runs or of pairs: 1.9 %, a factor
// of 4, 12 ms.
func (m Metric) FormatSpread(deviation float64) string {
	if m.Scale == research.LogScale && deviation >= 1 {
		return "a factor of " + FormatDigits(roundDigits(math.Exp(min(deviation, 700)), 2), 2)
	}

	return m.FormatSize(deviation)
}

// ValueAfter is the value that a gain over v leads to.
func (m Metric) ValueAfter(v, gain float64) float64 {
	change := m.valueChange(gain)
	if m.Scale == research.LogScale {
		return v * max(0, 1+change)
	}

	return v + change
}

// valueChange is by how much the value grows with a gain.
func (m Metric) valueChange(gain float64) float64 {
	if m.Better == research.Higher {
		return gain
	}

	return -gain
}

// pointsOf is the metric as differences from a value are told: one in percent by points.
func (m Metric) pointsOf(from *float64) Metric {
	isPercent := m.Unit == "%" || strings.EqualFold(m.Unit, "percent")
	if isPercent && (m.Scale != research.LogScale || from != nil) {
		m.Unit = "points"
	}

	return m
}

// formatGainNumbers are a gain in words, and the ends of its interval as its numbers.
func (m Metric) formatGainNumbers(from *float64, gain research.Interval) (mid, lo, hi string) {
	m = m.pointsOf(from)
	change := m.orient(gain)

	if m.Unit == "points" && m.Scale == research.LogScale {
		change.Mid, change.Lo, change.Hi = change.Mid**from, change.Lo**from, change.Hi**from
		m.Scale = research.LinearScale
	}

	way := "more"
	if isLess := change.Mid < 0 || change.Mid == 0 && m.Better != research.Higher; isLess {
		change.Mid, change.Lo, change.Hi = -change.Mid, -change.Hi, -change.Lo
		way = "less"
	}

	digits := 3
	switch {
	case m.Scale != research.LogScale:
		digits = 6
		if m.Scale == research.ShareScale && m.Unit != "points" {
			change.Mid, change.Lo, change.Hi = 100*change.Mid, 100*change.Lo, 100*change.Hi
			m.Unit = "points"
		}

		if m.Scale == research.CountScale && way == "less" {
			way = "fewer"
		}
	case way == "less" && change.Mid > .99 || way == "more" && change.Mid > 1:
		return formatFactors(change, way)
	default:
		change.Mid, change.Lo, change.Hi = 100*change.Mid, 100*change.Lo, 100*change.Hi
		m.Unit = "%"
	}

	mid, lo, hi = formatNumbers(change, digits)
	if change.Mid == 0 {
		return "no change", lo, hi
	}

	return strings.TrimSpace(mid+" "+m.unitOf(mid)) + " " + way, lo, hi
}

// orient is a gain as the growth of the value.
func (m Metric) orient(gain research.Interval) research.Interval {
	if m.Better == research.Higher {
		return gain
	}

	return research.Interval{Mid: -gain.Mid, Lo: -gain.Hi, Hi: -gain.Lo}
}

// unitOf is the unit behind a number.
func (m Metric) unitOf(number string) string {
	if m.Unit == "points" && number == "1" {
		return "point"
	}

	return m.Unit
}

// formatAmount is a number with the unit of differences.
func (m Metric) formatAmount(v float64) string {
	if m.Scale == research.ShareScale && m.Unit != "points" {
		v, m.Unit = 100*v, "points"
	}

	number := FormatDigits(v, 6)

	return strings.TrimSpace(number + " " + m.unitOf(number))
}

// formatFactors writes changes that percents say badly: 33 × less, 2.4 × as much. The
// ends of the interval are factors too.
func formatFactors(change research.Interval, way string) (mid, lo, hi string) {
	factor := func(share float64) float64 { return 1 + share }
	words := " × as much"

	if way == "less" {
		factor = func(share float64) float64 { return 1 / max(1-share, 1e-9) }
		words = " × less"
	}
	write := func(share float64) string { return FormatDigits(roundDigits(factor(share), 3), 3) }

	if way == "less" && change.Mid >= 1-1e-9 {
		return "100 % less", write(change.Lo), write(change.Hi)
	}

	return write(change.Mid) + words, write(change.Lo), write(change.Hi)
}

// formatNumbers writes a number and its interval with as many decimals as the interval's
// width asks for, one significant digit of each number at least, so that no end that is
// not 0 is written as 0; a number without an interval has so many digits.
func formatNumbers(n research.Interval, digits int) (mid, lo, hi string) {
	width := n.Hi - n.Lo
	if !(width > 0) || !research.IsFinite(width) {
		s := formatPlain(n.Mid, digits)
		return s, s, s
	}

	places := 0
	if width < 5 {
		places = int(math.Ceil(math.Log10(5 / width)))
	}
	write := func(v float64) string {
		if math.Abs(v)*math.Pow(10, float64(places)) < 1 {
			return formatPlain(v, 1)
		}

		return trimZeros(strconv.FormatFloat(v, 'f', places, 64))
	}

	return write(n.Mid), write(n.Lo), write(n.Hi)
}

// formatPlain writes a number in so many significant digits, never with an exponent.
func formatPlain(v float64, digits int) string {
	if !research.IsFinite(v) {
		return FormatDigits(v, digits)
	}

	return trimZeros(strconv.FormatFloat(roundDigits(v, digits), 'f', -1, 64))
}

func trimZeros(number string) string {
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}

	if number == "-0" {
		return "0"
	}

	return number
}

// formatApart writes two values with five significant digits, more where it takes them
// to see by how much they differ.
func formatApart(from, to float64) (was, is string) {
	const seen = .02 // of the difference, that rounding may hide

	for digits := 5; digits < 17; digits++ {
		was, is = FormatDigits(from, digits), FormatDigits(to, digits)
		a, errA := strconv.ParseFloat(was, 64)
		b, errB := strconv.ParseFloat(is, 64)

		if errA != nil || errB != nil || math.Abs((b-a)-(to-from)) <= seen*math.Abs(to-from) {
			return was, is
		}
	}

	return strconv.FormatFloat(from, 'g', -1, 64), strconv.FormatFloat(to, 'g', -1, 64)
}

// FormatEvidence is an e-value: whole from 100 on, else to three digits; above a million
// only that.
func FormatEvidence(e float64) string {
	switch {
	case e > 1e6:
		return "over 1000000"
	case e >= 100:
		return strconv.FormatFloat(math.Round(e), 'f', 0, 64)
	}

	return FormatDigits(e, 3)
}

// FormatShare is a share as a percentage that is of no metric: 12 %.
func FormatShare(share float64) string { return formatPercent(share) + " %" }

// formatPercent writes a share as percent: three digits, two below ten percent, never an
// exponent.
func formatPercent(share float64) string {
	p := 100 * share
	switch abs := math.Abs(p); {
	case abs < 5e-7:
		return "0"
	case abs < 10:
		return formatPlain(p, 2)
	}

	return formatPlain(p, 3)
}
