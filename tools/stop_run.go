package tools

import (
	"context"
	"encoding/json"

	"ratchet/internal/job"
	"ratchet/internal/lab"
	"ratchet/internal/render"
)

type stopIn struct {
	ID ref `json:"id,omitempty" jsonschema_description:"default: your latest"`
}

var stopRun = Tool{
	Name:      "stop_run",
	About:     "Stop a run. What was measured stays recorded; a stopped experiment is judged invalid.",
	Arguments: stopIn{}, Answers: job.Stopped{}, Destructive: true, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[stopIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		s, err := lab.StopJob(ctx, l, string(in.ID))
		if err != nil {
			return render.Answer{}, err
		}

		return RenderStopped(s), nil
	},
}

// RenderStopped says what stop_run ended.
func RenderStopped(s *job.Stopped) render.Answer {
	fields := []render.Field{{Key: "status", Val: s.Status, Line: s.Status}}
	if s.ID != "" {
		fields[0].Line = string(s.ID) + " " + s.Status
		fields = append(fields, render.Field{Key: "id", Val: s.ID})
	}

	return render.BuildAnswer(runLimit, append(fields, render.ShortFact("text", "", s.Text),
		render.NextStep(s.Next))...)
}
