package tools

import (
	"context"
	"encoding/json"
	"fmt"

	"ratchet/internal/lab"
)

const maxOps = 20

type shareIn struct {
	Ops []shareOp `json:"ops"`
}

type shareOp struct {
	Op     string `json:"op" jsonschema:"enum=add,enum=lesson"`
	Idea   string `json:"idea,omitempty"`
	Lesson string `json:"lesson,omitempty"`
}

var share = Tool{
	Name:      "share",
	About:     "Record for every session: an idea worth trying (op add), or a lesson of no single experiment.",
	Arguments: shareIn{}, Answers: lab.Shared{},
	Call: func(ctx context.Context, e Env, args json.RawMessage) (Answer, error) {
		in, err := decode[shareIn](args)
		if err != nil {
			return Answer{}, err
		}
		if len(in.Ops) == 0 || len(in.Ops) > maxOps {
			return Answer{}, refuse("give 1 to 20, such as [{op: \"add\", idea: \"…\"}]", "ops has %d entries", len(in.Ops))
		}
		ops := make([]lab.ShareOp, len(in.Ops))
		for i, op := range in.Ops {
			if err := checkOp(i, op); err != nil {
				return Answer{}, err
			}
			ops[i] = lab.ShareOp(op)
		}
		l, err := e.Open(ctx)
		if err != nil {
			return Answer{}, err
		}
		s, err := l.Share(ctx, ops)
		if err != nil {
			return Answer{}, err
		}
		return RenderShared(s), nil
	},
}

// checkOp refuses an operation without its text, or with the other one's.
func checkOp(i int, op shareOp) error {
	if err := oneOf(fmt.Sprintf("ops[%d].op", i), op.Op, "add", "lesson"); err != nil {
		return err
	}
	name, text, other := "idea", op.Idea, op.Lesson
	if op.Op == "lesson" {
		name, text, other = "lesson", op.Lesson, op.Idea
	}
	if oneLine(text, maxText) == "" {
		return refuse("put the text into "+name, "ops[%d] has no %s", i, name)
	}
	if other != "" {
		return refuse("make two operations of it", "ops[%d] has both an idea and a lesson", i)
	}
	return checkText(fmt.Sprintf("ops[%d].%s", i, name), text)
}

// RenderShared says what share recorded.
func RenderShared(s *lab.Shared) Answer {
	done := field{key: "done", list: lines(s.Done), min: 1}
	return build(Limit, done, next(s.Next))
}
