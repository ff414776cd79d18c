package tools

import (
	"fmt"
	"strings"

	"ratchet/internal/render"
	"ratchet/internal/research/history"
	"ratchet/internal/view"
)

// importRow is a line of another program's log: its writer's word.
type importRow struct {
	At     string   `json:"at"`             // results.tsv:12
	Status string   `json:"said,omitempty"` // the status, in its words
	Value  *float64 `json:"self_reported,omitempty"`
	Unit   string   `json:"unit,omitempty"`
	Metric string   `json:"metric,omitempty"` // where the source tells of several, or in which direction
	Text   string   `json:"text,omitempty"`
}

func importItem(imported *history.Import, n int) render.Item {
	r := importRow{At: imported.Place(), Status: render.OneLine(imported.Status, 30), Value: imported.Value,
		Text: render.OneLine(imported.Searched(), n)}
	said := render.FormatOptional(r.Value)

	if imported.Kind == history.ImportRun && imported.Better != "" {
		r.Metric, r.Unit = render.OneLine(imported.Metric, 40), render.OneLine(imported.Unit, 16)
		said = strings.TrimSpace(r.Metric + " " + said + " " + r.Unit)
	}

	if imported.Kind == history.ImportBroken {
		r.Status, r.Text = "not understood", render.OneLine(imported.Broken, n)
	}

	return render.Item{Val: r, Line: fmt.Sprintf("%s %s %s %s", r.At, orDash(r.Status), said, r.Text)}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}

	return s
}

// importField shows imported lines that match a table's query, apart from the experiments.
func importField(is []history.Import) []render.Field {
	if len(is) == 0 {
		return nil
	}

	field := render.Field{Key: "imported", List: make([]render.Item, len(is))}
	for i := range is {
		field.List[i] = importItem(&is[i], 60)
	}

	return []render.Field{{Key: "imported_are", Val: "self-reported",
		Line: "from other programs' logs, self-reported, no evidence:"}, field}
}

// describeMetrics names the metrics that a source's runs tell of.
func describeMetrics(s *history.ImportSource) string {
	metrics := s.Metrics
	if len(metrics) == 0 {
		metrics = []history.ImportMetric{{Name: s.Metric, Better: s.Better}}
	}
	var said []string

	for _, m := range metrics {
		said = append(said, m.Describe("-"))
	}

	return strings.Join(said, "; of ")
}

// RenderImports shows what was imported: the sources, and a page of lines.
func RenderImports(page *view.ImportPage) render.Answer {
	sources := render.Field{Key: "sources", List: make([]render.Item, len(page.Sources))}
	for i, s := range page.Sources {
		sources.List[i] = render.Item{Val: s,
			Line: fmt.Sprintf("%s (%s): lines %d, runs %d of %s, not understood %d", s.Source,
				s.Format, s.Lines, s.Runs, describeMetrics(&s), s.Broken)}
	}

	rows := render.Field{Key: "lines", List: make([]render.Item, len(page.Lines))}
	for i := range page.Lines {
		rows.List[i] = importItem(&page.Lines[i], 100)
	}

	title := "imported lines, self-reported: no evidence, and no part of any verdict"
	if page.Total == 0 {
		title = "nothing was imported"
	}

	if page.Campaign == "" {
		title = "imported lines, self-reported: they wait for the next campaign, which takes them over when it starts"
	}
	fields := []render.Field{{Key: "campaign", Val: page.Campaign, Line: title}, sources, rows}
	then := "ratchet export --format imported --source FILE gives a file back as it was"

	switch {
	case page.Next != "":
		then = fmt.Sprintf("ratchet log --imported --cursor %s for older ones", page.Next)
		fields = append(fields, render.Field{Key: "cursor", Val: page.Next})
	case page.Total == 0:
		then = "ratchet import FILE"
	}

	return render.BuildAnswer(1<<30, append(fields, render.NextStep(then))...)
}
