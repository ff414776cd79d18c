package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// certifyHead judges the chain of provisional keeps, run by run as the rule asks.
func (w *worker) certifyHead(ctx context.Context) error {
	campaign, measurement, err := w.readMeasurement(ctx)
	if err != nil {
		return err
	}

	if err := w.waitForTurn(ctx); err != nil {
		return err
	}

	campaign, reason, err := w.ensureCalibrated(ctx, campaign, w.id)
	if err == nil && reason == "" {
		reason, err = w.buildSides(ctx, map[rules.Side]string{rules.Checkpoint: measurement.Paired,
			rules.Incumbent: measurement.Commit})
	}

	if err != nil || reason != "" {
		return commandError(reason, err)
	}

	// Fresh pairs of checkpoint and head, until the rule has decided.
	rule, outlook := rules.NewAuto(campaign.Program), campaign.Outlook()
	var observations []rules.Observation
	defer w.slot.release()

	for {
		step := rule.NextPair(campaign.Rule, outlook, observations)
		if step.Done != nil {
			end := history.CertificateEnd{Job: w.id, Certificate: step.Done.WithValues(observations),
				From: campaign.ChainFrom, To: campaign.Experiments, Outlook: outlook,
				State: rule.CloseCertificate(campaign.Rule, outlook, observations, *step.Done)}

			return w.recordCertificate(ctx, campaign, end)
		}

		observation, err := w.makeRun(ctx, w.id, w.versions[step.Run.Side], *step.Run)
		if err == nil {
			err = ctx.Err()
		}

		if err != nil {
			return err
		}

		observations = append(observations, observation)
	}
}

// recordCertificate records the outcome. A head that was not certified goes back by a new
// commit with the checkpoint's tree; the edits of its chain are reverted.
func (w *worker) recordCertificate(ctx context.Context, campaign *history.Campaign, end history.CertificateEnd) error {
	ctx = context.WithoutCancel(ctx)

	if end.Outcome == rules.RolledBack {
		var err error
		if end.Commit, err = w.commitRollback(ctx, campaign, end); err != nil {
			return recordAbort(ctx, w.Checkout, w.target(), err)
		}
	}

	// The record, and what follows from it for the chain, in one transaction.
	err := w.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := tx.Campaign(campaign.Name)
		if err != nil {
			return err
		}

		if now.Incumbent != campaign.Incumbent || !slices.Contains(now.Open, w.id) {
			return errors.New("the incumbent moved while it was judged")
		}

		if _, err := tx.Append(w.entry(history.KindCertificateFinished, end)); err != nil {
			return err
		}

		if end.Outcome == rules.Certified {
			return nil
		}

		return w.revertChain(tx, now)
	})
	if err != nil {
		return recordAbort(ctx, w.Checkout, w.target(), err)
	}

	if end.Outcome == rules.Certified {
		return nil
	}

	// Only then does the incumbent's ref move.
	ref, _, err := checkout.MoveIncumbent(ctx, w.Checkout, campaign, campaign.Incumbent, end.Commit)
	if err != nil || ref == nil {
		return err
	}

	return w.Repo.UpdateRefs(ctx, []source.RefUpdate{*ref}, "ratchet: roll back")
}

// commitRollback commits the checkpoint's tree on top of the incumbent.
func (w *worker) commitRollback(
	ctx context.Context, campaign *history.Campaign, end history.CertificateEnd,
) (string, error) {
	message := fmt.Sprintf(
		"ratchet: roll back to the checkpoint\n\n%s\n\nRatchet-Campaign: %s\nRatchet-Certificate: %s\n",
		end.Describe(campaign.Program.Metric), campaign.Name, w.id)

	return w.Repo.Commit(ctx,
		source.CommitSpec{Tree: campaign.CheckpointTree, Parents: []string{campaign.Incumbent}, Message: message})
}

// revertChain reverts every experiment that was kept since the checkpoint.
func (w *worker) revertChain(tx *ledger.Tx, c *history.Campaign) error {
	for n := c.ChainFrom; n <= c.Experiments; n++ {
		experiment, err := tx.Experiment(c.Name, n)
		if err != nil {
			return err
		}

		if experiment.Status != research.Kept {
			continue
		}

		reverted := history.Reversion{N: n, By: "certificate"}
		if _, err := tx.Append(w.entry(history.KindExperimentReverted, reverted)); err != nil {
			return err
		}
	}

	return nil
}
