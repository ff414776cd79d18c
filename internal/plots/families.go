package plots

import (
	"fmt"

	"ratchet/internal/chart"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// FamilyRow is a family in a drawing's numbers.
type FamilyRow struct {
	Word  string             `json:"word"` // that their hypotheses share; "" for the rest
	Tried int                `json:"tried"`
	Kept  int                `json:"kept"`
	Gain  *research.Interval `json:"gain,omitempty"` // that the kept ones claim together
}

// PlotFamilies draws what was tried and kept of each family of ideas.
func PlotFamilies(s *view.FamilySeries) *Plot {
	m := contract.Metric{Name: s.Metric.Name, Unit: s.Metric.Unit, Better: s.Metric.Better}

	title := render.OneLine(s.Campaign, 48) + ": yield by family of ideas"
	if len(s.Families) == 0 {
		return emptyPlot("families", title, "no experiment yet")
	}
	q := chart.Panel{Title: "tried (pale), and of these kept (full); beside it what the kept ones gain"}
	list := render.Field{Key: "families"}

	for _, f := range s.Families {
		name, r := f.Word, FamilyRow{render.OneLine(f.Word, 40), f.Tried, f.Kept, nil}
		if name == "" {
			name = "others"
		}

		text := fmt.Sprintf("%d tried, %d kept", f.Tried, f.Kept)
		if f.Gain != nil {
			text += ", " + wording.FormatBareGain(f.Gain, s.Scale)
			g := rounded(*f.Gain)
			r.Gain = &g
		}
		q.Bars = append(q.Bars, chart.Bar{Name: name, Whole: float64(f.Tried), Part: float64(f.Kept), Text: text})
		list.List = append(list.List, render.Item{Val: r, Line: render.OneLine(name, 40) + ": " + text})
	}

	foot := "Grouped by the words of hypotheses, among " + fmt.Sprintf("experiments %d to %d of %d.", s.From, s.To,
		s.Total)
	if !s.Exact {
		foot += " Gains are claims, and run high: each was selected."
	}
	fields := []render.Field{{Key: "kind", Val: "families"},
		{Key: "metric", Val: render.MetricText(m), Line: render.MetricText(m)}, {Key: "from", Val: s.From}, {Key: "to",
			Val: s.To}, {Key: "total", Val: s.Total}, list, render.ShortFact("text", "", foot)}

	return &Plot{Figure: chart.Figure{Title: title, Subtitle: render.MetricText(m), Panels: []chart.Panel{q},
		Foot: foot},
		Answer: render.BuildAnswer(render.Limit, append(fields, render.NextStep("read_log{view:\"ideas\"}"))...)}
}
