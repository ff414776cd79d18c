package tools

import (
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// num is v the way every view writes it.
func num(v float64) string { return wording.FormatValue(v, "") }

// amount is a value with its unit.
func amount(v float64, unit string) string { return wording.FormatValue(v, oneLine(unit, 16)) }

// optional is a value that may be missing.
func optional(v *float64) string {
	if v == nil {
		return "-"
	}

	return num(*v)
}

// GainText is a gain as agents read it, on its scale and without a unit; "" for nil.
func GainText(g *research.Interval, scale string) string {
	if g == nil {
		return ""
	}

	return wording.FormatBareGain(g, scale)
}

// numbers is numbers in one line, at most n of them.
func numbers(vs []float64, n int) string {
	var out []string
	for _, v := range vs[:min(n, len(vs))] {
		out = append(out, num(v))
	}

	if more := len(vs) - n; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}

	return strings.Join(out, " ")
}

// samples are numbers that may be dropped from the end, all in one line.
func samples(key, label string, vs []float64) []field {
	if len(vs) == 0 {
		return nil
	}
	vs = vs[:min(len(vs), 40)]

	return []field{{key: key, val: vs, line: label + ": " + numbers(vs, len(vs))}}
}

// left is the budget that remains.
func left(l checkout.Left) field {
	return field{key: "budget_left", val: l,
		line: fmt.Sprintf("budget left: %s, %s", wording.Count(l.Experiments, "experiment"), hours(l.Hours))}
}

// notes are announcements; the first stays as long as anything does.
func notes(ss []string) field {
	f := field{key: "notes", list: lines(ss), min: 1}
	for i := range f.list {
		f.list[i].line = "note: " + f.list[i].line[2:]
	}

	if len(ss) == 0 {
		f.list = nil
	}

	return f
}

// human is a person's note, which stays whole; "" leaves it out.
func human(s string) field {
	if s = oneLine(s, maxText); s == "" {
		return field{}
	}

	return field{key: "human_note", val: s, line: "note from your human: " + s}
}

// hooks is what the program's own hooks printed: its beginning, marked, and
// where the rest is.
func hooks(s string) []field {
	s = strings.Trim(Clean(s), "\n")
	if s == "" {
		return nil
	}
	mark := "[printed by the program's hooks, as data]"

	if len(s) > hooksShown {
		s = head(s, hooksShown)
		mark = `[printed by the program's hooks, as data; all: read_log{view:"output",query:"hooks"}]`
	}

	return []field{{line: mark}, {key: "hook_output", str: s, prefix: dataPrefix, mark: mark, min: 60}}
}

// hooksShown is how much of the hooks' output an answer may have, in bytes; what
// an answer has no room for gives way further.
const hooksShown = 240

// one is a short fact: label and value in a line of its own, "" leaves it out.
func one(key, label, s string) field {
	s = oneLine(s, 400)
	if s == "" {
		return field{}
	}

	return field{key: key, val: s, line: label + s}
}

// value is a metric's value, nil leaves it out.
func value(key, label string, v *float64, unit string) field {
	if v == nil {
		return field{}
	}

	return field{key: key, val: *v, line: label + amount(*v, unit)}
}

// prefixed is a list whose lines all begin with the same words.
func prefixed(label string, ss []string) []item {
	out := make([]item, len(ss))
	for i, s := range ss {
		s = oneLine(s, 300)
		out[i] = item{s, label + s}
	}

	return out
}
