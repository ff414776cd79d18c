package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// snapshotCandidate makes the candidate: the incumbent's tree with the checkout's edited
// files, as a commit that no branch holds. Where another session has moved the
// incumbent since, the edit is merged with it. No file, index or HEAD is touched.
// alike tells of experiments that seem to have tried the same.
func snapshotCandidate(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, req ExperimentRequest,
) (p *history.Proposal, alike []string, err error) {
	edit := checkout.EditedFiles(c.ProgramPath, c.Program)

	base, err := baseCommit(ctx, co, c)
	if err != nil {
		return nil, nil, err
	}

	added, removed, err := requireScope(ctx, co, c, base, edit)
	if err != nil {
		return nil, nil, err
	}

	tree, err := co.Repo.Snapshot(ctx, base, edit)
	if err != nil {
		return nil, nil, err
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(req.Hypothesis), "\n")

	p = &history.Proposal{Hypothesis: strings.TrimSpace(req.Hypothesis), Expect: req.Expect, Idea: req.Idea,
		Parent: c.Incumbent, Tree: tree, Paths: edit, Added: added, Removed: removed, Checkout: co.Repo.Root()}
	if p.Diff, err = digestEdit(ctx, co, base, tree, edit); err != nil {
		return nil, nil, err
	}

	parents := []string{c.Incumbent}
	if base != c.Incumbent {
		if p.Edited, err = co.CommitCandidate(ctx, c, tree, subject, base); err != nil {
			return nil, nil, err
		}

		if p.Tree, err = co.MergeTree(ctx, c, base, p.Edited, edit); err != nil {
			return nil, nil, err
		}
		parents = append(parents, p.Edited)
	}

	if alike, err = requireNewEdit(ctx, co, c, p); err != nil {
		return nil, nil, err
	}
	p.Candidate, err = co.CommitCandidate(ctx, c, p.Tree, subject, parents...)

	return p, alike, err
}

// requireScope refuses when a tracked file other than the edited ones and the
// program (whose contract is checked by itself) differs from base, the
// incumbent that the checkout stands on, or
// an edited one is a plain file no longer. It returns the lines that the edit
// adds and removes.
func requireScope(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, base string, edit []string,
) (added, removed int, err error) {
	for _, f := range edit {
		info, err := os.Lstat(filepath.Join(co.Repo.Root(), filepath.FromSlash(f)))
		if err == nil && !info.Mode().IsRegular() {
			return 0, 0, research.Errorf(research.CodeScope, "remove it, then call revert",
				"%s is no plain file any more", f)
		}
	}

	changes, err := co.Repo.Changes(ctx, base)
	if err != nil {
		return 0, 0, err
	}
	var out, paths []string
	remark := ""

	for _, ch := range changes {
		if slices.Contains(edit, ch.Path) {
			if ch.Kind == "deleted" || ch.Kind == "type" {
				return 0, 0, research.Errorf(research.CodeScope, "write it again, or call revert",
					"%s is no plain file any more (%s)", ch.Path, ch.Kind)
			}
			added, removed = added+ch.Added, removed+ch.Removed
		} else if ch.Path != c.ProgramPath {
			out, paths = append(out, fmt.Sprintf("%s (%s)", ch.Path, ch.Kind)), append(paths,
				wording.ShellQuote(":/"+ch.Path))
			if ch.Kind == "mode" { // nobody may remember having done it
				remark = "; where runs see copies, a run can change the modes of your files"
			}
		}
	}

	if len(out) == 0 {
		return added, removed, nil
	}
	shown := min(len(out), 20)

	list, which := strings.Join(out[:shown], ", "), strings.Join(paths[:shown], " ")
	if n := len(out) - shown; n > 0 {
		list, which = fmt.Sprintf("%s and %d more", list, n), "PATH"
	}

	return 0, 0, research.Errorf(research.CodeScope,
		fmt.Sprintf("put them back (git restore --source=%s --staged --worktree -- %s); only %s may change%s",
			wording.ShortCommit(c.Incumbent), which, strings.Join(edit, ", "), remark),
		"files outside the scope differ from the incumbent: %s", list)
}

// baseCommit is the commit of the campaign that this checkout stands on: the
// incumbent, or an earlier one where another session has moved it since.
func baseCommit(ctx context.Context, co *checkout.Checkout, c *history.Campaign) (string, error) {
	head, err := co.RequireCampaignBranch(ctx, c)
	if err != nil || head.Commit == c.Incumbent {
		return c.Incumbent, err
	}

	if healed, err := finishKeep(ctx, co, c, head); healed || err != nil {
		return c.Incumbent, err
	}

	return head.Commit, refuseForeignCommits(ctx, co, c, head)
}

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
		"experiment %d judged this very content against this incumbent: %s", n, x.Judgement.Words(c.Program.Metric))
}
