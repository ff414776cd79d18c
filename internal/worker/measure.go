package worker

import (
	"context"
	"errors"
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// measureVersions makes the runs of a measurement or an audit: of one version, or of
// two in interleaved pairs. What went wrong is in the record of its end.
func (w *worker) measureVersions(ctx context.Context) error {
	campaign, measurement, err := w.readMeasurement(ctx)
	if err != nil {
		return err
	}
	observations, err := w.makeMeasuredRuns(ctx, measurement)

	samples, paired := rules.SplitSamples(measurement.JobStart, observations)
	end := rules.SummariseMeasurement(samples, paired, campaign.Program.Metric, campaign.Rule.Scale)

	if w.id.Kind() == research.AuditJob {
		end = rules.SummariseAudit(measurement.JobStart, observations, campaign.Program.Metric, campaign.Rule.Scale)
	}
	end.Job = w.id

	var bad *unfitError
	switch {
	case ctx.Err() != nil:
		end.Failed = "stopped by request"
	case errors.As(err, &bad):
		end.Failed, end.Unfit = wording.ErrorLine(err), bad.reason
	case err != nil:
		end.Failed = wording.ErrorLine(err)
	}

	// A stop request must not lose the record of the stop.
	return w.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		return w.appendEnd(tx, w.id, history.KindMeasurementFinished, end)
	})
}

// makeMeasuredRuns builds what the job measures, waits for its turn and makes the
// runs, in order; none with an error.
func (w *worker) makeMeasuredRuns(ctx context.Context, measurement *history.Measurement) ([]rules.Observation, error) {
	if err := w.prepareMeasurement(ctx, measurement); err != nil {
		return nil, err
	}

	if err := w.waitForTurn(ctx); err != nil {
		return nil, err
	}

	role := research.Measure
	if w.id.Kind() == research.AuditJob {
		role = research.Audit
	}

	now, err := w.readCampaign(ctx) // the metric may have been demoted meanwhile
	if err != nil {
		return nil, err
	}

	var observations []rules.Observation
	defer w.slot.release()

	next := func() *rules.RunRequest {
		return rules.NextMeasurementRun(measurement.JobStart, role, now.Rule, observations)
	}

	for want := next(); want != nil; want = next() {
		if err := w.requireAffordable(ctx, measurement, len(observations)); err != nil {
			return nil, err
		}

		observation, err := w.makeRun(ctx, w.id, w.versions[want.Side], *want)
		switch {
		case err != nil:
			return nil, err
		case !observation.Valid && measurement.Ablates != "" && observation.Side == rules.Candidate:
			return nil, &unfitError{observation.Reason}
		case observation.BrokenGuard != "":
			return nil, fmt.Errorf("the head broke a guard in run %d: %s", w.runs, observation.BrokenGuard)
		case !observation.Valid:
			return nil, errors.New(observation.Reason)
		}

		observations = append(observations, observation)
	}

	if w.id.Kind() == research.AuditJob {
		if grown := rules.GrownGuard(now.Program.Guards, now.Rule, observations); grown != "" {
			return nil, fmt.Errorf("the head broke a guard: %s", grown)
		}
	}

	return observations, nil
}

// prepareMeasurement builds the versions that the job measures, and checks the one
// that it asks to be checked.
func (w *worker) prepareMeasurement(ctx context.Context, measurement *history.Measurement) error {
	commits := map[rules.Side]string{rules.Candidate: measurement.Commit}
	if measurement.Paired != "" {
		commits[rules.Incumbent] = measurement.Paired
	}

	if w.id.Kind() == research.AuditJob {
		commits = map[rules.Side]string{rules.Incumbent: measurement.Commit, rules.Start: measurement.Paired}
	}

	reason, err := w.buildSides(ctx, commits)
	if err == nil && reason == "" && measurement.Check {
		reason, err = w.checkVersion(ctx, w.id, w.versions[rules.Candidate])
	}

	switch {
	case err != nil:
		return err
	case reason != "" && w.blamesOmission(measurement):
		return &unfitError{reason}
	case reason != "":
		return commandError(reason, nil)
	}

	return nil
}

// requireAffordable refuses a measurement's next run when its longest time is not left:
// what other sessions ran meanwhile counts. Audits and ablations are asked for
// by a person and come on top of the budget.
func (w *worker) requireAffordable(ctx context.Context, m *history.Measurement, done int) error {
	if w.id.Kind() != research.MeasurementJob || m.Ablates != "" {
		return nil
	}

	c, err := w.readCampaign(ctx)
	if err == nil && c.SecondsLeft() <= 0 {
		return research.Errorf(research.CodeBudget, checkout.RaiseBudget,
			"the campaign's hours are spent: %s were made, and say nothing", wording.Count(done, "run"))
	}

	return err
}

// unfitError is what is wrong with a head that a change was left out of.
type unfitError struct{ reason string }

func (e *unfitError) Error() string { return e.reason }

// blamesOmission says whether a build or check that failed is the fault of what the
// ablation left out: all that it is compared with was built.
func (w *worker) blamesOmission(measurement *history.Measurement) bool {
	if measurement.Ablates == "" {
		return false
	}

	if measurement.Paired == "" || w.space.program().Build == "" {
		return true
	}
	with := w.versions[rules.Incumbent]

	return with != nil && with.built
}
