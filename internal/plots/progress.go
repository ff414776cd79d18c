package plots

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ratchet/internal/chart"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

const (
	whiskersTo = 80 // points that have whiskers; of more none has
	labelled   = 10
)

// verdictMarks say how each verdict is drawn: by shape as well as by colour.
var verdictMarks = []struct {
	verdict research.Verdict
	shape   chart.Shape
	colour  chart.Colour
}{
	{research.Improved, chart.TriangleUp, chart.Green},
	{research.Provisional, chart.Diamond, chart.Blue},
	{research.Equivalent, chart.Square, chart.Grey},
	{research.Regressed, chart.TriangleDown, chart.Vermillion},
	{research.Inconclusive, chart.Ring, chart.Orange},
	{research.Invalid, chart.Cross, chart.Purple},
}

// PlotProgress draws every experiment by its verdict, the running best, and
// what was kept.
func PlotProgress(progress *view.Progress) *Plot {
	metric := contract.Metric{Name: progress.Metric.Name, Unit: progress.Metric.Unit, Better: progress.Metric.Better}

	title := render.OneLine(progress.Campaign, 48) + ": " + render.MetricText(metric)
	if len(progress.Points) == 0 {
		return emptyPlot("progress", title, "no experiment yet")
	}
	shown := progress.Points[slices.IndexFunc(progress.Points,
		func(pt view.ProgressPoint) bool { return pt.N >= progress.From }):]
	g := progressGraph{progress: progress, shown: shown}
	fig := chart.Figure{Title: title, Subtitle: g.subtitleText(metric), Foot: g.footText(),
		Panels: []chart.Panel{g.buildPanel()}}

	return &Plot{Figure: fig, Answer: g.buildAnswer(metric)}
}

// progressGraph is what is drawn: the points without a gap, the newest.
type progressGraph struct {
	progress *view.Progress
	shown    []view.ProgressPoint
}

// pointInterval says where a point is drawn, nil where it has no number.
func (g *progressGraph) pointInterval(pt *view.ProgressPoint) *research.Interval {
	switch {
	case g.progress.Exact && pt.Value != nil:
		return &research.Interval{Mid: *pt.Value, Lo: *pt.Value, Hi: *pt.Value}
	case !g.progress.Exact:
		return g.inUnit(pt.OverStart)
	}

	return nil
}

// inUnit is a gain over the start as it is drawn: in the metric's unit where the start's
// value is known. nil stays nil.
func (g *progressGraph) inUnit(gain *research.Interval) *research.Interval {
	if gain == nil || g.progress.Exact {
		return gain
	}
	value, _ := g.progress.InUnit(*gain)

	return &value
}

// isInUnit says whether the axis has the metric's unit, and not gains over the start.
func (g *progressGraph) isInUnit() bool { return g.progress.Exact || g.progress.Start != nil }

func (g *progressGraph) buildPanel() chart.Panel {
	progress := g.progress
	q := chart.Panel{Title: "gain over the start; band: 90 %", X: chart.Axis{Name: "experiment", Unit: chart.Whole,
		Include: []float64{float64(progress.From) - .5, float64(progress.To) + .5}}}

	q.Y = chart.Axis{Robust: true, Log: progress.Exact}
	if len(g.shown) <= whiskersTo {
		q.Title = "gain over the start; band and whiskers: 90 %"
	}

	ofUnit := render.OneLine(progress.Metric.Name, 60)
	if progress.Metric.Unit != "" {
		ofUnit += ", in " + render.OneLine(progress.Metric.Unit, 16)
	}

	switch {
	case progress.Exact:
		q.Title = ofUnit
	case g.isInUnit():
		q.Title = ofUnit + strings.TrimPrefix(q.Title, "gain over the start")
	case progress.Scale == "log":
		q.Y.Unit = chart.Share
	default:
		q.Title += ", in " + cmp.Or(render.OneLine(progress.Metric.Unit, 16), "the metric's unit")
	}

	q.Series = append(g.bestSeries(), g.verdictSeries()...)
	q.Rules = g.buildRules()
	q.Labels = g.buildLabels()

	return q
}

