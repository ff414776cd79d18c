package tools

import (
	"context"
	"encoding/json"
	"fmt"

	"ratchet/internal/lab"
)

type revertIn struct {
	ID     ref    `json:"id,omitempty" jsonschema_description:"default: your latest"`
	Lesson string `json:"lesson,omitempty" jsonschema_description:"what was learnt"`
}

var revert = Tool{
	Name:      "revert",
	About:     "Put the edited file back to the incumbent's content and store the lesson. Nothing is lost: the candidate stays a commit, later edits are saved.",
	Arguments: revertIn{}, Answers: lab.RevertedAnswer{}, Destructive: true, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (Answer, error) {
		in, err := decode[revertIn](args)
		if err != nil {
			return Answer{}, err
		}

		if err := checkText("lesson", in.Lesson); err != nil {
			return Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return Answer{}, err
		}

		r, err := lab.Revert(ctx, l, lab.RevertRequest{ID: string(in.ID), Lesson: in.Lesson})
		if err != nil {
			return Answer{}, err
		}

		return RenderReverted(r), nil
	},
}

// RenderReverted says what revert restored, in at most 440 bytes.
func RenderReverted(r *lab.RevertedAnswer) Answer {
	first := "nothing to restore: the file was the incumbent's already"
	if len(r.Restored) > 0 {
		first = "restored:"
	}

	if r.Experiment > 0 {
		first = fmt.Sprintf("x%d reverted; %s", r.Experiment, first)
	}
	restored := field{key: "restored", list: lineItems(r.Restored), min: 1}

	fields := []field{{line: first}, restored}
	if r.Experiment > 0 {
		fields[0].key, fields[0].val = "experiment", r.Experiment
	}

	fields = append(fields, shortFact("saved_as", "your later edits are saved as ", r.SavedAs),
		field{key: "lesson_stored", val: r.Lesson})
	if r.Lesson {
		fields[len(fields)-1].line = "lesson stored"
	}

	return buildAnswer(decideLimit,
		append(fields, append(hookOutput(r.Hooks), personNote(r.Human), noteList(r.Notes), budgetLeft(r.Left), nextStep(r.Next))...)...)
}
