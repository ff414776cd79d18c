package tools

import (
	"fmt"

	"ratchet/internal/chart"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// familyRow is a family in a drawing's numbers.
type familyRow struct {
	Word  string             `json:"word"` // that their hypotheses share; "" for the rest
	Tried int                `json:"tried"`
	Kept  int                `json:"kept"`
	Gain  *research.Interval `json:"gain,omitempty"` // that the kept ones claim together
}

// PlotFamilies draws what was tried and kept of each family of ideas.
func PlotFamilies(s *view.FamilySeries) *Plot {
	m := contract.Metric{Name: s.Metric.Name, Unit: s.Metric.Unit, Better: s.Metric.Better}

	title := oneLine(s.Campaign, 48) + ": yield by family of ideas"
	if len(s.Families) == 0 {
		return nothing("families", title, "no experiment yet")
	}
	q := chart.Panel{Title: "tried (pale), and of these kept (full); beside it what the kept ones gain"}
	list := field{key: "families"}

	for _, f := range s.Families {
		name, r := f.Word, familyRow{oneLine(f.Word, 40), f.Tried, f.Kept, nil}
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
		list.list = append(list.list, item{r, oneLine(name, 40) + ": " + text})
	}

	foot := "Grouped by the words of hypotheses, among " + fmt.Sprintf("experiments %d to %d of %d.", s.From, s.To,
		s.Total)
	if !s.Exact {
		foot += " Gains are claims, and run high: each was selected."
	}
	fields := []field{{key: "kind", val: "families"}, {key: "metric", val: metric(m), line: metric(m)},
		{key: "from", val: s.From}, {key: "to", val: s.To}, {key: "total", val: s.Total}, list, one("text", "", foot)}

	return &Plot{Figure: chart.Figure{Title: title, Subtitle: metric(m), Panels: []chart.Panel{q}, Foot: foot},
		Answer: build(Limit, append(fields, next("read_log{view:\"ideas\"}"))...)}
}
