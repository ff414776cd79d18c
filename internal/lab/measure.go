package lab

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// Measure starts a measurement and waits for it.
func Measure(
	ctx context.Context, co *checkout.Checkout, req MeasureRequest, progress job.ProgressFunc,
) (*job.Outcome, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if err := job.RequireMeasurable(co, campaign); err != nil {
		return nil, err
	}

	if req.Runs < 0 || req.Runs > 100 {
		return nil, research.Errorf(research.CodeBadArgument, "give 0 to 100", "runs = %d is out of range", req.Runs)
	}

	if req.Runs == 0 {
		b := checkout.BudgetLeft(campaign)

		return &job.Outcome{Status: "idle", Left: &b,
			Finding: campaign.Rule.DescribeResolution(campaign.Program.Metric, 3, 5, 10, 20, 50),
			Next:    "measure_metric{target, paired_with, runs} with enough pairs for the gain you look for, or go on without"}, nil
	}

	start := rules.JobStart{Target: req.Target, With: req.With, Runs: req.Runs}
	if start.Commit, err = resolveVersion(ctx, co, campaign, req.Target); err != nil {
		return nil, err
	}

	if req.With != "" {
		if start.Paired, err = resolveVersion(ctx, co, campaign, req.With); err != nil {
			return nil, err
		}
	}

	id, err := job.StartJob(ctx, co, campaign.Name, history.KindMeasurementStarted,
		func(now *history.Campaign) (rules.JobStart, error) {
			start.Job = research.NewJobID(research.MeasurementJob, now.Measurements+1)
			return start, cmp.Or(checkout.RequireBudget(now), requireHours(now, start))
		})
	if err != nil {
		return nil, err
	}

	return job.AwaitJob(ctx, co, campaign.Name, id, req.Wait, progress)
}

// requireHours refuses a measurement of more runs than the hours are likely to hold.
func requireHours(campaign *history.Campaign, start rules.JobStart) error {
	runs := start.Runs
	if start.Paired != "" {
		runs *= 2
	}

	if left := campaign.Outlook().Left; campaign.Runs > 0 && runs > left {
		return research.Errorf(research.CodeBudget, "ask for fewer runs, or keep what is left for experiments",
			"that takes %s, and about %s are left of the campaign's hours", wording.Count(runs, "run"),
			wording.Count(left, "run"))
	}

	return nil
}

// resolveVersion turns incumbent, start, an experiment or a commit into a commit
// that differs from the start only in the edited files.
func resolveVersion(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, name string,
) (string, error) {
	switch name {
	case "", "incumbent":
		return campaign.Incumbent, nil
	case "start":
		return campaign.Start, nil
	}

	if id, err := research.ParseJobID(name); err == nil && id.Kind() == research.ExperimentJob && len(name) < 7 {
		var commit string
		err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
			x, err := tx.Experiment(campaign.Name, id.N())
			if err == nil {
				commit = x.Candidate
			}

			return err
		})

		return commit, err
	}

	commit, err := co.Repo.Resolve(ctx, name)
	if err != nil {
		return "", research.Errorf(research.CodeNotFound, "name incumbent, start, a commit, or an experiment of this campaign (x7)",
			"no version %q", name)
	}

	was, err := co.Repo.TrackedFiles(ctx, campaign.Start)
	if err != nil {
		return "", err
	}

	is, err := co.Repo.TrackedFiles(ctx, commit)
	if err != nil {
		return "", err
	}

	for path := range changedFiles(was, is) {
		if !slices.Contains(checkout.EditedFiles(campaign.ProgramPath, campaign.Program), path) &&
			path != campaign.ProgramPath {
			return "", research.Errorf(research.CodeScope, "measure versions of this campaign",
				"%s differs from the campaign's start in %s, outside the scope", wording.ShortCommit(commit), path)
		}
	}

	return commit, nil
}

// MeasureRequest asks for runs that change no verdict.
type MeasureRequest struct {
	Target string // incumbent | start | an experiment's number | a commit
	With   string // the same, "" for none
	Runs   int    // of each; 0 makes none, and tells what more of them could show
	Wait   time.Duration
}

// changedFiles are the paths whose content differs between two trees, given by path as
// Repo.TrackedFiles does.
func changedFiles(a, b map[string]string) map[string]bool {
	out := map[string]bool{}

	for path, hash := range a {
		if b[path] != hash {
			out[path] = true
		}
	}

	for path := range b {
		if _, ok := a[path]; !ok {
			out[path] = true
		}
	}

	return out
}
