package job

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// workerStartTimeout is how long a proposed job may be without a supervisor's lock before it
// counts as lost: the time between its record and its process's first breath.
const workerStartTimeout = 15 * time.Second

// StartJob records a job that next makes of the campaign as it is at that moment,
// and starts its supervisor. The id is "" where next makes none.
func StartJob(
	ctx context.Context, co *checkout.Checkout, campaign string, kind history.Kind, next func(*history.Campaign) (rules.JobStart, error),
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

// StartWorker starts the job's supervisor, in a session of its own, and returns when
// it has acknowledged. A job whose supervisor can't start is recorded as lost.
func StartWorker(ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID) error {
	argv := slices.Concat(co.Opt.Supervise, []string{"--campaign", campaign, "--job", string(id), "--ledger",
		co.Ledger.Path(), "-C", co.Repo.Root(), "--git-dir", co.Repo.GitDir(), "--common-dir", co.Repo.CommonDir()})

	err := co.Host.Start(ctx, host.Launch{Job: host.Job{Campaign: campaign, ID: id}, Argv: argv, Dir: co.Repo.Root()})
	if err != nil {
		return RecordLost(ctx, co, campaign, id, "its supervisor could not be started", err)
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

// CurrentReaped is the campaign of the checkout, after recording as lost every open job
// whose supervisor has died.
func CurrentReaped(ctx context.Context, co *checkout.Checkout) (*history.Campaign, error) {
	c, err := co.CurrentCampaign(ctx)
	if err != nil || len(c.Open) == 0 {
		return c, err
	}
	lost := false

	for _, id := range c.Open {
		dead, err := workerGone(ctx, co, c.Name, id)
		if err != nil {
			return nil, err
		}

		if dead {
			lost = true

			if err := RecordLost(ctx, co, c.Name, id, "its supervisor died (killed, or the machine went down)",
				nil); err != nil {
				return nil, err
			}
		}
	}

	if !lost {
		return c, nil
	}

	return co.CurrentCampaign(ctx)
}

// workerGone says whether an open job has no worker any more. One that has not
// announced itself may be about to: that is told by the age of the job's record.
func workerGone(ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID) (bool, error) {
	status, err := co.Host.Status(host.Job{Campaign: campaign, ID: id})
	switch {
	case err != nil || status.State == host.Alive:
		return false, err
	case status.State == host.Gone:
		return true, nil
	}

	var since time.Time
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if id.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(campaign, id.N())
			if err == nil {
				since = x.ProposedAt
			}

			return err
		}

		m, err := tx.Measurement(campaign, id)
		if err == nil {
			since = m.At
		}

		return err
	})

	return time.Since(since).Abs() > workerStartTimeout, err // a clock that was set back makes it no younger
}

// stopWithin is below what clients wait for an answer. A supervisor ends within
// the grace of its run, and a moment; on a busy machine that moment may be long.
const stopWithin = 40 * time.Second

// StopAndWait asks a job's supervisor to end, as soon as there is one, and waits for it.
func StopAndWait(ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID) (*Outcome, error) {
	for asked, until := false, time.Now().Add(stopWithin); ; {
		asked = asked || co.Host.Stop(host.Job{Campaign: campaign, ID: id})

		limit := time.Until(until)
		if !asked {
			limit = min(limit, 100*time.Millisecond)
		}

		out, err := AwaitJob(ctx, co, campaign, id, limit, nil)
		if err != nil || out.Status != "running" {
			return out, err
		}

		if time.Now().After(until) {
			return nil, research.Errorf(research.CodeBusy, "call stop_run again", "%s did not stop within %v", id,
				stopWithin)
		}
	}
}

// CollectGarbage removes what runs left in the cache: workspaces of campaigns that have
// ended, and private indexes whose process died. It returns the folders removed.
func CollectGarbage(ctx context.Context, co *checkout.Checkout) (removed []string, err error) {
	var all []history.Campaign

	if err := co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		all, err = tx.Campaigns()
		return err
	}); err != nil {
		return nil, err
	}

	if removed, err = removeStaleIndexes(co); err != nil {
		return removed, err
	}

	dir, err := co.CacheDir()
	if err != nil {
		return nil, err
	}

	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return removed, nil
	}

	if err != nil {
		return removed, err
	}

	for _, e := range entries {
		i := slices.IndexFunc(all, func(c history.Campaign) bool { return c.Name == e.Name() })
		if i >= 0 && (all[i].Ended == "" || len(all[i].Open) > 0) {
			continue
		}

		path := filepath.Join(dir, e.Name())
		if err := checkout.RemoveTree(path); err != nil {
			return removed, err
		}
		removed = append(removed, path)
	}

	return removed, nil
}

// removeStaleIndexes removes the private indexes that killed processes left in the git
// directory: a living call needs its own for a moment only.
func removeStaleIndexes(co *checkout.Checkout) (removed []string, err error) {
	entries, err := os.ReadDir(co.Repo.GitDir())
	if err != nil {
		return nil, err
	}

	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), "ratchet-index-") || time.Since(info.ModTime()) < time.Hour {
			continue
		}

		path := filepath.Join(co.Repo.GitDir(), e.Name())
		if err := checkout.RemoveTree(path); err != nil {
			return removed, err
		}
		removed = append(removed, path)
	}

	return removed, nil
}
