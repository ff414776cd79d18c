package tools

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"ratchet/internal/chart"
	"ratchet/internal/checkout"
	"ratchet/internal/view"
)

// Kinds are what can be drawn.
var Kinds = []string{"progress", "noise", "budget", "gpu", "families"}

const (
	plotDefault = 200
	plotMost    = 1000
	runsOfOne   = 5 // runs that are looked at for one experiment of size
	imageMost   = 100 << 10
)

// Plot is a drawing with its numbers.
type Plot struct {
	Figure  chart.Figure
	Numbers any    // the whole series
	Answer  Answer // the same in at most Limit bytes, without an image
}

// ReadPlot reads what a kind of plot shows of the newest size experiments (0: 200).
func ReadPlot(ctx context.Context, l *checkout.Checkout, kind string, size int) (*Plot, error) {
	size = cmp.Or(size, plotDefault)

	switch kind {
	case "progress":
		return readAndDraw(ctx, l, size, view.ReadProgress, PlotProgress)
	case "noise":
		return readAndDraw(ctx, l, size*runsOfOne, view.ReadNoise, PlotNoise)
	case "budget":
		return readAndDraw(ctx, l, size*runsOfOne, view.ReadSpending, PlotBudget)
	case "gpu":
		return readAndDraw(ctx, l, size*runsOfOne, view.ReadGPUs, PlotGPU)
	case "families":
		return readAndDraw(ctx, l, size, view.ReadFamilies, PlotFamilies)
	}

	return nil, oneOf("kind", kind, Kinds...)
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

// Drawn is the answer with its image, if there is anything to see.
func (p *Plot) Drawn() (Answer, error) {
	a := p.Answer
	if p.Figure.Empty != "" {
		return a, nil
	}

	png, err := chart.Draw(p.Figure, chart.Options{})
	if err != nil {
		return Answer{}, err
	}

	if len(png) <= imageMost { // what is larger is left out: clients refuse whole answers for it
		a.PNG = png
	}

	if chart.Lacks(p.Figure) {
		a.addRemark("picture", "in the picture … stands for letters that its font lacks; they are whole here")
	}

	return a, nil
}

// addRemark adds a fact to an answer that is built, where there is room for it.
func (a *Answer) addRemark(key, s string) {
	body := bytes.TrimSuffix(a.Structured, []byte("}"))
	added := append(slices.Clip(body), fmt.Sprintf(`,%s:%s}`, encodeJSON(key), encodeJSON(s))...)

	at := len(a.ForPerson())
	if text := a.Text[:at] + "\n" + s + a.Text[at:]; len(text) <= Limit && len(added) <= Limit {
		a.Text, a.Structured = text, added
	}
}

// emptyPlot is the plot of a kind that has no data yet.
func emptyPlot(kind, title, why string) *Plot {
	return &Plot{Figure: chart.Figure{Title: title, Empty: why},
		Answer: buildAnswer(Limit, field{key: "kind", val: kind}, shortFact("text", "", why), nextStep("read_log{}"))}
}

// seriesField is a series as one line of characters, its numbers written by write.
// Of a value far off the line says how far; the characters are for the others.
func seriesField(key string, vs []float64, about string, write func(float64) string) field {
	vs = roundShort(vs)
	if len(vs) == 0 {
		return field{}
	}
	lo, hi := slices.Min(vs), slices.Max(vs)
	f := field{key: key, val: vs[max(0, len(vs)-60):]}
	from, to := chart.Reach(vs)

	drawn := thinOut(vs, 100)
	for i, v := range drawn {
		drawn[i] = min(max(v, from), to)
	}
	f.line = fmt.Sprintf("%s, low %s, high %s:\n%s", about, write(lo), write(hi), sparkline(drawn))

	return f
}

// thinOut is at most n of the values, evenly.
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
