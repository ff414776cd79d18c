package tools

import (
	"context"
	"encoding/json"
	"fmt"

	"ratchet/internal/lab"
	"ratchet/internal/render"
)

type startIn struct {
	Program string `json:"program,omitempty" jsonschema_description:"path; default: the nearest program.md"`
	Name    string `json:"name,omitempty" jsonschema_description:"default: the program's"`
}

type startOut struct {
	lab.Started
	Contract []string `json:"contract"`
}

var startCampaign = Tool{
	Name: "start_campaign",
	About: "Start or resume the research campaign that program.md describes. First call of a session. " +
		"Works on a branch ratchet/<name>, measures the untouched start, and answers with the contract, the file to edit and the next step.",
	Arguments: startIn{}, Answers: startOut{}, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[startIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		s, err := lab.StartCampaign(ctx, l, lab.StartRequest{Program: in.Program, Name: in.Name})
		if err != nil {
			return render.Answer{}, err
		}

		return RenderStarted(s), nil
	},
}

// RenderStarted says what start_campaign found and did.
func RenderStarted(s *lab.Started) render.Answer {
	verb := "started"
	if s.Resumed {
		verb = "resumed"
	}

	fields := []render.Field{
		{Key: "campaign", Val: s.Campaign, Line: fmt.Sprintf("campaign %s %s as session %s, on branch %s", s.Campaign,
			verb, s.Codename, s.Branch)},
		{Key: "resumed", Val: s.Resumed},
		{Key: "session", Val: s.Codename},
		{Key: "branch", Val: s.Branch},
		render.ShortFact("metric", "metric: ", s.Metric),
		render.ShortFact("direction", "direction (read_log{view:\"program\"} has all): ", s.Direction),
		{Key: "edit", List: render.PrefixItems("edit only: ", s.Edit), Min: 1},
		render.ShortFact("incumbent", "incumbent: ", s.Incumbent),
		render.MetricValue("value", "its value: ", s.Value, s.Contract.Metric.Unit),
	}
	if s.ID != "" {
		fields = append(fields, render.Field{Key: "id", Val: s.ID,
			Line: fmt.Sprintf("calibration %s is running", s.ID)})
	}
	fields = append(fields, render.Field{Key: "contract", List: render.LineItems(contractLines(&s.Contract)), Min: 4})
	fields = append(fields, render.HookOutput(s.Hooks)...)
	fields = append(fields, render.NoteList(s.Notes), render.ShortFact("way_back", "way back: ", s.Back),
		render.BudgetLeft(s.Left), render.NextStep(s.Next))

	return render.BuildAnswer(render.Limit, fields...)
}
