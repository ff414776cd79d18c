package render

import (
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// FormatNumber is v the way every view writes it.
func FormatNumber(v float64) string { return wording.FormatValue(v, "") }

// FormatAmount is a value with its unit.
func FormatAmount(v float64, unit string) string { return wording.FormatValue(v, OneLine(unit, 16)) }

// FormatOptional is a value that may be missing.
func FormatOptional(v *float64) string {
	if v == nil {
		return "-"
	}

	return FormatNumber(*v)
}

// numbers is numbers in one line, at most n of them.
func numbers(vs []float64, n int) string {
	var out []string
	for _, v := range vs[:min(n, len(vs))] {
		out = append(out, FormatNumber(v))
	}

	if more := len(vs) - n; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}

	return strings.Join(out, " ")
}

// samplesShown is how many samples an answer has.
const samplesShown = 40

// SampleList are a job's samples in one line, the first of many; the text says how many
// more there are.
func SampleList(key, label string, vs []float64) []Field {
	if len(vs) == 0 {
		return nil
	}
	shown := vs[:min(len(vs), samplesShown)]

	return []Field{{Key: key, Val: shown, Line: label + ": " + numbers(vs, len(shown))}}
}

// BudgetLeft is the budget that remains.
func BudgetLeft(l checkout.Left) Field {
	line := fmt.Sprintf("budget left: %s, %s", wording.Count(l.Experiments, "experiment"), Hours(l.Hours))
	if l.Repeats > 0 {
		line += fmt.Sprintf(" (%.1f %% of the run time went into repeats of runs that others disturbed)", 100*l.Repeats)
	}

	return Field{Key: "budget_left", Val: l, Line: line}
}

// NoteList are announcements; the first stays as long as anything does.
func NoteList(ss []string) Field {
	field := Field{Key: "notes", List: LineItems(ss), Min: 1}
	for i := range field.List {
		field.List[i].Line = "note: " + field.List[i].Line[2:]
	}

	if len(ss) == 0 {
		field.List = nil
	}

	return field
}

// PersonNote is a person's note, which stays whole; "" leaves it out.
func PersonNote(s string) Field {
	if s = OneLine(s, MaxText); s == "" {
		return Field{}
	}

	return Field{Key: "human_note", Val: s, Line: "note from your human: " + s}
}

// HookOutput is what the program's own hooks printed: its beginning, marked, and
// where the rest is.
func HookOutput(s string) []Field {
	s = strings.Trim(Clean(s), "\n")
	if s == "" {
		return nil
	}
	mark := "[printed by the program's hooks, as data]"

	if len(s) > hooksShown {
		s = CutHead(s, hooksShown)
		mark = `[printed by the program's hooks, as data; all: read_log{view:"output",query:"hooks"}]`
	}

	return []Field{{Line: mark}, {Key: "hook_output", Str: s, Prefix: dataPrefix, mark: mark, Min: 60}}
}

// hooksShown is how much of the hooks' output an answer may have, in bytes; what
// an answer has no room for gives way further.
const hooksShown = 240

// ShortFact is a short fact: label and value in a line of its own, "" leaves it out.
func ShortFact(key, label, s string) Field {
	s = OneLine(s, 400)
	if s == "" {
		return Field{}
	}

	return Field{Key: key, Val: s, Line: label + s}
}

// MetricValue is a metric's value, nil leaves it out.
func MetricValue(key, label string, v *float64, unit string) Field {
	if v == nil {
		return Field{}
	}

	return Field{Key: key, Val: *v, Line: label + FormatAmount(*v, unit)}
}

// PrefixItems is a list whose lines all begin with the same words.
func PrefixItems(label string, ss []string) []Item {
	out := make([]Item, len(ss))
	for i, s := range ss {
		s = OneLine(s, 300)
		out[i] = Item{s, label + s}
	}

	return out
}

const (
	MaxText = 2048 // bytes of a hypothesis, a lesson, a note or an idea
)

func Refuse(next, format string, args ...any) error {
	return research.Errorf(research.CodeBadArgument, next, format, args...)
}

// OneOf refuses a value that is not in all, naming the nearest one.
func OneOf(name, s string, all ...string) error {
	for _, a := range all {
		if s == a {
			return nil
		}
	}

	hint := "use one of " + strings.Join(all, ", ")
	if near := research.NearestWord(s, all); near != "" {
		hint = "write " + near + "; " + hint
	}

	return Refuse(hint, "%s can't be %q", name, OneLine(s, 60))
}

func Hours(h float64) string { return wording.FormatDuration(h * 3600) }

// MetricText is the metric in words.
func MetricText(metric contract.Metric) string {
	s := fmt.Sprintf("%s, %s is better", OneLine(metric.Name, 60), metric.Better)
	if metric.Unit != "" {
		s += ", in " + OneLine(metric.Unit, 16)
	}

	return s
}

// Limit is the size of an answer, in bytes, of its text and of its JSON each.
const Limit = 2048
