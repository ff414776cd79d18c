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
	Name    string `json:"name,omitempty" jsonschema_description:"a campaign to resume or start"`
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
		req, err := StartRequest(args)
		if err != nil {
			return render.Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		s, err := lab.StartCampaign(ctx, l, req)
		if err != nil {
			return render.Answer{}, err
		}

		return RenderStarted(s), nil
	},
}

// StartRequest is what arguments of start_campaign ask for; it accepts nothing.
func StartRequest(args json.RawMessage) (lab.StartRequest, error) {
	in, err := decode[startIn](args)
	return lab.StartRequest{Program: in.Program, Name: in.Name}, err
}

// RenderStarted says what start_campaign found and did.
func RenderStarted(started *lab.Started) render.Answer {
	verb := "started"
	if started.Resumed {
		verb = "resumed"
	}

	fields := []render.Field{
		{Key: "campaign", Val: started.Campaign,
			Line: fmt.Sprintf("campaign %s %s as session %s, on branch %s", started.Campaign,
				verb, started.Codename, started.Branch)},
		{Key: "resumed", Val: started.Resumed},
		{Key: "session", Val: started.Codename},
		{Key: "branch", Val: started.Branch},
		render.ShortFact("metric", "metric: ", started.Metric),
		render.ShortFact("direction", "direction (read_log{view:\"program\"} has all): ", started.Direction),
		{Key: "edit", List: render.PrefixItems("edit only: ", started.Edit), Min: 1},
		render.ShortFact("incumbent", "incumbent: ", started.Incumbent),
		render.MetricValue("value", "its value: ", started.Value, started.Contract.Metric.Unit),
	}
	if started.ID != "" {
		fields = append(fields, render.Field{Key: "id", Val: started.ID,
			Line: fmt.Sprintf("calibration %s is running", started.ID)})
	}
	fields = append(fields, render.Field{Key: "contract", List: render.LineItems(contractLines(&started.Contract)),
		Min: 4})
	fields = append(fields, render.HookOutput(started.Hooks)...)
	fields = append(fields, render.NoteList(started.Notes), render.ShortFact("way_back", "way back: ", started.Back),
		render.BudgetLeft(started.Left), render.NextStep(started.Next))

	return render.BuildAnswer(render.Limit, fields...)
}
