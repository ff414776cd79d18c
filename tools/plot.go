package tools

import (
	"context"
	"encoding/json"

	"ratchet/internal/plots"
	"ratchet/internal/render"
	"ratchet/internal/research"
)

type plotIn struct {
	Kind string `json:"kind" jsonschema:"enum=progress,enum=noise,enum=budget,enum=gpu,enum=families"`
	Size int    `json:"size,omitempty" jsonschema_description:"newest experiments, default 200"`
}

type plotOut struct {
	Kind     string            `json:"kind"`
	Metric   string            `json:"metric"`
	Standing string            `json:"standing"`
	Baseline float64           `json:"baseline"`
	Best     float64           `json:"best"`
	Gain     research.Interval `json:"gain"`    // claimed over the start; of a noisy metric
	Audited  research.Interval `json:"audited"` // gain over the start
	From     int               `json:"from"`    // the first experiment that is drawn
	To       int               `json:"to"`      // the last one
	Total    int               `json:"total"`   // experiments, or runs, that there are
	Counts   string            `json:"counts"`
	// what is drawn, oldest first: values, of a noisy metric gains over the start; of noise the
	// calibration's; of gpu the mean utilisation in percent
	Values   []float64         `json:"values"`
	Kept     []plots.PlotRow   `json:"kept"`
	Noise    float64           `json:"noise"` // standard deviation of one paired difference
	Drift    float64           `json:"drift"` // of repeats, the later half's mean over the earlier half's
	Budget   []plots.SpentRow  `json:"budget"`
	Joules   float64           `json:"joules"` // of the runs that are drawn
	Families []plots.FamilyRow `json:"families"`
	Text     string            `json:"text"`    // why nothing is drawn
	Picture  string            `json:"picture"` // what the image can't show
	Next     string            `json:"next"`
}

var plot = Tool{
	Name:      "plot",
	About:     "Draw the campaign: an image, and the numbers as text.",
	Arguments: plotIn{}, Answers: plotOut{}, ReadOnly: true, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[plotIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		if err := render.OneOf("kind", in.Kind, plots.Kinds...); err != nil {
			return render.Answer{}, err
		}

		if in.Size < 0 || in.Size > plots.PlotMost {
			return render.Answer{}, render.Refuse("give 1 to 1000", "size can't be %d", in.Size)
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		p, err := plots.ReadPlot(ctx, l, in.Kind, in.Size)
		if err != nil {
			return render.Answer{}, err
		}

		return p.AnswerWithImage()
	},
}
