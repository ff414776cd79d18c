package tools

import (
	"context"
	"encoding/json"

	"ratchet/internal/job"
	"ratchet/internal/lab"
)

type stopIn struct {
	ID ref `json:"id,omitempty" jsonschema_description:"default: your latest"`
}

var stopRun = Tool{
	Name:      "stop_run",
	About:     "Stop a run. What was measured stays recorded; an experiment ends invalid.",
	Arguments: stopIn{}, Answers: job.Stopped{}, Destructive: true, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (Answer, error) {
		in, err := decode[stopIn](args)
		if err != nil {
			return Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return Answer{}, err
		}

		s, err := lab.StopJob(ctx, l, string(in.ID))
		if err != nil {
			return Answer{}, err
		}

		return RenderStopped(s), nil
	},
}

// RenderStopped says what stop_run ended.
func RenderStopped(s *job.Stopped) Answer {
	fields := []field{{key: "status", val: s.Status, line: s.Status}}
	if s.ID != "" {
		fields[0].line = string(s.ID) + " " + s.Status
		fields = append(fields, field{key: "id", val: s.ID})
	}

	return buildAnswer(runLimit, append(fields, shortFact("text", "", s.Text), nextStep(s.Next))...)
}
