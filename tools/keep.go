package tools

import (
	"context"
	"encoding/json"
	"fmt"

	"ratchet/internal/lab"
	"ratchet/internal/render"
)

type keepIn struct {
	ID   ref    `json:"id,omitempty" jsonschema_description:"default: your latest"`
	Note string `json:"note,omitempty" jsonschema_description:"for the commit"`
}

var keep = Tool{
	Name:      "keep",
	About:     "Commit the judged experiment as the new incumbent. Allowed for improved, provisional, and equivalent when the file got shorter.",
	Arguments: keepIn{}, Answers: lab.KeptAnswer{},
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		req, err := KeepRequest(args)
		if err != nil {
			return render.Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		k, err := lab.Keep(ctx, l, req)
		if err != nil {
			return render.Answer{}, err
		}

		return RenderKept(k), nil
	},
}

// KeepRequest is what arguments of keep ask for; it overrides nothing.
func KeepRequest(args json.RawMessage) (lab.KeepRequest, error) {
	in, err := decode[keepIn](args)
	if err == nil {
		err = checkText("note", in.Note)
	}

	return lab.KeepRequest{ID: string(in.ID), Note: in.Note}, err
}

// RenderKept says what keep committed, in at most 440 bytes.
func RenderKept(kept *lab.KeptAnswer) render.Answer {
	what := ""

	switch {
	case kept.Simpler:
		what = ", as a simplification"
	case kept.Overridden:
		what = ", by a person's decision, against its verdict"
	}

	fields := []render.Field{
		{Key: "experiment", Val: kept.Experiment,
			Line: fmt.Sprintf("kept x%d as %s on %s%s", kept.Experiment, kept.Commit, render.OneLine(kept.Branch, 100),
				what)},
		{Key: "commit", Val: kept.Commit},
		{Key: "branch", Val: render.OneLine(kept.Branch, 100)},
		render.MetricValue("value", "value: ", kept.Value, kept.Unit),
	}
	if kept.Simpler {
		fields = append(fields, render.Field{Key: "simplification", Val: true})
	}

	if kept.Overridden {
		fields = append(fields, render.Field{Key: "overridden", Val: true})
	}

	return render.BuildAnswer(decideLimit,
		append(fields, append(render.HookOutput(kept.Hooks), render.PersonNote(kept.Human), render.NoteList(kept.Notes),
			render.BudgetLeft(kept.Left), render.NextStep(kept.Next))...)...)
}
