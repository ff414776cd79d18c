package tools

import (
	"context"
	"encoding/json"

	"ratchet/internal/job"
	"ratchet/internal/lab"
	"ratchet/internal/render"
)

const maxRuns = 100

type measureIn struct {
	Target ref      `json:"target" jsonschema_description:"incumbent, start, an experiment's number or a commit"`
	Runs   *int     `json:"runs,omitempty" jsonschema_description:"of each, default 5; 0: tells which gain runs could show"`
	With   ref      `json:"paired_with,omitempty" jsonschema_description:"version to compare with, interleaved"`
	Wait   *float64 `json:"wait_seconds,omitempty" jsonschema_description:"0 to 50, default 45"`
}

var measureMetric = Tool{
	Name:      "measure_metric",
	About:     "Run a version several times for its value and noise, or two for their difference. Costs run time; changes no verdict.",
	Arguments: measureIn{}, Answers: job.Outcome{}, Waits: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[measureIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		wait, err := waitTime(in.Wait)
		if err != nil {
			return render.Answer{}, err
		}

		if in.Target == "" {
			return render.Answer{}, render.Refuse("name incumbent, start, an experiment's number or a commit",
				"the target is empty")
		}

		runs := 5
		if in.Runs != nil {
			runs = *in.Runs
		}

		if runs < 0 || runs > maxRuns {
			return render.Answer{}, render.Refuse("give 0 to 100", "runs can't be %d", runs)
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}
		req := lab.MeasureRequest{Target: string(in.Target), With: string(in.With), Runs: runs, Wait: wait}

		o, err := lab.Measure(ctx, l, req, e.progress())
		if err != nil {
			return render.Answer{}, err
		}

		return RenderOutcome(o), nil
	},
}
