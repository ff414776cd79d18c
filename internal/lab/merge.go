package lab

import (
	"context"
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/internal/wording"
)

// proposeMergedAgain proposes the edit of a judged experiment again, merged with the
// incumbent that another session has kept since. Its error says so: nothing is
// kept yet.
func proposeMergedAgain(ctx context.Context, co *checkout.Checkout, c *history.Campaign, x *history.Experiment) error {
	if err := job.RequireMeasurable(co, c); err != nil {
		return err
	}

	tree, err := co.MergeTree(ctx, c, x.Parent, x.Candidate, x.Paths)
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

	if p.Candidate, err = co.CommitCandidate(ctx, c, tree, wording.FirstLine(x.Hypothesis), c.Incumbent,
		x.Candidate); err != nil {
		return err
	}

	if err := launchExperiment(ctx, co, c, &p); err != nil {
		return err
	}

	return research.Errorf(research.CodeConflict, fmt.Sprintf("wait_run{id: \"x%d\"}", p.N),
		"another session moved the incumbent to %s since: experiment %d is merged with it and measured again, as experiment %d", wording.ShortCommit(c.Incumbent), x.N, p.N)
}

// fastForward moves the checkout's branch to the incumbent, where another session
// has left it behind; no file changes.
func fastForward(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, head source.Head, paths []string,
) (source.Head, error) {
	if head.Commit == c.Incumbent {
		return head, nil
	}

	if err := refuseForeignCommits(ctx, co, c, head); err != nil {
		return head, err
	}

	if _, err := advanceRefs(ctx, co, c, head, head.Commit, c.Incumbent, paths); err != nil {
		return head, err
	}
	head.Commit = c.Incumbent

	return head, nil
}

// checkoutMerged puts what was kept into the checkout, whose file is the edit as it
// was before it was merged. What was edited on since is stored first.
func checkoutMerged(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, x *history.Experiment, commit string,
) (notes []string, err error) {
	saved, _, err := stashEdit(ctx, co, c, x, "keep")
	if err != nil {
		return nil, err
	}

	if saved != "" {
		notes = append(notes, "what was edited on meanwhile is stored as "+saved)
	}

	notes = append(notes, strings.Join(x.Paths, ", ")+" holds now what another session kept, too")
	more, err := restoreFiles(ctx, co, commit, x.Paths)

	return append(notes, more...), err
}
