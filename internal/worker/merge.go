package worker

import (
	"context"
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// This file is what happens when another session moves the incumbent: an
// experiment that has not been judged is merged with it and measured anew
// (rebase); one that has been, when it is kept (remeasure).

// mergeOntoIncumbent merges the experiment's edit with the newest incumbent, and builds it
// again. x is the experiment as it is then. reason says why that can't be done.
func (s *worker) mergeOntoIncumbent(
	ctx context.Context, c *history.Campaign, x *history.Experiment,
) (reason string, err error) {
	if x.Parent == c.Incumbent {
		return "", nil
	}

	tree, err := s.MergeTree(ctx, c, x.Parent, x.Candidate, x.Paths)
	if research.HasCode(err, research.CodeConflict) {
		e := research.Describe(err)
		return e.Msg + "; " + e.Next, nil
	}

	if err != nil {
		return "", err
	}

	if tree == c.IncumbentTree {
		return "another session kept the same change meanwhile: it is in the incumbent", nil
	}

	commit, err := s.CommitCandidate(ctx, c, tree, wording.FirstLine(x.Hypothesis), c.Incumbent, x.Candidate)
	if err != nil {
		return "", err
	}

	was := x.Candidate
	if _, err := s.Ledger.Append(ctx, history.Entry{Campaign: c.Name, Session: s.session,
		Kind: history.KindExperimentRebased, Body: history.Rebasing{N: x.N, Parent: c.Incumbent, Candidate: commit,
			Tree: tree}}); err != nil {
		return "", err
	}
	x.Parent, x.Candidate, x.Tree = c.Incumbent, commit, tree

	update := source.RefUpdate{Name: checkout.RefName(c.Name, "x", fmt.Sprint(x.N)), Old: was, New: commit}
	if err := s.Repo.UpdateRefs(ctx, []source.RefUpdate{update}, "ratchet: merged with a newer incumbent"); err != nil {
		return "", err
	}

	return s.prepareVersions(ctx, x)
}

// readCampaign is the campaign as it is at this moment.
func (s *worker) readCampaign(ctx context.Context) (c *history.Campaign, err error) {
	err = s.Ledger.View(ctx, func(tx *ledger.Tx) error {
		c, err = tx.Campaign(s.campaign)
		return err
	})

	return c, err
}
