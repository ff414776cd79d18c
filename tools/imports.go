package tools

import (
	"fmt"

	"ratchet/internal/research/history"
	"ratchet/internal/view"
)

// importRow is a line of another program's log: its writer's word.
type importRow struct {
	At     string   `json:"at"`             // results.tsv:12
	Status string   `json:"said,omitempty"` // the status, in its words
	Value  *float64 `json:"self_reported,omitempty"`
	Text   string   `json:"text,omitempty"`
}

func importItem(i *history.Import, n int) item {
	r := importRow{At: i.Place(), Status: oneLine(i.Status, 30), Value: i.Value, Text: oneLine(i.Searched(), n)}
	if i.Kind == history.ImportBroken {
		r.Status, r.Text = "not understood", oneLine(i.Broken, n)
	}

	return item{r, fmt.Sprintf("%s %s %s %s", r.At, orDash(r.Status), formatOptional(r.Value), r.Text)}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}

	return s
}

// importField shows imported lines that match a table's query, apart from the experiments.
func importField(is []history.Import) []field {
	if len(is) == 0 {
		return nil
	}

	f := field{key: "imported", list: make([]item, len(is))}
	for i := range is {
		f.list[i] = importItem(&is[i], 60)
	}

	return []field{{key: "imported_are", val: "self-reported",
		line: "from other programs' logs, self-reported, no evidence:"}, f}
}

// RenderImports shows what was imported: the sources, and a page of lines.
func RenderImports(p *view.ImportPage) Answer {
	sources := field{key: "sources", list: make([]item, len(p.Sources))}
	for i, s := range p.Sources {
		better := ""
		if s.Better != "" {
			better = ", " + string(s.Better) + " is better"
		}
		sources.list[i] = item{s, fmt.Sprintf("%s (%s): lines %d, runs %d of %s%s, not understood %d", s.Source,
			s.Format, s.Lines, s.Runs, orDash(s.Metric), better, s.Broken)}
	}

	rows := field{key: "lines", list: make([]item, len(p.Lines))}
	for i := range p.Lines {
		rows.list[i] = importItem(&p.Lines[i], 100)
	}

	title := "imported lines, self-reported: no evidence, and no part of any verdict"
	if p.Total == 0 {
		title = "nothing was imported"
	}
	fields := []field{{key: "campaign", val: p.Campaign, line: title}, sources, rows}
	then := "ratchet export --format imported --source FILE gives a file back as it was"

	switch {
	case p.Next != "":
		then = fmt.Sprintf("ratchet log --imported --cursor %s for older ones", p.Next)
		fields = append(fields, field{key: "cursor", val: p.Next})
	case p.Total == 0:
		then = "ratchet import FILE"
	}

	return buildAnswer(1<<30, append(fields, nextStep(then))...)
}
