package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ratchet/internal/lab"
	"ratchet/internal/research"
)

type plotIn struct {
	Kind string `json:"kind" jsonschema:"enum=progress,enum=noise,enum=gpu"`
	Size int    `json:"size,omitempty" jsonschema_description:"points, default 60"`
}

type plotOut struct {
	Kind     string    `json:"kind"`
	Baseline float64   `json:"baseline"`
	Best     float64   `json:"best"`
	From     int       `json:"from"`
	To       int       `json:"to"`
	Values   []float64 `json:"values"`
	Kept     []row     `json:"kept"`
	Noise    float64   `json:"noise"`
	Text     string    `json:"text"`
	Next     string    `json:"next"`
}

const imagesLater = "drawn with characters; images come with a later version"

var plot = Tool{
	Name:      "plot",
	About:     "Draw progress (last experiments' values, what was kept) or noise (repeats of one version).",
	Arguments: plotIn{}, Answers: plotOut{}, ReadOnly: true, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (Answer, error) {
		in, err := decode[plotIn](args)
		if err != nil {
			return Answer{}, err
		}
		if err := oneOf("kind", in.Kind, "progress", "noise", "gpu"); err != nil {
			return Answer{}, err
		}
		if in.Size < 0 || in.Size > maxRows {
			return Answer{}, refuse("give 1 to 100", "size can't be %d", in.Size)
		}
		if in.Size == 0 {
			in.Size = 60
		}
		if in.Kind == "gpu" {
			text := "there are no GPU measurements; they come with a later version"
			return build(Limit, field{key: "kind", val: "gpu"}, one("text", "", text), next(`plot{kind:"progress"}`)), nil
		}
		l, err := e.Open(ctx)
		if err != nil {
			return Answer{}, err
		}
		b, err := l.Brief(ctx)
		if err != nil {
			return Answer{}, err
		}
		if in.Kind == "noise" {
			return RenderNoise(b, in.Size), nil
		}
		p, err := l.Experiments(ctx, lab.Query{Limit: in.Size})
		if err != nil {
			return Answer{}, err
		}
		return RenderProgress(b, p), nil
	},
}

// RenderProgress draws the values of a page of experiments, oldest first.
func RenderProgress(b *lab.Brief, p *lab.Page) Answer {
	m := b.Campaign.Program.Metric
	xs := slices.Clone(p.Experiments)
	slices.Reverse(xs)
	var values []float64
	var marks strings.Builder
	kept := field{key: "kept"}
	for i := range xs {
		x := &xs[i]
		if x.Judgement == nil || x.Judgement.Value == nil {
			continue
		}
		values = append(values, *x.Judgement.Value)
		mark := " "
		if x.Status == research.Kept {
			mark = "k"
			kept.list = append(kept.list, rowOf(x, 60))
		}
		marks.WriteString(mark)
	}
	slices.Reverse(kept.list) // the newest stay longest
	fields := []field{{key: "kind", val: "progress", line: metric(m)},
		value("baseline", "at the start: ", b.Baseline, m.Unit), value("best", "best: ", b.Best, m.Unit)}
	if len(values) > 0 {
		lo, hi := slices.Min(values), slices.Max(values)
		fields = append(fields,
			field{key: "from", val: xs[0].N}, field{key: "to", val: xs[len(xs)-1].N},
			field{key: "values", val: short(values), line: fmt.Sprintf("experiments %d to %d with a value, low %s, high %s, k = kept:\n%s\n%s",
				xs[0].N, xs[len(xs)-1].N, num(lo), num(hi), sparkline(values), strings.TrimRight(marks.String(), " "))}, kept)
	}
	return build(Limit, append(fields, one("text", "", imagesLater), next(b.Next))...)
}

// RenderNoise draws what repeats of one version gave.
func RenderNoise(b *lab.Brief, size int) Answer {
	r := b.Campaign.Rule
	fields := []field{{key: "kind", val: "noise", line: metric(b.Campaign.Program.Metric) + ", " + string(r.Class)}}
	if r.S > 0 {
		fields = append(fields, field{key: "noise", val: r.S, line: "spread of one paired difference: " + strings.TrimPrefix(gainText(&research.Interval{Mid: r.S}, r.Scale), "+")})
	}
	if vs := short(r.Values[max(0, len(r.Values)-size):]); len(vs) > 0 {
		fields = append(fields, field{key: "values", val: vs, line: "repeats of the start version: " + numbers(vs, 40) + "\n" + sparkline(vs)})
	}
	return build(Limit, append(fields, one("text", "", imagesLater), next(`measure_metric{target:"incumbent"} for fresh repeats`))...)
}
