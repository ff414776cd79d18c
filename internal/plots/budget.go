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
func PlotBudget(spending *view.Spending) *Plot {
	title := render.OneLine(spending.Campaign, 48) + ": budget"
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
	panel := chart.Panel{Title: "share of the campaign's budget",
		X: chart.Axis{Name: "since " + spending.Started.UTC().Format("2 Jan 15:04 MST"), Unit: chart.Hours,
			Include: []float64{0}}, Y: chart.Axis{Unit: chart.Share, Include: []float64{0}},
		Rules: []chart.Rule{{At: 1, Text: "limit", Colour: chart.Ink}}}
	var words []string

	for _, r := range rows {
		limit, now := r.get(spending.Limit), r.get(spending.Now)
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
		for _, p := range spending.Points {
			line.Points = append(line.Points,
				chart.Point{X: p.At.Sub(spending.Started).Hours(), Y: r.get(p.Spent) / limit})
		}

		panel.Series = append(panel.Series, line)
	}

	fields = append(fields, render.Field{Key: "budget", Val: budget, Line: strings.Join(words, "\n")},
		render.Field{Key: "total", Val: spending.Total, Line: wording.Count(spending.Total, "run")})
	if spending.Total == 0 || len(spending.Points) == 0 {
		p := emptyPlot("budget", title, "no run was made yet")
		p.Answer = render.BuildAnswer(render.Limit,
			append(fields, render.ShortFact("text", "", "no run was made yet"), render.NextStep("read_log{}"))...)

		return p
	}

	return &Plot{Figure: chart.Figure{Title: title, Subtitle: spendingPace(spending), Panels: []chart.Panel{panel},
		Foot: "Hours are those of runs; builds, checks and thinking cost none."},
		Answer: render.BuildAnswer(render.Limit,
			append(fields, render.ShortFact("counts", "", spendingPace(spending)), render.NextStep("read_log{}"))...)}
}

// spendingPace says how fast the budget is spent.
func spendingPace(spending *view.Spending) string {
	last := spending.Points[len(spending.Points)-1].At

	over := last.Sub(spending.Started)
	if over <= 0 || spending.Now.Experiments == 0 {
		return wording.Count(spending.Total, "run")
	}

	return fmt.Sprintf("%s in %s of runs, over %s: one every %s", wording.Count(spending.Now.Experiments, "experiment"),
		render.Hours(spending.Now.Hours), formatSpan(over), formatSpan(over/time.Duration(spending.Now.Experiments)))
}

func formatSpan(d time.Duration) string { return wording.FormatDuration(d.Seconds()) }
