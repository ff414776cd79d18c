package lab

import (
	"cmp"
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

// stashEdit stores the edited files under refs/ratchet/<name>/saved/<n> when
// their content is neither the candidate's nor the incumbent's, and returns
// that ref, else "". heldBy is the commit of the experiment or the campaign that holds the
// content already, "" where none does. x may be nil.
func stashEdit(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, experiment *history.Experiment, why string,
) (saved, heldBy string, err error) {
	edit := checkout.EditedFiles(campaign.ProgramPath, campaign.Program)

	known := []string{campaign.Incumbent}
	if experiment != nil {
		known = append(known, experiment.Candidate)
		if experiment.Edited != "" {
			known = append(known, experiment.Edited)
		}
	}

	heldBy, err = co.Repo.FirstMatching(ctx, known, edit)
	if err != nil || heldBy != "" {
		return "", heldBy, err
	}

	// Files that were deleted have nothing to save.
	present := slices.DeleteFunc(slices.Clone(edit), func(f string) bool {
		_, err := os.Lstat(filepath.Join(co.Repo.Root(), filepath.FromSlash(f)))
		return err != nil
	})
	if len(present) == 0 {
		return "", "", nil
	}

	tree, err := co.Repo.Snapshot(ctx, campaign.Incumbent, present)
	if err != nil {
		return "", "", err
	}
	saved, err = saveFiles(ctx, co, campaign, tree, present, why)

	return saved, "", err
}

// saveFiles records that files are saved, then makes the ref that holds them, and
// returns its name.
func saveFiles(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, tree string, paths []string, why string,
) (string, error) {
	commit, err := co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{campaign.Incumbent},
		Message: fmt.Sprintf("saved before %s\n\nRatchet-Campaign: %s\n", why, campaign.Name)})
	if err != nil {
		return "", err
	}
	var name string

	err = co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		name = checkout.RefName(campaign.Name, "saved", fmt.Sprint(now.Saved+1))
		_, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session, Kind: history.KindFileSaved,
			Body: history.Saving{Number: now.Saved + 1, Ref: name, Commit: commit, Paths: paths,
				Checkout: co.Repo.Root(), Why: why}})

		return err
	})
	if err != nil {
		return "", err
	}

	return name, co.Repo.UpdateRefs(ctx, []source.RefUpdate{{Name: name, New: commit}}, "ratchet: saved before "+why)
}

// advanceRefs lets the incumbent's ref and this checkout's branch follow the ledger
// from commit was to commit. The index entries of paths are refreshed before that: a
// call that dies in between still shows by the branch that it is not done.
// The branch moves only if it belongs to the campaign and stood at was; else a note
// says so.
func advanceRefs(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, head source.Head, was, commit string,
	paths []string,
) (notes []string, err error) {
	var updates []source.RefUpdate

	moved, note, err := checkout.MoveIncumbent(ctx, co, campaign, was, commit)
	if err != nil {
		return nil, err
	}

	if moved != nil {
		updates = append(updates, *moved)
	}

	if co.IsCampaignBranch(campaign, head.Branch) && head.Commit == was {
		updates = append(updates, source.RefUpdate{Name: head.Branch, New: commit, Old: was})

		if notes, err = refreshIndex(ctx, co, commit, paths); err != nil {
			return nil, err
		}
	} else {
		notes = append(notes, fmt.Sprintf("%s stays at %s: it is not where the campaign left it; the incumbent is %s",
			cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), "HEAD"), wording.ShortCommit(head.Commit),
			wording.ShortCommit(commit)))
	}

	if note != "" {
		notes = append(notes, note)
	}

	return notes, co.Repo.UpdateRefs(ctx, updates, "ratchet: "+campaign.Name)
}

