package job

import (
	"context"
	"errors"
	"slices"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// StartJob records a job that next makes of the campaign as it is at that moment,
// and starts its worker. The id is "" where next makes none.
func StartJob(
	ctx context.Context, co *checkout.Checkout, campaign string, kind history.Kind,
	next func(*history.Campaign) (rules.JobStart, error),
) (research.JobID, error) {
	var job rules.JobStart

	err := co.UpdateCampaign(ctx, campaign, func(tx *ledger.Tx, now *history.Campaign, session string) (err error) {
		if job, err = next(now); err != nil || job.Job == "" {
			return err
		}
		_, err = tx.Append(history.Entry{Campaign: campaign, Session: session, Kind: kind, Body: job})

		return err
	})
	if err != nil || job.Job == "" {
		return "", err
	}

	return job.Job, StartWorker(ctx, co, campaign, job.Job)
}

// StartWorker starts the job's worker, which outlives the call, and returns when it
// has announced itself. A job whose worker can't start is recorded as lost; the
// error is why it can't.
func StartWorker(ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID) error {
	err := co.Host.Start(ctx, host.Launch{
		Job:  host.Job{Campaign: campaign, ID: id},
		Argv: co.Opt.Supervise,
		Args: []string{
			"--ledger", co.Ledger.Path(),
			"-C", co.Repo.Root(),
			"--git-dir", co.Repo.GitDir(),
			"--common-dir", co.Repo.CommonDir(),
		},
		Dir: co.Repo.Root(),
	})
	if err != nil {
		return RecordLost(ctx, co, campaign, id, "its worker could not be started", err)
	}

	return nil
}

// RecordLost appends run.lost for a job that is still open, and returns cause.
func RecordLost(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, reason string, cause error,
) error {
	if cause != nil {
		reason += ": " + wording.ErrorLine(cause)
	}
	err := co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		c, err := tx.Campaign(campaign)
		if err != nil || !slices.Contains(c.Open, id) {
			return err
		}
		_, err = tx.Append(history.Entry{Campaign: campaign, Kind: history.KindRunLost,
			Body: history.Loss{Job: id, Reason: reason}})

		return err
	})

	return errors.Join(cause, err)
}
