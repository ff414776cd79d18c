package plots

import (
	"fmt"
	"math"

	"ratchet/internal/chart"
	"ratchet/internal/render"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// PlotGPU draws what runs did on their GPUs.
func PlotGPU(s *view.GPUSeries) *Plot {
	title := render.OneLine(s.Campaign, 48) + ": GPU use of runs"
	if len(s.Points) == 0 {
		why := fmt.Sprintf("no GPU was used by the last %s", wording.Count(s.Runs, "run"))
		if s.Leases == 0 {
			why += "; program.md asks for none (`gpus`)"
		}

		return emptyPlot("gpu", title, why)
	}
	util := chart.Series{Name: "mean utilisation of a run, up to the most at one look", Kind: chart.Marks,
		Shape: chart.Dot, Colour: chart.Blue}
	energy := chart.Series{Name: "energy of a run", Kind: chart.Stems, Colour: chart.Orange}
	memory := chart.Series{Name: "most memory held", Kind: chart.Marks, Shape: chart.Square, Colour: chart.Green}
	joules, seconds, known := 0.0, 0.0, 0
	var means []float64

	for i, p := range s.Points {
		x := float64(i + 1)

		seconds += p.Seconds
		if p.MeanUtil != nil {
			top := *p.MeanUtil
			if p.MaxUtil != nil {
				top = math.Max(top, *p.MaxUtil)
			}
			means = append(means, *p.MeanUtil)
			util.Points = append(util.Points,
				chart.Point{X: x, Y: *p.MeanUtil / 100, Lo: *p.MeanUtil / 100, Hi: top / 100, Span: true})
		}

		if p.Joules != nil {
			joules, known = joules+*p.Joules, known+1
			energy.Points = append(energy.Points, chart.Point{X: x, Y: *p.Joules / 1000})
		}

		if p.PeakMemory > 0 {
			memory.Points = append(memory.Points, chart.Point{X: x, Y: float64(p.PeakMemory) / (1 << 30)})
		}
	}
	panels := gpuPanels(util, energy, memory, wording.Count(len(s.Points), "run"))
	words := fmt.Sprintf("%s, %.3g GPU-h", wording.Count(len(s.Points), "run"), seconds/3600)
	fields := []render.Field{{Key: "kind", Val: "gpu"}, {Key: "total", Val: s.Total}}

	if known > 0 {
		words += fmt.Sprintf(", %s of energy", formatEnergy(joules))
		fields = append(fields, render.Field{Key: "joules", Val: render.RoundShort([]float64{joules})[0]})
	}

	fields = append(fields, render.Field{Key: "counts", Val: words, Line: words},
		seriesField("values", means, "mean utilisation of each run",
			func(v float64) string { return render.FormatAmount(v, "%") }))

	figure := chart.Figure{Title: title, Subtitle: words, Panels: panels,
		Foot: "Looked at every half second; energy is of the devices' own counters, for all processes that used them."}
	if len(panels) == 0 {
		figure.Empty = "the driver told neither utilisation nor energy of these runs"
		fields = append(fields, render.ShortFact("text", "", figure.Empty))
	}

	return &Plot{Figure: figure, Answer: render.BuildAnswer(render.Limit,
		append(fields, render.NextStep("read_log{view:\"table\"}"))...)}
}

// gpuPanels returns the panels whose series have points.
func gpuPanels(util, energy, memory chart.Series, runs string) (out []chart.Panel) {
	x := chart.Axis{Unit: chart.Whole}
	for _, panel := range []chart.Panel{
		{Title: "utilisation: time in which some kernel ran", X: x,
			Y: chart.Axis{Unit: chart.Share, Include: []float64{0, 1}}, Series: []chart.Series{util}},
		{Title: "energy, in kJ, of the whole devices", X: x, Y: chart.Axis{Include: []float64{0}},
			Series: []chart.Series{energy}},
		{Title: "memory, in GiB", X: x, Y: chart.Axis{Include: []float64{0}}, Series: []chart.Series{memory}},
	} {
		if len(panel.Series[0].Points) > 0 {
			out = append(out, panel)
		}
	}

	if n := len(out); n > 0 {
		out[n-1].X.Name = "the last " + runs + " on GPUs"
	}

	return out
}

func formatEnergy(joules float64) string {
	if wh := joules / 3600; wh >= 1000 {
		return fmt.Sprintf("%.3g kWh", wh/1000)
	}

	return fmt.Sprintf("%.3g Wh", joules/3600)
}