// bestSeries draws the running best with its interval.
func (g *progressGraph) bestSeries() []chart.Series {
	band := chart.Series{Kind: chart.Area, Colour: chart.Ink}

	line := chart.Series{Kind: chart.Steps, Colour: chart.Ink, Name: "incumbent"}
	if !g.progress.Exact {
		line.Name = "head, as " + g.gainKind()
	}
	put := func(x float64, b *research.Interval) {
		if b != nil {
			b = g.inUnit(b)
			line.Points = append(line.Points, chart.Point{X: x, Y: b.Mid})
			band.Points = append(band.Points, chart.Point{X: x, Lo: b.Lo, Hi: b.Hi})
		}
	}

	first := g.shown[0]
	switch older := len(g.progress.Points) - len(g.shown); {
	case older > 0:
		put(float64(first.N)-.5, g.progress.Points[older-1].Best)
	case g.progress.Exact && g.progress.Baseline != nil && first.N == 1:
		put(.5, &research.Interval{Mid: *g.progress.Baseline})
	case !g.progress.Exact && first.N == 1:
		put(.5, &research.Interval{})
	}

	for i := range g.shown {
		put(float64(g.shown[i].N), g.shown[i].Best)
	}

	if g.progress.Exact {
		return []chart.Series{line}
	}

	return []chart.Series{band, line}
}

// verdictSeries are the experiments, a series for each verdict, then the rings
// around those that were kept and those that were rolled back.
func (g *progressGraph) verdictSeries() []chart.Series {
	of := map[string]*chart.Series{}
	var out []*chart.Series

	add := func(name string, s chart.Series) {
		of[name] = &s
		out = append(out, &s)
	}
	for _, l := range verdictMarks {
		add(string(l.verdict), chart.Series{Kind: chart.Marks, Shape: l.shape, Colour: l.colour})
		add(string(l.verdict)+" -", chart.Series{Kind: chart.Marks, Shape: l.shape, Colour: l.colour, Floor: true})
	}
	add("kept", chart.Series{Kind: chart.Marks, Shape: chart.Halo, Colour: chart.Ink})
	add("rolled back", chart.Series{Kind: chart.Marks, Shape: chart.Halo, Colour: chart.Vermillion})

	for i := range g.shown {
		pt := &g.shown[i]

		y := g.pointInterval(pt)
		if y == nil {
			if s := of[string(pt.Verdict)+" -"]; s != nil {
				s.Points = append(s.Points, chart.Point{X: float64(pt.N)})
			}

			continue
		}

		point := chart.Point{X: float64(pt.N), Y: y.Mid, Lo: y.Lo, Hi: y.Hi,
			Span: !g.progress.Exact && len(g.shown) <= whiskersTo}
		if s := of[string(pt.Verdict)]; s != nil {
			s.Points = append(s.Points, point)
		}
		point.Span = false

		switch {
		case pt.Kept:
			of["kept"].Points = append(of["kept"].Points, point)
		case pt.RolledBack:
			of["rolled back"].Points = append(of["rolled back"].Points, point)
		}
	}

	return g.nameSeries(of, out)
}

// nameSeries names the series that have points, with their number, and adds the audit.
func (g *progressGraph) nameSeries(of map[string]*chart.Series, out []*chart.Series) []chart.Series {
	for _, l := range verdictMarks {
		a, b := of[string(l.verdict)], of[string(l.verdict)+" -"]
		if n := len(a.Points) + len(b.Points); len(a.Points) > 0 {
			a.Name = fmt.Sprintf("%s %d", l.verdict, n)
		} else if n > 0 {
			b.Name = fmt.Sprintf("%s %d", l.verdict, n)
		}
	}

	for _, name := range []string{"kept", "rolled back"} {
		if n := len(of[name].Points); n > 0 {
			of[name].Name = fmt.Sprintf("%s %d", name, n)
		}
	}
	var all []chart.Series

	for _, s := range out {
		if len(s.Points) > 0 {
			all = append(all, *s)
		}
	}

	if a := g.progress.Audit; a != nil && !g.progress.Exact && a.After >= g.shown[0].N {
		at := g.inUnit(&a.Gain)
		all = append(all, chart.Series{Name: "audited", Kind: chart.Marks, Shape: chart.Square, Colour: chart.Ink,
			Points: []chart.Point{{X: float64(a.After) + .4, Y: at.Mid, Lo: at.Lo, Hi: at.Hi, Span: true}}})
	}

	return all
}

