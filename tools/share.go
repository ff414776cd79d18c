package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"ratchet/internal/lab"
	"ratchet/internal/render"
)

const maxOps = 20

type shareIn struct {
	Ops []shareOp `json:"ops"`
}

type shareOp struct {
	Op     string `json:"op" jsonschema:"enum=add,enum=claim,enum=release,enum=drop,enum=lesson"`
	Idea   ref    `json:"idea,omitempty" jsonschema_description:"text; to claim, release, drop: id"`
	Lesson string `json:"lesson,omitempty"`
}

var share = Tool{
	Name:      "share",
	About:     "Between sessions: add, claim (a lease), release or drop an idea; add a lesson of no single experiment.",
	Arguments: shareIn{}, Answers: lab.Shared{},
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[shareIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		if len(in.Ops) == 0 || len(in.Ops) > maxOps {
			return render.Answer{}, render.Refuse("give 1 to 20, such as [{op: \"add\", idea: \"…\"}]",
				"ops has %d entries", len(in.Ops))
		}

		ops := make([]lab.ShareOp, len(in.Ops))
		for i, op := range in.Ops {
			if err := checkOp(i, op); err != nil {
				return render.Answer{}, err
			}
			ops[i] = lab.ShareOp{Op: op.Op, Idea: string(op.Idea), Lesson: op.Lesson}
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		s, err := lab.Share(ctx, l, ops)
		if err != nil {
			return render.Answer{}, err
		}

		return RenderShared(s), nil
	},
}

// checkOp refuses an operation without its text, or with the other one's. The
// lesson of a drop says why.
func checkOp(i int, op shareOp) error {
	if err := render.OneOf(fmt.Sprintf("ops[%d].op", i), op.Op, "add", "claim", "release", "drop",
		"lesson"); err != nil {
		return err
	}

	name, text, other := "idea", string(op.Idea), op.Lesson
	if op.Op == "lesson" {
		name, text, other = "lesson", op.Lesson, string(op.Idea)
	}

	if render.OneLine(text, render.MaxText) == "" {
		return render.Refuse("put the text into "+name, "ops[%d] has no %s", i, name)
	}

	if other != "" && op.Op != "drop" {
		return render.Refuse("make two operations of it", "ops[%d] has both an idea and a lesson", i)
	}

	return errors.Join(checkText(fmt.Sprintf("ops[%d].idea", i), string(op.Idea)),
		checkText(fmt.Sprintf("ops[%d].lesson", i), op.Lesson))
}

// RenderShared says what share recorded.
func RenderShared(s *lab.Shared) render.Answer {
	fields := []render.Field{{Key: "done", List: render.LineItems(s.Done), Min: 1}}
	if len(s.Ideas) > 0 {
		field := render.Field{Key: "ideas", List: make([]render.Item, len(s.Ideas)), Min: 1}
		for i, x := range s.Ideas {
			field.List[i] = render.Item{Val: x} // whose lines are in done
		}

		fields = append(fields, field)
	}

	return render.BuildAnswer(render.Limit, append(fields, render.NextStep(s.Next))...)
}
