package plots

import (
	"fmt"
	"strings"
	"time"

	"ratchet/internal/chart"
	"ratchet/internal/render"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// PlotBudget draws the shares of the campaign's budget that were spent over time.
func PlotBudget(s *view.Spending) *Plot {
	title := render.OneLine(s.Campaign, 48) + ": budget"
	rows := []struct {
		key, name string
		colour    chart.Colour
		dashed    bool
		get       func(view.Spent) float64
		write     func(float64) string
	}{
		{"experiments", "experiments", chart.Blue, false, func(p view.Spent) float64 { return float64(p.Experiments) },
			render.FormatNumber},
		{"hours", "run time", chart.Vermillion, true, func(p view.Spent) float64 { return p.Hours }, render.Hours},
		{"gpu_hours", "GPU time", chart.Green, false, func(p view.Spent) float64 { return p.GPUHours }, render.Hours},
	}
	fields := []render.Field{{Key: "kind", Val: "budget"}}
	budget := []SpentRow{}
	q := chart.Panel{Title: "share of the campaign's budget",
		X: chart.Axis{Name: "since " + s.Started.UTC().Format("2 Jan 15:04 MST"), Unit: chart.Hours,
			Include: []float64{0}}, Y: chart.Axis{Unit: chart.Share, Include: []float64{0}},
		Rules: []chart.Rule{{At: 1, Text: "limit", Colour: chart.Ink}}}
	var words []string

	for _, r := range rows {
		limit, now := r.get(s.Limit), r.get(s.Now)
		if limit <= 0 && now <= 0 {
			continue
		}
		both := render.RoundShort([]float64{now, limit})
		budget = append(budget, SpentRow{r.key, both[0], both[1]})

		text := r.name + " " + r.write(now)
		if limit > 0 {
			text += " of " + r.write(limit)
		}

		words = append(words, text)

		if limit <= 0 {
			continue
		}

		line := chart.Series{Name: text, Kind: chart.Steps, Colour: r.colour, Dashed: r.dashed}
		for _, p := range s.Points {
			line.Points = append(line.Points, chart.Point{X: p.At.Sub(s.Started).Hours(), Y: r.get(p.Spent) / limit})
		}

		q.Series = append(q.Series, line)
	}

	fields = append(fields, render.Field{Key: "budget", Val: budget, Line: strings.Join(words, "\n")},
		render.Field{Key: "total", Val: s.Total, Line: wording.Count(s.Total, "run")})
	if s.Total == 0 || len(s.Points) == 0 {
		p := emptyPlot("budget", title, "no run was made yet")
		p.Answer = render.BuildAnswer(render.Limit,
			append(fields, render.ShortFact("text", "", "no run was made yet"), render.NextStep("read_log{}"))...)

		return p
	}

	return &Plot{Figure: chart.Figure{Title: title, Subtitle: spendingPace(s), Panels: []chart.Panel{q},
		Foot: "Hours are those of runs; builds, checks and thinking cost none."},
		Answer: render.BuildAnswer(render.Limit,
			append(fields, render.ShortFact("counts", "", spendingPace(s)), render.NextStep("read_log{}"))...)}
}

// spendingPace is how fast the budget goes.
func spendingPace(s *view.Spending) string {
	last := s.Points[len(s.Points)-1].At

	over := last.Sub(s.Started)
	if over <= 0 || s.Now.Experiments == 0 {
		return wording.Count(s.Total, "run")
	}

	return fmt.Sprintf("%s in %s of runs, over %s: one every %s", wording.Count(s.Now.Experiments, "experiment"),
		render.Hours(s.Now.Hours), span(over), span(over/time.Duration(s.Now.Experiments)))
}

func span(d time.Duration) string { return wording.FormatDuration(d.Seconds()) }