// refuseForeignCommits refuses to go on when the checkout's branch of the campaign holds commits
// that Ratchet did not make: moving it would lose them.
func refuseForeignCommits(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, head source.Head,
) error {
	if !co.IsCampaignBranch(campaign, head.Branch) || head.Commit == campaign.Incumbent {
		return nil
	}

	behind, err := co.Repo.IsAncestor(ctx, head.Commit, campaign.Incumbent)
	if err != nil || behind {
		return err
	}
	branch := strings.TrimPrefix(head.Branch, "refs/heads/")

	return research.Errorf(research.CodeConflict,
		fmt.Sprintf("give them a branch of their own: git branch my-%[1]s && git reset --keep %[2]s; to measure on top of them, a new campaign: %[3]s && git merge my-%[1]s, then start_campaign with another name",
			campaign.Name, wording.ShortCommit(campaign.Incumbent), checkout.SwitchCommand(campaign.Origin)),
		"%s holds commits that are not the campaign's (at %s): the incumbent is %s", branch,
		wording.ShortCommit(head.Commit), wording.ShortCommit(campaign.Incumbent))
}

// restoreFiles writes commit's content of paths into the work tree and the index. The
// index entry goes too: it may hold a staged edit, and git takes a file whose
// size is not the entry's for changed, even where line endings are converted.
func restoreFiles(
	ctx context.Context, co *checkout.Checkout, commit string, paths []string,
) (notes []string, err error) {
	for _, f := range paths {
		if err := co.Repo.Restore(ctx, commit, f); err != nil {
			return nil, err
		}
	}

	return refreshIndex(ctx, co, commit, paths)
}

// refreshIndex makes the index hold what commit has at paths. An index that another
// git process has locked is a note, not an error.
func refreshIndex(
	ctx context.Context, co *checkout.Checkout, commit string, paths []string,
) (notes []string, err error) {
	locked, err := co.Repo.RefreshIndex(ctx, commit, paths)
	if locked {
		notes = append(notes, fmt.Sprintf(
			"the index is locked by another git process: `git status` may show %s as changed until you `git add` it",
			strings.Join(paths, ", ")))
	}

	return notes, err
}

// finishKeep completes a keep that was recorded by this checkout but whose refs
// were not moved, since its process died between the two. finished is false when
// there is none.
func finishKeep(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, head source.Head,
) (finished bool, err error) {
	if campaign.IncumbentOf == 0 {
		return false, nil
	}
	var experiment *history.Experiment

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		experiment, err = tx.Experiment(campaign.Name, campaign.IncumbentOf)
		return err
	})
	if err != nil || experiment.Parent != head.Commit || experiment.KeptOn != head.Branch {
		return false, err
	}
	_, err = advanceRefs(ctx, co, campaign, head, head.Commit, campaign.Incumbent, experiment.Paths)

	return err == nil, err
}

// fastForward moves the checkout's branch to the incumbent, where another session
// has left it behind; no file changes.
func fastForward(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, head source.Head, paths []string,
) (source.Head, error) {
	if head.Commit == campaign.Incumbent {
		return head, nil
	}

	if err := refuseForeignCommits(ctx, co, campaign, head); err != nil {
		return head, err
	}

	if _, err := advanceRefs(ctx, co, campaign, head, head.Commit, campaign.Incumbent, paths); err != nil {
		return head, err
	}
	head.Commit = campaign.Incumbent

	return head, nil
}

// checkoutMerged puts what was kept into the checkout, whose files are the edit as it
// was before it was merged. What was edited on since is stored first.
func checkoutMerged(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, experiment *history.Experiment, commit string,
) (notes []string, err error) {
	saved, _, err := stashEdit(ctx, co, c, experiment, "keep")
	if err != nil {
		return nil, err
	}

	if saved != "" {
		notes = append(notes, "your edits since then are saved as "+saved)
	}
	notes = append(notes, strings.Join(experiment.Paths, ", ")+" now also holds what another session kept")

	more, err := restoreFiles(ctx, co, commit, experiment.Paths)

	return append(notes, more...), err
}
