package plots

import (
	"fmt"

	"ratchet/internal/chart"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/view"
)

// FamilyRow is a family in a drawing's numbers.
type FamilyRow struct {
	Word  string             `json:"word"` // that their hypotheses share; "" for the rest
	Tried int                `json:"tried"`
	Kept  int                `json:"kept"`
	Gain  *research.Interval `json:"gain,omitempty"` // that the kept ones claim together
}

// PlotFamilies draws what was tried and kept of each family of ideas.
func PlotFamilies(series *view.FamilySeries) *Plot {
	metric := contract.Metric{Name: series.Metric.Name, Unit: series.Metric.Unit, Better: series.Metric.Better}

	title := render.OneLine(series.Campaign, 48) + ": yield by family of ideas"
	if len(series.Families) == 0 {
		return emptyPlot("families", title, "no experiment yet")
	}
	panel := chart.Panel{Title: "tried (pale), and of these kept (full); beside it what the kept ones gain"}
	list := render.Field{Key: "families"}

	for _, f := range series.Families {
		name, r := f.Word, FamilyRow{render.OneLine(f.Word, 40), f.Tried, f.Kept, nil}
		if name == "" {
			name = "others"
		}

		text := fmt.Sprintf("%d tried, %d kept", f.Tried, f.Kept)
		if f.Gain != nil {
			text += ", " + metric.Words(series.Scale).FormatAmount(f.Gain.Mid)
			g := roundInterval(*f.Gain)
			r.Gain = &g
		}
		panel.Bars = append(panel.Bars, chart.Bar{Name: name, Whole: float64(f.Tried), Part: float64(f.Kept),
			Text: text})
		list.List = append(list.List, render.Item{Val: r, Line: render.OneLine(name, 40) + ": " + text})
	}

	foot := "Grouped by the words of hypotheses, among " + fmt.Sprintf("experiments %d to %d of %d.", series.From,
		series.To, series.Total)
	if !series.Exact {
		foot += " Gains are claims, and run high: each was selected."
	}
	foot += describeEarlier(series.Earlier)
	fields := []render.Field{{Key: "kind", Val: "families"},
		{Key: "metric", Val: render.MetricText(metric), Line: render.MetricText(metric)}, {Key: "from",
			Val: series.From}, {Key: "to",
			Val: series.To}, {Key: "total", Val: series.Total}, list, render.ShortFact("text", "", foot)}

	return &Plot{Figure: chart.Figure{Title: title, Subtitle: render.MetricText(metric), Panels: []chart.Panel{panel},
		Foot: foot},
		Answer: render.BuildAnswer(render.Limit, append(fields, render.NextStep("read_log{view:\"ideas\"}"))...)}
}
