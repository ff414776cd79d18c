package tools

import (
	"context"
	"encoding/json"

	"ratchet/internal/job"
	"ratchet/internal/lab"
	"ratchet/internal/render"
)

type waitIn struct {
	ID   ref      `json:"id,omitempty" jsonschema_description:"x7, c1 or m2; default: your latest"`
	Wait *float64 `json:"wait_seconds,omitempty" jsonschema_description:"0 to 50, default 45"`
}

var waitRun = Tool{
	Name:      "wait_run",
	About:     "Wait for a run (experiment, calibration, measurement) of any session; answers like run_experiment. Status running: call it again.",
	Arguments: waitIn{}, Answers: job.Outcome{}, Idempotent: true, Waits: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[waitIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		wait, err := waitTime(in.Wait)
		if err != nil {
			return render.Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		o, err := lab.Wait(ctx, l, job.WaitRequest{ID: string(in.ID), Wait: wait}, e.progress())
		if err != nil {
			return render.Answer{}, err
		}

		return RenderOutcome(o), nil
	},
}
