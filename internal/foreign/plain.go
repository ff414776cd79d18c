package foreign

import (
	"cmp"
	"errors"
	"strings"
)

// plainTable is a user's own table: its columns are told by their names.
var plainTable = Format{
	Name:  "table",
	About: "any other table with tabs and a header that tells metric, status and note, or --columns",
	fits: func(s sample) bool {
		return s.keys == nil && s.columns != nil && s.guessColumns().unclear == ""
	},
	start: func(head sample) decoder { return startPlain(head, Columns{}) },
}

// plainLines are a user's own JSON lines: its keys are told by their names.
var plainLines = Format{
	Name:  "lines",
	About: "any other JSON lines whose keys tell metric, status and note, or --columns",
	fits: func(s sample) bool {
		return len(s.objects) > 0 && s.guessColumns().unclear == ""
	},
	start: func(head sample) decoder { return startPlain(head, Columns{}) },
}

// startPlain decodes the rows of a table, or JSON lines, by the columns that are given and found.
func startPlain(head sample, given Columns) decoder {
	g := head.guessColumns()
	g.Columns = g.Columns.merge(given)
	g.Better = given.Better // a name's usual direction is proposed, and not taken for said

	if given.Metric != "" {
		g.rivals = nil
	}

	if given.Metric == "-" {
		g.Metric = ""
	}

	t := &table{status: g.Status, loose: given.byNumber()}
	t.comment = directionComment
	t.head = func([]string) Entry { return g.header() }
	t.row = g.row
	objects := lineDecoder(func(o object) Entry {
		e := g.row(o.textOf)
		e.Kind = Run

		return e
	})(head)

	return func(line string) (Entry, error) {
		if head.keys == nil {
			return t.decodeLine(line)
		}

		e, err := objects(line)
		if err == nil && e.Kind == Run && e.Value == nil && e.Status == "" && e.Description == "" {
			return Entry{}, errors.New("it has neither a value nor a status nor a note")
		}

		return e, err
	}
}

// header is the entry of a table's header: how its columns are read.
func (g guess) header() Entry {
	e := Entry{Metric: g.Metric, Better: g.Better, Unit: g.Unit}
	for _, p := range []struct{ name, column string }{{"metric", g.Metric}, {"status", g.Status}, {"note", g.Note}} {
		if p.column == "" {
			p.column = "no column"
		}
		e = e.addNote(p.name + ": " + p.column)
	}

	if len(g.rivals) > 0 {
		e = e.addNote("the metric is the first of " + strings.Join(append([]string{g.Metric}, g.rivals...), ", ") +
			"; for another: --columns metric=" + g.rivals[0])
	}

	if g.Better == "" && g.Metric != "" {
		e = e.addNote("it does not say which is better: --columns better=" +
			cmp.Or(directionOfName(g.Metric), "lower") + " does")
	}

	return e
}

// row is the entry of one row.
func (g guess) row(field func(name string) string) Entry {
	e := Entry{Metric: g.Metric, Better: g.Better, Unit: g.Unit, Status: field(g.Status), Description: field(g.Note),
		Commit: field(g.commit)}

	for _, name := range g.words {
		switch text := field(name); {
		case text == "" || text == "-":
		case e.Description == "":
			e.Description = text
		case text != e.Description:
			e = e.addNote(name + ": " + text)
		}
	}

	return e.withValue(field(g.Metric))
}

// directionComment reads "# metric_direction: higher" before or within a table.
func directionComment(line string) Entry {
	name, value, ok := strings.Cut(strings.TrimLeft(line, "# "), ":")

	value, _, _ = strings.Cut(strings.TrimSpace(value), " ")
	if better := parseDirection(strings.Trim(value, "_,;")); ok && better != "" &&
		strings.TrimSpace(name) == "metric_direction" {
		return Entry{Kind: Header, Better: better}
	}

	return findDirection(line)
}
