package tools

import (
	"context"
	"encoding/json"

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
	Values   []float64         `json:"values"` // what is drawn, oldest first: values, of a noisy metric gains over the start; of noise the calibration's; of gpu the mean utilisation in percent
	Kept     []plotRow         `json:"kept"`
	Noise    float64           `json:"noise"` // standard deviation of one paired difference
	Drift    float64           `json:"drift"` // of repeats, the later half's mean over the earlier half's
	Budget   []spentRow        `json:"budget"`
	Joules   float64           `json:"joules"` // of the runs that are drawn
	Families []familyRow       `json:"families"`
	Text     string            `json:"text"`    // why nothing is drawn
	Picture  string            `json:"picture"` // what the image can't show
	Next     string            `json:"next"`
}

// spentRow is a part of the budget in a drawing's numbers.
type spentRow struct {
	Of    string  `json:"of"` // experiments, hours of runs, gpu_hours
	Spent float64 `json:"spent"`
	Limit float64 `json:"limit"` // 0: none
}

// plotRow is a kept experiment in a drawing's numbers.
type plotRow struct {
	N          int      `json:"n"`
	Value      *float64 `json:"value,omitempty"`
	Gain       *float64 `json:"gain,omitempty"` // over the incumbent of then
	Hypothesis string   `json:"hypothesis"`
}

var plot = Tool{
	Name:      "plot",
	About:     "Draw the campaign: an image, and the numbers as text.",
	Arguments: plotIn{}, Answers: plotOut{}, ReadOnly: true, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (Answer, error) {
		in, err := decode[plotIn](args)
		if err != nil {
			return Answer{}, err
		}

		if err := oneOf("kind", in.Kind, Kinds...); err != nil {
			return Answer{}, err
		}

		if in.Size < 0 || in.Size > plotMost {
			return Answer{}, refuse("give 1 to 1000", "size can't be %d", in.Size)
		}

		l, err := e.Open(ctx)
		if err != nil {
			return Answer{}, err
		}

		p, err := ReadPlot(ctx, l, in.Kind, in.Size)
		if err != nil {
			return Answer{}, err
		}

		return p.Drawn()
	},
}