// buildRules are the start, and where the machine changed.
func (g *progressGraph) buildRules() []chart.Rule {
	var rules []chart.Rule

	switch {
	case g.progress.Start != nil:
		rules = append(rules, chart.Rule{At: *g.progress.Start,
			Text: "start " + render.FormatAmount(*g.progress.Start, g.progress.Metric.Unit), Colour: chart.Faint})
	case !g.progress.Exact:
		rules = append(rules, chart.Rule{Text: "start", Colour: chart.Faint})
	case g.progress.Baseline != nil:
		rules = append(rules, chart.Rule{At: *g.progress.Baseline,
			Text: "start " + render.FormatAmount(*g.progress.Baseline, g.progress.Metric.Unit), Colour: chart.Faint})
	}

	class := 0
	for _, pt := range g.shown {
		if pt.Class > 0 && class > 0 && pt.Class != class {
			rules = append(rules, chart.Rule{At: float64(pt.N) - .5, Vertical: true, Text: "calibrated again",
				Colour: chart.Faint})
		}
		class = max(class, pt.Class)
	}

	return rules
}

// buildLabels are the kept experiments, those with the largest gains first.
func (g *progressGraph) buildLabels() []chart.Label {
	var kept []*view.ProgressPoint

	for i := range g.shown {
		if pt := &g.shown[i]; pt.Kept && g.pointInterval(pt) != nil {
			kept = append(kept, pt)
		}
	}
	slices.SortStableFunc(kept, func(a, b *view.ProgressPoint) int {
		return -cmp.Compare(gainMiddle(a.Gain), gainMiddle(b.Gain))
	})

	var out []chart.Label
	for _, pt := range kept[:min(len(kept), labelled)] {
		out = append(out, chart.Label{X: float64(pt.N), Y: g.pointInterval(pt).Mid,
			Text: fmt.Sprintf("%d %s", pt.N, render.OneLine(pt.Hypothesis, 120))})
	}

	return out
}

func gainMiddle(g *research.Interval) float64 {
	if g == nil {
		return 0
	}

	return g.Mid
}

func (g *progressGraph) subtitleText(metric contract.Metric) string {
	progress := g.progress
	kept := 0

	for _, pt := range progress.Points {
		if pt.Kept {
			kept++
		}
	}

	s := fmt.Sprintf("%s, %d kept", wording.Count(progress.Total, "experiment"), kept)
	if progress.From > 1 {
		s = fmt.Sprintf("experiments %d to %d of %d", progress.From, progress.To, progress.Total)
	}

	switch {
	case progress.Exact && progress.Best != nil && progress.Baseline != nil:
		return s + ": " + metric.Words(progress.Scale).FormatFromTo(*progress.Baseline, *progress.Best)
	case progress.Audit != nil:
		return s + "; " + describeAudit(progress.Audit) + " " + g.formatOverStart(progress.Audit.Gain)
	case progress.Gain != nil && progress.Gain.Interval != (research.Interval{}):
		return s + "; " + g.describeTotal() + " " + g.formatOverStart(progress.Gain.Interval)
	}

	return s
}

// formatOverStart is a gain over the start, with the values where the start's is known.
func (g *progressGraph) formatOverStart(gain research.Interval) string {
	words := contract.Metric{Unit: g.progress.Metric.Unit, Better: g.progress.Metric.Better}.Words(g.progress.Scale)
	return words.FormatChange(words.Over(cmp.Or(g.progress.Start, g.progress.Baseline), gain))
}

// gainKind says whether all of the gain is proven, edit by edit or by
// certificates, or some of it only claimed.
func (g *progressGraph) gainKind() string {
	if t := g.progress.Gain; t != nil && t.Certified != nil && *t.Certified == t.Interval {
		return "proven"
	}

	return "claimed"
}

// describeTotal says of which kind the whole gain is.
func (g *progressGraph) describeTotal() string {
	if g.gainKind() == "proven" {
		return "proven over the start:"
	}

	return "claimed over the start:"
}

