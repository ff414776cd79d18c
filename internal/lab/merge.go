package lab

import (
	"context"
	"fmt"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
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

	tree, err := s.mergeTree(ctx, c, x.Parent, x.Candidate, x.Paths)
	if hasCode(err, research.CodeConflict) {
		e := research.Describe(err)
		return e.Msg + "; " + e.Next, nil
	}

	if err != nil {
		return "", err
	}

	if tree == c.IncumbentTree {
		return "another session kept the same change meanwhile: it is in the incumbent", nil
	}

	commit, err := s.commitCandidate(ctx, c, tree, firstLine(x.Hypothesis), c.Incumbent, x.Candidate)
	if err != nil {
		return "", err
	}

	was := x.Candidate
	if _, err := s.ledger.Append(ctx, history.Entry{Campaign: c.Name, Session: s.session,
		Kind: history.KindExperimentRebased, Body: history.Rebasing{N: x.N, Parent: c.Incumbent, Candidate: commit,
			Tree: tree}}); err != nil {
		return "", err
	}
	x.Parent, x.Candidate, x.Tree = c.Incumbent, commit, tree

	update := source.RefUpdate{Name: refName(c.Name, "x", fmt.Sprint(x.N)), Old: was, New: commit}
	if err := s.repo.UpdateRefs(ctx, []source.RefUpdate{update}, "ratchet: merged with a newer incumbent"); err != nil {
		return "", err
	}

	return s.prepareVersions(ctx, x)
}

// proposeMergedAgain proposes the edit of a judged experiment again, merged with the
// incumbent that another session has kept since. Its error says so: nothing is
// kept yet.
func (l *Lab) proposeMergedAgain(ctx context.Context, c *history.Campaign, x *history.Experiment) error {
	if err := l.requireMeasurable(c); err != nil {
		return err
	}

	tree, err := l.mergeTree(ctx, c, x.Parent, x.Candidate, x.Paths)
	if err != nil {
		return err
	}

	if tree == c.IncumbentTree {
		return research.Errorf(research.CodeNoChange, "revert{} brings the incumbent here",
			"another session kept the same change meanwhile")
	}
	p := x.Proposal

	p.Merges, p.Parent, p.Tree = x.N, c.Incumbent, tree
	if p.Edited == "" {
		p.Edited = x.Candidate
	}

	if p.Candidate, err = l.commitCandidate(ctx, c, tree, firstLine(x.Hypothesis), c.Incumbent,
		x.Candidate); err != nil {
		return err
	}

	if err := l.launchExperiment(ctx, c, &p); err != nil {
		return err
	}

	return research.Errorf(research.CodeConflict, fmt.Sprintf("wait_run{id: \"x%d\"}", p.N),
		"another session moved the incumbent to %s since: experiment %d is merged with it and measured again, as experiment %d", shortCommit(c.Incumbent), x.N, p.N)
}

// fastForward moves the checkout's branch to the incumbent, where another session
// has left it behind; no file changes.
func (l *Lab) fastForward(
	ctx context.Context, c *history.Campaign, head source.Head, paths []string,
) (source.Head, error) {
	if head.Commit == c.Incumbent {
		return head, nil
	}

	if err := l.refuseForeignCommits(ctx, c, head); err != nil {
		return head, err
	}

	if _, err := l.advanceRefs(ctx, c, head, head.Commit, c.Incumbent, paths); err != nil {
		return head, err
	}
	head.Commit = c.Incumbent

	return head, nil
}

// checkoutMerged puts what was kept into the checkout, whose file is the edit as it
// was before it was merged. What was edited on since is stored first.
func (l *Lab) checkoutMerged(
	ctx context.Context, c *history.Campaign, x *history.Experiment, commit string,
) (notes []string, err error) {
	saved, _, err := l.stashEdit(ctx, c, x, "keep")
	if err != nil {
		return nil, err
	}

	if saved != "" {
		notes = append(notes, "what was edited on meanwhile is stored as "+saved)
	}

	notes = append(notes, strings.Join(x.Paths, ", ")+" holds now what another session kept, too")
	more, err := l.restoreFiles(ctx, commit, x.Paths)

	return append(notes, more...), err
}

// readCampaign is the campaign as it is at this moment.
func (s *worker) readCampaign(ctx context.Context) (c *history.Campaign, err error) {
	err = s.ledger.View(ctx, func(tx *ledger.Tx) error {
		c, err = tx.Campaign(s.campaign)
		return err
	})

	return c, err
}
