package worker

import (
	"context"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
)

// requireAffordable refuses a measurement's next run when its longest time is not left:
// what other sessions ran meanwhile counts. Audits and ablations are asked for
// by a person and come on top of the budget.
func (s *worker) requireAffordable(ctx context.Context, m *history.Measurement, done int) error {
	if s.id.Kind() != research.MeasurementJob || m.Ablates != "" {
		return nil
	}

	c, err := s.readCampaign(ctx)
	if err == nil && c.SecondsLeft() <= 0 {
		return research.Errorf(research.CodeBudget, checkout.RaiseBudget,
			"the campaign's hours are spent: %s were made, and say nothing", wording.Count(done, "run"))
	}

	return err
}
