package lab

import (
	"cmp"
	"context"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

// Measure starts a measurement and waits for it.
func (l *Lab) Measure(ctx context.Context, req MeasureRequest, progress ProgressFunc) (*Outcome, error) {
	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}

	if err := l.requireMeasurable(c); err != nil {
		return nil, err
	}

	if req.Runs < 0 || req.Runs > 100 {
		return nil, research.Errorf(research.CodeBadArgument, "give 0 to 100", "runs = %d is out of range", req.Runs)
	}

	if req.Runs == 0 {
		b := budgetLeft(c)

		return &Outcome{Status: "idle", Left: &b, Finding: c.Rule.ResolutionWords(c.Program.Metric, 3, 5, 10, 20, 50),
			Next: "measure_metric with as many runs as that is worth, or none"}, nil
	}

	job := rules.JobStart{Target: req.Target, With: req.With, Runs: req.Runs}
	if job.Commit, err = l.resolveVersion(ctx, c, req.Target); err != nil {
		return nil, err
	}

	if req.With != "" {
		if job.Paired, err = l.resolveVersion(ctx, c, req.With); err != nil {
			return nil, err
		}
	}

	id, err := l.startJob(ctx, c.Name, history.KindMeasurementStarted,
		func(now *history.Campaign) (rules.JobStart, error) {
			job.Job = research.NewJobID(research.MeasurementJob, now.Measurements+1)
			return job, cmp.Or(requireBudget(now), requireHours(now, job))
		})
	if err != nil {
		return nil, err
	}

	return l.awaitJob(ctx, c.Name, id, req.Wait, progress)
}

// requireHours refuses a measurement of more runs than the hours are likely to hold.
func requireHours(c *history.Campaign, job rules.JobStart) error {
	runs := job.Runs
	if job.Paired != "" {
		runs *= 2
	}

	if left := c.Outlook().Left; c.Runs > 0 && runs > left {
		return research.Errorf(research.CodeBudget, "ask for fewer runs, or keep what is left for experiments",
			"that takes %s, and about %s are left of the campaign's hours", countRuns(runs), countRuns(left))
	}

	return nil
}

// requireAffordable refuses a measurement's next run when its longest time is not left:
// what other sessions ran meanwhile counts. Audits and ablations are asked for
// by a person and come on top of the budget.
func (s *worker) requireAffordable(ctx context.Context, m *history.Measurement, done int) error {
	if s.id.Kind() != research.MeasurementJob || m.Ablates != "" {
		return nil
	}

	c, err := s.readCampaign(ctx)
	if err == nil && c.SecondsLeft() <= 0 {
		return research.Errorf(research.CodeBudget, raiseBudget,
			"the campaign's hours are spent: %s were made, and say nothing", countRuns(done))
	}

	return err
}

// resolveVersion turns incumbent, start, an experiment or a commit into a commit
// that differs from the start only in the edited files.
func (l *Lab) resolveVersion(ctx context.Context, c *history.Campaign, name string) (string, error) {
	switch name {
	case "", "incumbent":
		return c.Incumbent, nil
	case "start":
		return c.Start, nil
	}

	if id, err := research.ParseJobID(name); err == nil && id.Kind() == research.ExperimentJob && len(name) < 7 {
		var commit string
		err := l.ledger.View(ctx, func(tx *ledger.Tx) error {
			x, err := tx.Experiment(c.Name, id.N())
			if err == nil {
				commit = x.Candidate
			}

			return err
		})

		return commit, err
	}

	commit, err := l.repo.Resolve(ctx, name)
	if err != nil {
		return "", research.Errorf(research.CodeNotFound, "name incumbent, start, an experiment (x7) or a commit",
			"no version %q", name)
	}

	was, err := l.repo.Tracked(ctx, c.Start)
	if err != nil {
		return "", err
	}

	is, err := l.repo.Tracked(ctx, commit)
	if err != nil {
		return "", err
	}

	for path := range changedFiles(was, is) {
		if !slices.Contains(editedFiles(c.ProgramPath, c.Program), path) && path != c.ProgramPath {
			return "", research.Errorf(research.CodeScope, "measure versions of this campaign",
				"%s differs from the campaign's start in %s, outside the scope", shortCommit(commit), path)
		}
	}

	return commit, nil
}
