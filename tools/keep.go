package tools

import (
	"context"
	"encoding/json"
	"fmt"

	"ratchet/internal/lab"
)

type keepIn struct {
	ID   ref    `json:"id,omitempty" jsonschema_description:"default: your latest"`
	Note string `json:"note,omitempty" jsonschema_description:"for the commit"`
}

var keep = Tool{
	Name:      "keep",
	About:     "Commit the judged experiment as the new incumbent. Allowed for improved, provisional, and equivalent when the file got shorter; else refused with the reason.",
	Arguments: keepIn{}, Answers: lab.KeptAnswer{},
	Call: func(ctx context.Context, e Env, args json.RawMessage) (Answer, error) {
		req, err := KeepRequest(args)
		if err != nil {
			return Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return Answer{}, err
		}

		k, err := lab.Keep(ctx, l, req)
		if err != nil {
			return Answer{}, err
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
func RenderKept(k *lab.KeptAnswer) Answer {
	what := ""

	switch {
	case k.Simpler:
		what = ", as a simplification"
	case k.Overridden:
		what = ", by a person's decision, against its verdict"
	}

	fields := []field{
		{key: "experiment", val: k.Experiment,
			line: fmt.Sprintf("kept x%d as %s on %s%s", k.Experiment, k.Commit, oneLine(k.Branch, 100), what)},
		{key: "commit", val: k.Commit},
		{key: "branch", val: oneLine(k.Branch, 100)},
		metricValue("value", "value: ", k.Value, k.Unit),
	}
	if k.Simpler {
		fields = append(fields, field{key: "simplification", val: true})
	}

	if k.Overridden {
		fields = append(fields, field{key: "overridden", val: true})
	}

	return buildAnswer(decideLimit,
		append(fields, append(hookOutput(k.Hooks), personNote(k.Human), noteList(k.Notes), budgetLeft(k.Left), nextStep(k.Next))...)...)
}
