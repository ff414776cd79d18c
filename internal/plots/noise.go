package plots

import (
	"cmp"
	"fmt"

	"ratchet/internal/chart"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// PlotNoise draws what repeats of one version gave: at calibration, in the
// differences of pairs, and over time.
func PlotNoise(series *view.NoiseSeries) *Plot {
	metric := contract.Metric{Name: series.Metric.Name, Unit: series.Metric.Unit, Better: series.Metric.Better}

	title := render.OneLine(series.Campaign, 48) + ": noise of " + render.OneLine(metric.Name, 60)
	if series.Noise == "" {
		return emptyPlot("noise", title, "the campaign is not calibrated yet")
	}
	early, late, drifted := measureDrift(series.Drift)
	fields := []render.Field{{Key: "kind", Val: "noise"},
		{Key: "metric", Val: render.MetricText(metric), Line: render.MetricText(metric) + ", " + string(series.Noise)}}

	sub := string(series.Noise)
	if series.Spread > 0 {
		sub = "spread of one paired difference: " + formatDeviation(series.Spread, series)
		fields = append(fields, render.Field{Key: "noise", Val: render.RoundShort([]float64{series.Spread})[0],
			Line: sub})
	}

	if len(series.Values) > 0 {
		fields = append(fields, seriesField("values", series.Values, "repeats of the start version",
			func(v float64) string { return render.FormatAmount(v, series.Metric.Unit) }))
	}

	if drifted {
		d := late - early
		words := fmt.Sprintf("drift: %s repeats of incumbents, the later half %s against the earlier",
			render.FormatNumber(float64(len(series.Drift))), formatSignedDeviation(d, series))
		fields = append(fields, render.Field{Key: "drift", Val: render.RoundShort([]float64{d})[0], Line: words})
		sub += "; later repeats " + formatSignedDeviation(d, series) + " against earlier ones"
	}

	fields = append(fields, render.Field{Key: "total", Val: series.Total,
		Line: fmt.Sprintf("looked at %d of %s", series.Runs, wording.Count(series.Total, "run"))})

	figure := chart.Figure{Title: title, Subtitle: sub, Panels: noisePanels(series),
		Foot: "The rule reckons with the spread; drift is cancelled by running both versions of a pair in turn."}
	if len(figure.Panels) == 0 || series.Noise == research.Deterministic && len(series.Drift) == 0 &&
		areAllZero(series.Calibration) {
		figure.Empty = "deterministic: every repeat gave the same value, one run shows any difference"
		fields = append(fields, render.ShortFact("text", "", figure.Empty))
	}

	return &Plot{Figure: figure, Answer: render.BuildAnswer(render.Limit,
		append(fields, render.NextStep(`measure_metric{target:"incumbent"} for fresh repeats`))...)}
}

func areAllZero(vs []float64) bool {
	for _, v := range vs {
		if v != 0 {
			return false
		}
	}

	return true
}

// formatDeviation writes a deviation in the words of its scale.
func formatDeviation(v float64, s *view.NoiseSeries) string {
	words := contract.Metric{Unit: s.Metric.Unit, Better: s.Metric.Better}.Words(s.Scale)
	if v < 0 {
		return "-" + words.FormatSpread(-v)
	}

	return words.FormatSpread(v)
}

func formatSignedDeviation(v float64, series *view.NoiseSeries) string {
	if v > 0 {
		return "+" + formatDeviation(v, series)
	}

	return formatDeviation(v, series)
}

// measureDrift returns the mean deviation of the earlier and of the later half.
func measureDrift(ps []view.DriftPoint) (early, late float64, ok bool) {
	n := len(ps) / 2
	if n < 3 {
		return 0, 0, false
	}

	for i, p := range ps {
		if i < n {
			early += p.Deviation / float64(n)
		} else {
			late += p.Deviation / float64(len(ps)-n)
		}
	}

	return early, late, true
}

func noisePanels(series *view.NoiseSeries) []chart.Panel {
	y := chart.Axis{Unit: chart.Share, Robust: true, Include: []float64{0}}

	unit := ""
	if research.IsLinear(series.Scale) {
		y.Unit, unit = chart.Number, ", in "+cmp.Or(render.OneLine(series.Metric.Unit, 16), "the metric's unit")
	}
	var out []chart.Panel

	if len(series.Calibration) > 0 {
		panel := chart.Panel{Title: "last calibration: each run against their median" + unit,
			X: chart.Axis{Name: "run", Unit: chart.Whole}, Y: y}
		panel.Series = []chart.Series{{Kind: chart.Marks, Shape: chart.Dot, Colour: chart.Blue,
			Points: numberPoints(series.Calibration)}}
		panel.Rules = []chart.Rule{{Colour: chart.Faint}}
		out = append(out, panel)
	}

	if len(series.Residuals) > 0 {
		q := chart.Panel{Title: "residuals of paired differences, newest last; dashed: one spread" + unit,
			X: chart.Axis{Name: "pair", Unit: chart.Whole}, Y: y}
		q.Series = []chart.Series{{Kind: chart.Stems, Colour: chart.Orange, Points: numberPoints(series.Residuals)}}
		q.Rules = []chart.Rule{{At: series.Spread, Colour: chart.Faint}, {At: -series.Spread, Colour: chart.Faint}}
		out = append(out, q)
	}

	if len(series.Drift) > 0 {
		calm := chart.Series{Name: "repeat of an incumbent", Kind: chart.Marks, Shape: chart.Dot, Colour: chart.Green}
		busy := chart.Series{Name: "contended", Kind: chart.Marks, Shape: chart.Cross, Colour: chart.Vermillion}

		for _, p := range series.Drift {
			pt := chart.Point{X: p.At.Sub(series.Drift[0].At).Hours(), Y: p.Deviation}
			if p.Contended {
				busy.Points = append(busy.Points, pt)
			} else {
				calm.Points = append(calm.Points, pt)
			}
		}
		out = append(out,
			chart.Panel{Title: "over time: runs of incumbents against the median of the same version" + unit,
				X: chart.Axis{Name: "since " + series.Drift[0].At.UTC().Format("2 Jan 15:04 MST"), Unit: chart.Hours},
				Y: y, Series: []chart.Series{calm, busy}, Rules: []chart.Rule{{Colour: chart.Faint}}})
	}

	return out
}

// numberPoints returns the values as points at 1, 2, 3 …
func numberPoints(vs []float64) []chart.Point {
	out := make([]chart.Point, len(vs))
	for i, v := range vs {
		out[i] = chart.Point{X: float64(i + 1), Y: v}
	}

	return out
}
