package tools

import (
	"context"
	"encoding/json"
	"fmt"

	"ratchet/internal/lab"
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
	Call: func(ctx context.Context, e Env, args json.RawMessage) (Answer, error) {
		in, err := decode[startIn](args)
		if err != nil {
			return Answer{}, err
		}

		l, err := e.Open(ctx)
		if err != nil {
			return Answer{}, err
		}

		s, err := lab.StartCampaign(ctx, l, lab.StartRequest{Program: in.Program, Name: in.Name})
		if err != nil {
			return Answer{}, err
		}

		return RenderStarted(s), nil
	},
}

// RenderStarted says what start_campaign found and did.
func RenderStarted(s *lab.Started) Answer {
	verb := "started"
	if s.Resumed {
		verb = "resumed"
	}

	fields := []field{
		{key: "campaign", val: s.Campaign, line: fmt.Sprintf("campaign %s %s as session %s, on branch %s", s.Campaign,
			verb, s.Codename, s.Branch)},
		{key: "resumed", val: s.Resumed},
		{key: "session", val: s.Codename},
		{key: "branch", val: s.Branch},
		shortFact("metric", "metric: ", s.Metric),
		shortFact("direction", "direction (read_log{view:\"program\"} has all): ", s.Direction),
		{key: "edit", list: prefixItems("edit only: ", s.Edit), min: 1},
		shortFact("incumbent", "incumbent: ", s.Incumbent),
		metricValue("value", "its value: ", s.Value, s.Contract.Metric.Unit),
	}
	if s.ID != "" {
		fields = append(fields, field{key: "id", val: s.ID, line: fmt.Sprintf("calibration %s is running", s.ID)})
	}
	fields = append(fields, field{key: "contract", list: lineItems(contractLines(&s.Contract)), min: 4})
	fields = append(fields, hookOutput(s.Hooks)...)
	fields = append(fields, noteList(s.Notes), shortFact("way_back", "way back: ", s.Back), budgetLeft(s.Left), nextStep(s.Next))

	return buildAnswer(Limit, fields...)
}
