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
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// snapshotCandidate makes the candidate: the incumbent's tree with the checkout's edited
// files, as a commit that no branch holds. Where another session has moved the
// incumbent since, the edit is merged with it. No file, index or HEAD is touched.
// alike tells of experiments that seem to have tried the same.
func snapshotCandidate(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, req ExperimentRequest,
) (proposal *history.Proposal, alike []string, err error) {
	edit := checkout.EditedFiles(campaign.ProgramPath, campaign.Program)

	// What was edited, from which commit on.
	base, err := baseCommit(ctx, co, campaign)
	if err != nil {
		return nil, nil, err
	}

	added, removed, err := requireScope(ctx, co, campaign, base, edit)
	if err != nil {
		return nil, nil, err
	}

	tree, err := co.Repo.Snapshot(ctx, base, edit)
	if err != nil {
		return nil, nil, err
	}

	hypothesis := strings.TrimSpace(req.Hypothesis)
	subject, _, _ := strings.Cut(hypothesis, "\n")

	proposal = &history.Proposal{Hypothesis: hypothesis, Expect: req.Expect, Idea: req.Idea, Parent: campaign.Incumbent,
		Tree: tree, Paths: edit, Added: added, Removed: removed, Checkout: co.Repo.Root()}
	if proposal.Diff, err = digestEdit(ctx, co, base, tree, edit); err != nil {
		return nil, nil, err
	}

	// On a newer incumbent the candidate is the merge, with the edit as a second parent.
	parents := []string{campaign.Incumbent}
	if base != campaign.Incumbent {
		if proposal.Edited, err = co.CommitCandidate(ctx, campaign, tree, subject, base); err != nil {
			return nil, nil, err
		}

		if proposal.Tree, err = co.MergeTree(ctx, campaign, base, proposal.Edited, edit); err != nil {
			return nil, nil, err
		}
		parents = append(parents, proposal.Edited)
	}

	if alike, err = requireNewEdit(ctx, co, campaign, proposal); err != nil {
		return nil, nil, err
	}
	proposal.Candidate, err = co.CommitCandidate(ctx, campaign, proposal.Tree, subject, parents...)

	return proposal, alike, err
}

// requireScope refuses when a tracked file other than the edited ones and the
// program differs from base, the commit that the checkout stands on, or when an
// edited one is not a plain file any more. (The program's contract is checked by
// RequireAcceptedContract.) It returns the lines that the edit adds and removes.
func requireScope(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, base string, edit []string,
) (added, removed int, err error) {
	for _, f := range edit {
		info, err := os.Lstat(filepath.Join(co.Repo.Root(), filepath.FromSlash(f)))
		if err == nil && !info.Mode().IsRegular() {
			return 0, 0, research.Errorf(research.CodeScope, "remove it, then call revert",
				"%s is not a regular file any more", f)
		}
	}

	changes, err := co.Repo.Changes(ctx, base)
	if err != nil {
		return 0, 0, err
	}
	var outside []source.Change

	for _, ch := range changes {
		switch {
		case slices.Contains(edit, ch.Path):
			if ch.Kind == "deleted" || ch.Kind == "type" {
				return 0, 0, research.Errorf(research.CodeScope, "write it again, or call revert",
					"%s is not a regular file any more (%s)", ch.Path, ch.Kind)
			}
			added += ch.Added
			removed += ch.Removed
		case ch.Path != campaign.ProgramPath:
			outside = append(outside, ch)
		}
	}

	if len(outside) > 0 {
		return 0, 0, outsideScopeError(campaign, edit, outside)
	}

	return added, removed, nil
}

// baseCommit is the commit of the campaign that this checkout stands on: the
// incumbent, or an earlier one where another session has moved it since.
func baseCommit(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign) (string, error) {
	head, err := co.RequireCampaignBranch(ctx, campaign)
	if err != nil || head.Commit == campaign.Incumbent {
		return campaign.Incumbent, err
	}

	if healed, err := finishKeep(ctx, co, campaign, head); healed || err != nil {
		return campaign.Incumbent, err
	}

	return head.Commit, refuseForeignCommits(ctx, co, campaign, head)
}

// requireNewEdit refuses a tree that is the incumbent's (CodeNoChange), or that was
// judged already against this incumbent (CodeDuplicate). It returns what is only
// like p.
func requireNewEdit(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, proposal *history.Proposal,
) (alike []string, err error) {
	if proposal.Tree == campaign.IncumbentTree {
		return nil, research.Errorf(research.CodeNoChange, "edit the file first",
			"%s equals the incumbent's", strings.Join(proposal.Paths, ", "))
	}

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if n, ok := tx.Judged(campaign.Name, campaign.Incumbent, proposal.Tree); ok {
			if err := refuseJudged(tx, campaign, n); err != nil {
				return err
			}
		}
		alike, err = findSimilarProposals(tx, campaign, proposal)

		return err
	})

	return alike, err
}

// refuseJudged refuses the very content of experiment n, unless that was good
// and was reverted: it may be had back, for the price of its runs.
func refuseJudged(tx *ledger.Tx, campaign *history.Campaign, n int) error {
	experiment, err := tx.Experiment(campaign.Name, n)
	if err != nil {
		return err
	}

	ok, _, _ := history.Keepable(*experiment)
	if ok && experiment.Status == research.Reverted {
		return nil
	}

	next := fmt.Sprintf("try something else; read_log{view: \"experiment\", query: \"%d\"} shows it", n)
	if ok && experiment.Status == research.Unresolved {
		next = fmt.Sprintf("keep{id: \"x%d\"}: it is not decided yet, and may be kept", n)
	}

	return research.Errorf(research.CodeDuplicate, next,
		"experiment %d judged the same content against this incumbent: %s", n,
		experiment.Judgement.Describe(campaign.Program.Metric))
}

// outsideScopeError names the first 20 changes and the command that takes them back.
func outsideScopeError(campaign *history.Campaign, edit []string, outside []source.Change) error {
	var names, paths []string
	remark := ""

	for _, ch := range outside {
		names = append(names, fmt.Sprintf("%s (%s)", ch.Path, ch.Kind))
		paths = append(paths, wording.ShellQuote(":/"+ch.Path))

		if ch.Kind == "mode" { // nobody may remember having done it
			remark = "; where runs see copies, a run can change the modes of your files"
		}
	}

	shown := min(len(names), 20)
	list, which := strings.Join(names[:shown], ", "), strings.Join(paths[:shown], " ")

	if more := len(names) - shown; more > 0 {
		list, which = fmt.Sprintf("%s and %d more", list, more), "PATH"
	}

	return research.Errorf(research.CodeScope,
		fmt.Sprintf("put them back (git restore --source=%s --staged --worktree -- %s); only %s may change%s",
			wording.ShortCommit(campaign.Incumbent), which, strings.Join(edit, ", "), remark),
		"files outside the scope differ from the incumbent: %s", list)
}