// describeAudit says what an audit is of.
func describeAudit(a *view.ProgressAudit) string {
	if a.Branch != "" {
		return a.Branch + " over the start, audited:"
	}

	return "audited over the start:"
}

func (g *progressGraph) footText() string {
	text := "A ring is what was kept. Claims of single edits run high, since each was selected; an audit says what is true."
	if g.progress.Exact {
		text = "A ring is what was kept. Marks on the floor have no value."
	}

	return text + describeEarlier(g.progress.Earlier)
}

// describeEarlier says how many experiments another metric measured, "" for none.
func describeEarlier(n int) string {
	if n == 0 {
		return ""
	}

	return fmt.Sprintf(" Experiments before x%d were measured by another metric and are left out.", n+1)
}

// buildAnswer tells in numbers what is drawn.
func (g *progressGraph) buildAnswer(metric contract.Metric) render.Answer {
	progress := g.progress

	fields := []render.Field{{Key: "kind", Val: "progress"},
		{Key: "metric", Val: render.MetricText(metric), Line: render.MetricText(metric)}, render.ShortFact("standing",
			"", progress.Standing), render.MetricValue("baseline", "at the start: ", progress.Baseline, metric.Unit),
		render.MetricValue("best",
			"best: ", progress.Best, metric.Unit)}
	if progress.Gain != nil {
		fields = append(fields, render.Field{Key: "gain", Val: roundInterval(progress.Gain.Interval),
			Line: g.describeTotal() + " " + g.formatOverStart(progress.Gain.Interval)})
	}

	if progress.Audit != nil {
		field := render.Field{Key: "audited", Val: roundInterval(progress.Audit.Gain)}
		if progress.Exact && progress.Audit.Branch != "" { // of a noisy metric the standing says it
			field.Line = describeAudit(progress.Audit) + " " + g.formatOverStart(progress.Audit.Gain)
		}

		fields = append(fields, field)
	}

	about, write := "gains over the start", func(v float64) string {
		return metric.Words(progress.Scale).FormatAmount(v)
	}
	if g.isInUnit() {
		about, write = "values", func(v float64) string { return render.FormatAmount(v, metric.Unit) }
	}
	fields = append(fields, render.Field{Key: "from", Val: progress.From}, render.Field{Key: "to", Val: progress.To},
		render.Field{Key: "total", Val: progress.Total})
	var values []float64
	counts := map[research.Verdict]int{}

	for i := range g.shown {
		if y := g.pointInterval(&g.shown[i]); y != nil {
			values = append(values, y.Mid)
		}

		counts[g.shown[i].Verdict]++
	}
	words := ""

	for _, l := range verdictMarks {
		if n := counts[l.verdict]; n > 0 {
			words += fmt.Sprintf(", %d %s", n, l.verdict)
		}
	}

	fields = append(fields, render.Field{Key: "counts", Val: words[min(2, len(words)):],
		Line: fmt.Sprintf("experiments %d to %d of %d", progress.From, progress.To, progress.Total) + words},
		seriesField("values", values, about, write), g.listKept())

	return render.BuildAnswer(render.Limit, append(fields, render.NextStep("read_log{view:\"table\"} for the rows"))...)
}

// listKept lists the kept experiments, the newest first; the last of them are left
// out where the answer is too long.
func (g *progressGraph) listKept() render.Field {
	field := render.Field{Key: "kept"}
	for i := len(g.progress.Points) - 1; i >= 0 && len(field.List) < 40; i-- {
		pt := &g.progress.Points[i]
		if !pt.Kept {
			continue
		}

		r := PlotRow{N: pt.N, Value: pt.Value, Hypothesis: render.OneLine(pt.Hypothesis, 60)}
		if pt.Gain != nil {
			r.Gain = &render.RoundShort([]float64{pt.Gain.Mid})[0]
		}
		field.List = append(field.List,
			render.Item{Val: r, Line: fmt.Sprintf("kept: %d | %s | %s", pt.N, cmp.Or(pt.Result, "-"), r.Hypothesis)})
	}

	return field
}

func roundInterval(g research.Interval) research.Interval {
	s := render.RoundShort([]float64{g.Mid, g.Lo, g.Hi})
	return research.Interval{Mid: s[0], Lo: s[1], Hi: s[2]}
}
