package job

import (
	"context"
	"slices"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// workerStartTimeout is how long a proposed job may be without a supervisor's lock before it
// counts as lost: the time between its record and its process's first breath.
const workerStartTimeout = 15 * time.Second

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

// FindOpenJob is the job of one of these kinds that is under way, "" if none is.
func FindOpenJob(c *history.Campaign, kinds ...byte) research.JobID {
	i := slices.IndexFunc(c.Open, func(id research.JobID) bool { return slices.Contains(kinds, id.Kind()) })
	if i < 0 {
		return ""
	}

	return c.Open[i]
}
