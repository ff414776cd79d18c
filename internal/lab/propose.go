package lab

import (
	"context"
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// requireNewEdit refuses a tree that is the incumbent's, or that was judged already
// against this incumbent. It returns what is only like p.
func requireNewEdit(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, p *history.Proposal,
) (alike []string, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if p.Tree == c.IncumbentTree {
			return research.Errorf(research.CodeNoChange, "edit the file first",
				"%s equals the incumbent's", strings.Join(p.Paths, ", "))
		}

		if n, ok := tx.Judged(c.Name, c.Incumbent, p.Tree); ok {
			if err := refuseJudged(co, tx, c, n); err != nil {
				return err
			}
		}
		alike, err = findSimilarProposals(co, tx, c, p)

		return err
	})

	return alike, err
}

// refuseJudged refuses the very content of experiment n, unless that was good
// and was reverted: it may be had back, for the price of its runs.
func refuseJudged(co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, n int) error {
	x, err := tx.Experiment(c.Name, n)
	if err != nil {
		return err
	}

	ok, _, _ := history.Keepable(*x)
	if ok && x.Status == research.Reverted {
		return nil
	}

	next := fmt.Sprintf("try something else; read_log{view: \"experiment\", query: \"%d\"} shows it", n)
	if ok && x.Status == research.Unresolved {
		next = fmt.Sprintf("keep{id: \"x%d\"}: it waits for that", n)
	}

	return research.Errorf(research.CodeDuplicate, next,
		"experiment %d judged this very content against this incumbent: %s", n, x.Judgement.Describe(c.Program.Metric))
}

// recordProposal appends experiment.proposed, and closes as reverted what this
// checkout's last experiment left open. It checks again, inside the
// transaction, everything that another session may have changed meanwhile, and
// claims the idea. p.N and p.Fence are set.
func recordProposal(ctx context.Context, co *checkout.Checkout, c *history.Campaign, p *history.Proposal) error {
	return co.UpdateCampaign(ctx, c.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		if err := checkout.RequireBudget(now); err != nil {
			return err
		}

		if now.Incumbent != p.Parent {
			return research.Errorf(research.CodeConflict, "call again: your edit will be merged with it",
				"another session kept something meanwhile: the incumbent is %s now", wording.ShortCommit(now.Incumbent))
		}

		if err := requireIdle(co, tx, now); err != nil {
			return err
		}

		if err := revertWaiting(co, tx, now, session, p.Merges); err != nil {
			return err
		}

		if err := claimForProposal(co, tx, now, session, p); err != nil {
			return err
		}
		p.N = now.Experiments + 1
		_, err := tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindExperimentProposed,
			Body: p})

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
			x, err := tx.Experiment(now.Name, id.N())
			if err != nil {
				return err
			}

			if x.Checkout == co.Repo.Root() {
				return research.Errorf(research.CodeBusy, next, "experiment %d is still running", x.N)
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
	x, err := co.WaitingExperiment(tx, c)
	if err == nil && x != nil && x.Judgement.Verdict == research.Improved {
		return nil, research.Errorf(research.CodeUnresolved,
			fmt.Sprintf("keep{id: \"x%d\"} (or revert{id: \"x%d\"} with a lesson)", x.N, x.N),
			"experiment %d improved the metric and waits for its decision", x.N)
	}

	return x, err
}

// revertWaiting reverts this checkout's experiment that waits; merging names the
// one whose edit the next experiment measures again.
func revertWaiting(co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, session string, merging int) error {
	by := history.Reversion{N: merging, By: "merge"}
	if merging == 0 {
		x, err := closableExperiment(co, tx, c)
		if err != nil || x == nil {
			return err
		}
		by = history.Reversion{N: x.N, By: "next_run"}
	}
	_, err := tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindExperimentReverted,
		Body: by})

	return err
}
