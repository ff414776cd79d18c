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

// workerStartTimeout is how long a job may be without a worker that has announced
// itself before it counts as lost: the time between its record and its process's
// first breath.
const workerStartTimeout = 15 * time.Second

// CurrentReaped is the campaign of the checkout, after recording as lost every open job
// whose worker has died. In doubt of a worker it returns the host's error.
func CurrentReaped(ctx context.Context, co *checkout.Checkout) (*history.Campaign, error) {
	campaign, err := co.CurrentCampaign(ctx)
	if err != nil || len(campaign.Open) == 0 {
		return campaign, err
	}
	lost := false

	for _, id := range campaign.Open {
		gone, err := workerGone(ctx, co, campaign.Name, id)
		if err != nil {
			return nil, err
		}

		if !gone {
			continue
		}
		lost = true

		if err := RecordLost(ctx, co, campaign.Name, id, workerDied, nil); err != nil {
			return nil, err
		}
	}

	if !lost {
		return campaign, nil
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

	begun, err := readStartTime(ctx, co, campaign, id)

	return time.Since(begun).Abs() > workerStartTimeout, err // a clock that was set back makes it no younger
}

// FindOpenJob is the job of one of these kinds that is under way, "" if none is.
func FindOpenJob(campaign *history.Campaign, kinds ...byte) research.JobID {
	i := slices.IndexFunc(campaign.Open, func(id research.JobID) bool { return slices.Contains(kinds, id.Kind()) })
	if i < 0 {
		return ""
	}

	return campaign.Open[i]
}

// readStartTime is when the job was recorded.
func readStartTime(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID,
) (begun time.Time, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if id.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(campaign, id.N())
			if err == nil {
				begun = x.ProposedAt
			}

			return err
		}

		m, err := tx.Measurement(campaign, id)
		if err == nil {
			begun = m.At
		}

		return err
	})

	return begun, err
}

// workerDied is the reason of a job that is lost with its worker.
const workerDied = "its worker died (killed, or the machine went down)"
