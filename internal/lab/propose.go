package lab

import (
	"cmp"
	"context"
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// recordProposal appends experiment.proposed, and closes as reverted what this
// checkout's last experiment left open. It checks again, inside the
// transaction, everything that another session may have changed meanwhile, and
// claims the idea. p.N and p.Fence are set.
func recordProposal(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, proposal *history.Proposal,
) error {
	return co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		if err := checkout.RequireBudget(now); err != nil {
			return err
		}

		if now.Incumbent != proposal.Parent {
			return research.Errorf(research.CodeConflict, "call again: your edit will be merged with it",
				"another session kept something meanwhile: the incumbent is %s now", wording.ShortCommit(now.Incumbent))
		}

		if err := requireIdle(co, tx, now); err != nil {
			return err
		}

		if err := revertWaiting(co, tx, now, session, proposal.Merges); err != nil {
			return err
		}

		if err := claimForProposal(co, tx, now, session, proposal); err != nil {
			return err
		}

		proposal.N = now.Experiments + 1
		_, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session,
			Kind: history.KindExperimentProposed, Body: proposal})

		return err
	})
}

// requireIdle refuses while an experiment of this checkout runs, or the head is being
// certified. Other checkouts' experiments are no hindrance: measuring takes turns.
func requireIdle(co *checkout.Checkout, tx *ledger.Tx, now *history.Campaign) error {
	for _, id := range now.Open {
		next := "wait_run{id: \"" + string(id) + "\"}, then call again"
		switch id.Kind() {
		case research.ExperimentJob:
			experiment, err := tx.Experiment(now.Name, id.N())
			if err != nil {
				return err
			}

			if experiment.Checkout == co.Repo.Root() {
				return research.Errorf(research.CodeBusy, next, "experiment %d is still running", experiment.N)
			}
		case research.CertificateJob:
			return research.Errorf(research.CodeBusy, next, "the certificate %s of the head is still running", id)
		}
	}

	return nil
}

// closableExperiment is this checkout's experiment that waits for keep or revert, nil if
// none. An improvement is not: it waits for its own decision.
func closableExperiment(co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign) (*history.Experiment, error) {
	experiment, err := co.WaitingExperiment(tx, c)
	if err == nil && experiment != nil && experiment.Judgement.Verdict == research.Improved {
		return nil, research.Errorf(research.CodeUnresolved,
			fmt.Sprintf("keep{id: \"x%d\"} (or revert{id: \"x%d\"} with a lesson)", experiment.N, experiment.N),
			"experiment %d improved the metric and waits for its decision", experiment.N)
	}

	return experiment, err
}

// revertWaiting reverts this checkout's experiment that waits for a decision. merging
// is the one whose edit the next experiment measures again, 0 for none.
func revertWaiting(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, session string, merging int,
) error {
	reversion := history.Reversion{N: merging, By: "merge"}
	if merging == 0 {
		experiment, err := closableExperiment(co, tx, campaign)
		if err != nil || experiment == nil {
			return err
		}
		reversion = history.Reversion{N: experiment.N, By: "next_run"}
	}
	_, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session, Kind: history.KindExperimentReverted,
		Body: reversion})

	return err
}

// proposeMergedAgain proposes the edit of a judged experiment again, merged with the
// incumbent that another session has kept since, and starts its worker. It always
// returns an error, since nothing is kept yet: CodeConflict once it is proposed.
func proposeMergedAgain(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, experiment *history.Experiment,
) error {
	if err := job.RequireMeasurable(co, campaign); err != nil {
		return err
	}

	tree, err := co.MergeTree(ctx, campaign, experiment.Parent, experiment.Candidate, experiment.Paths)
	if err != nil {
		return err
	}

	if tree == campaign.IncumbentTree {
		return research.Errorf(research.CodeNoChange, "revert{} brings the incumbent here",
			"another session kept the same change meanwhile")
	}

	// The same proposal on the newer incumbent; the checkout holds the edit as it was.
	proposal := experiment.Proposal
	proposal.Merges, proposal.Parent, proposal.Tree = experiment.N, campaign.Incumbent, tree
	proposal.Edited = cmp.Or(proposal.Edited, experiment.Candidate)

	proposal.Candidate, err = co.CommitCandidate(ctx, campaign, tree, wording.FirstLine(experiment.Hypothesis),
		campaign.Incumbent, experiment.Candidate)
	if err != nil {
		return err
	}

	if err := launchExperiment(ctx, co, campaign, &proposal); err != nil {
		return err
	}

	return research.Errorf(research.CodeConflict, fmt.Sprintf("wait_run{id: \"x%d\"}", proposal.N),
		"another session moved the incumbent to %s since: experiment %d is merged with it and measured again, as experiment %d",
		wording.ShortCommit(campaign.Incumbent), experiment.N, proposal.N)
}
