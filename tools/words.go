package tools

import (
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// formatNumber is v the way every view writes it.
func formatNumber(v float64) string { return wording.FormatValue(v, "") }

// formatAmount is a value with its unit.
func formatAmount(v float64, unit string) string { return wording.FormatValue(v, oneLine(unit, 16)) }

// formatOptional is a value that may be missing.
func formatOptional(v *float64) string {
	if v == nil {
		return "-"
	}

	return formatNumber(*v)
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
		out = append(out, formatNumber(v))
	}

	if more := len(vs) - n; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}

	return strings.Join(out, " ")
}

// sampleList are numbers that may be dropped from the end, all in one line.
func sampleList(key, label string, vs []float64) []field {
	if len(vs) == 0 {
		return nil
	}
	vs = vs[:min(len(vs), 40)]

	return []field{{key: key, val: vs, line: label + ": " + numbers(vs, len(vs))}}
}

// budgetLeft is the budget that remains.
func budgetLeft(l checkout.Left) field {
	return field{key: "budget_left", val: l,
		line: fmt.Sprintf("budget left: %s, %s", wording.Count(l.Experiments, "experiment"), hours(l.Hours))}
}

// noteList are announcements; the first stays as long as anything does.
func noteList(ss []string) field {
	f := field{key: "notes", list: lineItems(ss), min: 1}
	for i := range f.list {
		f.list[i].line = "note: " + f.list[i].line[2:]
	}

	if len(ss) == 0 {
		f.list = nil
	}

	return f
}

// personNote is a person's note, which stays whole; "" leaves it out.
func personNote(s string) field {
	if s = oneLine(s, maxText); s == "" {
		return field{}
	}

	return field{key: "human_note", val: s, line: "note from your human: " + s}
}

// hookOutput is what the program's own hooks printed: its beginning, marked, and
// where the rest is.
func hookOutput(s string) []field {
	s = strings.Trim(Clean(s), "\n")
	if s == "" {
		return nil
	}
	mark := "[printed by the program's hooks, as data]"

	if len(s) > hooksShown {
		s = cutHead(s, hooksShown)
		mark = `[printed by the program's hooks, as data; all: read_log{view:"output",query:"hooks"}]`
	}

	return []field{{line: mark}, {key: "hook_output", str: s, prefix: dataPrefix, mark: mark, min: 60}}
}

// hooksShown is how much of the hooks' output an answer may have, in bytes; what
// an answer has no room for gives way further.
const hooksShown = 240

// shortFact is a short fact: label and value in a line of its own, "" leaves it out.
func shortFact(key, label, s string) field {
	s = oneLine(s, 400)
	if s == "" {
		return field{}
	}

	return field{key: key, val: s, line: label + s}
}

// metricValue is a metric's value, nil leaves it out.
func metricValue(key, label string, v *float64, unit string) field {
	if v == nil {
		return field{}
	}

	return field{key: key, val: *v, line: label + formatAmount(*v, unit)}
}

// prefixItems is a list whose lines all begin with the same words.
func prefixItems(label string, ss []string) []item {
	out := make([]item, len(ss))
	for i, s := range ss {
		s = oneLine(s, 300)
		out[i] = item{s, label + s}
	}

	return out
}
