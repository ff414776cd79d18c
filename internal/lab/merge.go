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

// rebase merges the experiment's edit with the newest incumbent, and builds it
// again. x is the experiment as it is then. reason says why that can't be done.
func (s *supervisor) rebase(
	ctx context.Context, c *history.Campaign, x *history.Experiment,
) (reason string, err error) {
	if x.Parent == c.Incumbent {
		return "", nil
	}

	tree, err := s.merged(ctx, c, x.Parent, x.Candidate, x.Paths)
	if isCode(err, research.CodeConflict) {
		e := research.Describe(err)
		return e.Msg + "; " + e.Next, nil
	}

	if err != nil {
		return "", err
	}

	if tree == c.IncumbentTree {
		return "another session kept the same change meanwhile: it is in the incumbent", nil
	}

	commit, err := s.candidate(ctx, c, tree, firstLine(x.Hypothesis), c.Incumbent, x.Candidate)
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

	update := source.RefUpdate{Name: ref(c.Name, "x", fmt.Sprint(x.N)), Old: was, New: commit}
	if err := s.repo.UpdateRefs(ctx, []source.RefUpdate{update}, "ratchet: merged with a newer incumbent"); err != nil {
		return "", err
	}

	return s.prepare(ctx, x)
}

// remeasure proposes the edit of a judged experiment again, merged with the
// incumbent that another session has kept since. Its error says so: nothing is
// kept yet.
func (l *Lab) remeasure(ctx context.Context, c *history.Campaign, x *history.Experiment) error {
	if err := l.mayMeasure(c); err != nil {
		return err
	}

	tree, err := l.merged(ctx, c, x.Parent, x.Candidate, x.Paths)
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

	if p.Candidate, err = l.candidate(ctx, c, tree, firstLine(x.Hypothesis), c.Incumbent, x.Candidate); err != nil {
		return err
	}

	if err := l.launch(ctx, c, &p); err != nil {
		return err
	}

	return research.Errorf(research.CodeConflict, fmt.Sprintf("wait_run{id: \"x%d\"}", p.N),
		"another session moved the incumbent to %s since: experiment %d is merged with it and measured again, as experiment %d", short(c.Incumbent), x.N, p.N)
}

// bringUp moves the checkout's branch to the incumbent, where another session
// has left it behind; no file changes.
func (l *Lab) bringUp(
	ctx context.Context, c *history.Campaign, head source.Head, paths []string,
) (source.Head, error) {
	if head.Commit == c.Incumbent {
		return head, nil
	}

	if err := l.ours(ctx, c, head); err != nil {
		return head, err
	}

	if _, err := l.moveTo(ctx, c, head, head.Commit, c.Incumbent, paths); err != nil {
		return head, err
	}
	head.Commit = c.Incumbent

	return head, nil
}

// bringMerged puts what was kept into the checkout, whose file is the edit as it
// was before it was merged. What was edited on since is stored first.
func (l *Lab) bringMerged(
	ctx context.Context, c *history.Campaign, x *history.Experiment, commit string,
) (notes []string, err error) {
	saved, _, err := l.putAside(ctx, c, x, "keep")
	if err != nil {
		return nil, err
	}

	if saved != "" {
		notes = append(notes, "what was edited on meanwhile is stored as "+saved)
	}

	notes = append(notes, strings.Join(x.Paths, ", ")+" holds now what another session kept, too")
	more, err := l.restore(ctx, commit, x.Paths)

	return append(notes, more...), err
}

// campaignNow is the campaign as it is at this moment.
func (s *supervisor) campaignNow(ctx context.Context) (c *history.Campaign, err error) {
	err = s.ledger.View(ctx, func(tx *ledger.Tx) error {
		c, err = tx.Campaign(s.campaign)
		return err
	})

	return c, err
}
