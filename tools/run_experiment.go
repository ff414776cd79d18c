package tools

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"ratchet/internal/job"
	"ratchet/internal/lab"
	"ratchet/internal/render"
)

type runIn struct {
	Hypothesis string   `json:"hypothesis" jsonschema_description:"what you changed and why it should help"`
	Expect     string   `json:"expect,omitempty" jsonschema_description:"gain you expect, such as 3 %"`
	Idea       string   `json:"idea,omitempty" jsonschema_description:"id of the idea tested"`
	Wait       *float64 `json:"wait_seconds,omitempty" jsonschema_description:"0 to 50, default 45"`
}

var runExperiment = Tool{
	Name: "run_experiment",
	About: "Measure the edited file as one experiment: commits a snapshot, runs it under the budget against the incumbent, answers with the verdict and the next step. " +
		"Status running: call wait_run. Reverts your earlier undecided experiment; keep or revert an improved one first.",
	Arguments: runIn{}, Answers: job.Outcome{}, Waits: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[runIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		wait, err := waitTime(in.Wait)
		if err != nil {
			return render.Answer{}, err
		}

		if strings.TrimSpace(in.Hypothesis) == "" {
			return render.Answer{}, render.Refuse("say in one sentence what you changed and why it should help",
				"the hypothesis is empty")
		}

		if err := errors.Join(checkText("hypothesis", in.Hypothesis), checkText("expect", in.Expect),
			checkText("idea", in.Idea)); err != nil {
			return render.Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}
		req := lab.ExperimentRequest{Hypothesis: in.Hypothesis, Expect: in.Expect, Idea: in.Idea, Wait: wait}

		o, err := lab.RunExperiment(ctx, l, req, e.progress())
		if err != nil {
			return render.Answer{}, err
		}

		return RenderOutcome(o), nil
	},
}
