package tools

import (
	"context"
	"encoding/json"
	"fmt"

	"ratchet/internal/lab"
	"ratchet/internal/render"
)

type revertIn struct {
	ID     ref    `json:"id,omitempty" jsonschema_description:"default: your latest"`
	Lesson string `json:"lesson,omitempty" jsonschema_description:"what was learnt"`
}

var revert = Tool{
	Name:      "revert",
	About:     "Put the edited file back to the incumbent's content and store the lesson. Nothing is lost: the candidate stays a commit, later edits are saved.",
	Arguments: revertIn{}, Answers: lab.RevertedAnswer{}, Destructive: true, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[revertIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		if err := checkText("lesson", in.Lesson); err != nil {
			return render.Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		r, err := lab.Revert(ctx, l, lab.RevertRequest{ID: string(in.ID), Lesson: in.Lesson})
		if err != nil {
			return render.Answer{}, err
		}

		return RenderReverted(r), nil
	},
}

// RenderReverted says what revert restored, in at most 440 bytes.
func RenderReverted(r *lab.RevertedAnswer) render.Answer {
	first := "nothing to restore: the file was the incumbent's already"
	if len(r.Restored) > 0 {
		first = "restored:"
	}

	if r.Experiment > 0 {
		first = fmt.Sprintf("x%d reverted; %s", r.Experiment, first)
	}
	restored := render.Field{Key: "restored", List: render.LineItems(r.Restored), Min: 1}

	fields := []render.Field{{Line: first}, restored}
	if r.Experiment > 0 {
		fields[0].Key, fields[0].Val = "experiment", r.Experiment
	}

	fields = append(fields, render.ShortFact("saved_as", "your later edits are saved as ", r.SavedAs),
		render.Field{Key: "lesson_stored", Val: r.Lesson})
	if r.Lesson {
		fields[len(fields)-1].Line = "lesson stored"
	}

	return render.BuildAnswer(decideLimit,
		append(fields, append(render.HookOutput(r.Hooks), render.PersonNote(r.Human), render.NoteList(r.Notes),
			render.BudgetLeft(r.Left), render.NextStep(r.Next))...)...)
}
