package plots

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ratchet/internal/chart"
	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/view"
)

// Kinds are what can be drawn.
var Kinds = []string{"progress", "noise", "budget", "gpu", "families"}

const (
	plotDefault = 200
	PlotMost    = 1000
	runsOfOne   = 5 // runs that are looked at for one experiment of size
	imageMost   = 100 << 10
)

// Plot is a drawing with its numbers.
type Plot struct {
	Figure  chart.Figure
	Numbers any           // the whole series
	Answer  render.Answer // the same in at most Limit bytes, without an image
}

// ReadPlot reads what a kind of plot shows of the newest size experiments (0: 200).
func ReadPlot(ctx context.Context, co *checkout.Checkout, kind string, size int) (*Plot, error) {
	size = cmp.Or(size, plotDefault)

	switch kind {
	case "progress":
		return readAndDraw(ctx, co, size, view.ReadProgress, PlotProgress)
	case "noise":
		return readAndDraw(ctx, co, size*runsOfOne, view.ReadNoise, PlotNoise)
	case "budget":
		return readAndDraw(ctx, co, size*runsOfOne, view.ReadSpending, PlotBudget)
	case "gpu":
		return readAndDraw(ctx, co, size*runsOfOne, view.ReadGPUs, PlotGPU)
	case "families":
		return readAndDraw(ctx, co, size, view.ReadFamilies, PlotFamilies)
	}

	return nil, render.OneOf("kind", kind, Kinds...)
}

func readAndDraw[T any](
	ctx context.Context, co *checkout.Checkout, limit int,
	get func(context.Context, *checkout.Checkout, int) (*T, error), draw func(*T) *Plot,
) (*Plot, error) {
	s, err := get(ctx, co, limit)
	if err != nil {
		return nil, err
	}
	p := draw(s)
	p.Numbers = s

	return p, nil
}

// AnswerWithImage returns the answer with its image, if there is anything to see.
func (p *Plot) AnswerWithImage() (render.Answer, error) {
	answer := p.Answer
	if p.Figure.Empty != "" {
		return answer, nil
	}

	png, err := chart.Draw(p.Figure, chart.Options{})
	if err != nil {
		return render.Answer{}, err
	}

	if len(png) <= imageMost { // what is larger is left out: clients refuse whole answers for it
		answer.PNG = png
	}

	if chart.LacksLetters(p.Figure) {
		answer.AddRemark("picture", "in the picture … stands for letters that its font lacks; they are whole here")
	}

	return answer, nil
}

// emptyPlot returns the plot of a kind that has no data yet.
func emptyPlot(kind, title, why string) *Plot {
	return &Plot{Figure: chart.Figure{Title: title, Empty: why},
		Answer: render.BuildAnswer(render.Limit, render.Field{Key: "kind", Val: kind},
			render.ShortFact("text", "", why), render.NextStep("read_log{}"))}
}

// seriesField is a series as one line of characters, its numbers written by write.
// Of a value far off the line says how far; the characters are for the others.
func seriesField(key string, vs []float64, about string, write func(float64) string) render.Field {
	vs = render.RoundShort(vs)
	if len(vs) == 0 {
		return render.Field{}
	}
	lo, hi := slices.Min(vs), slices.Max(vs)
	field := render.Field{Key: key, Val: vs[max(0, len(vs)-60):]}
	from, to := chart.RobustRange(vs)

	drawn := thinOut(vs, 100)
	for i, v := range drawn {
		drawn[i] = min(max(v, from), to)
	}
	field.Line = fmt.Sprintf("%s, low %s, high %s:\n%s", about, write(lo), write(hi), render.Sparkline(drawn))

	return field
}

// thinOut returns at most n of the values, evenly.
func thinOut(vs []float64, n int) []float64 {
	if len(vs) <= n {
		return slices.Clone(vs)
	}

	out := make([]float64, n)
	for i := range out {
		out[i] = vs[i*(len(vs)-1)/(n-1)]
	}

	return out
}
