package lab

import (
	"context"
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// Undo takes the last keep back by a new commit with the older tree: nothing
// is reset. An edit under way is stored first. Errors: CodeNotFound when no keep is
// left to undo; CodeBusy; CodeConflict when this checkout does not stand on the
// incumbent.
func Undo(ctx context.Context, co *checkout.Checkout) (*Undone, error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if len(c.KeptStack) == 0 || c.IncumbentOf == 0 {
		return nil, research.Errorf(research.CodeNotFound, "ratchet log lists the experiments", "no keep to undo in %q",
			c.Name)
	}

	if len(c.Open) > 0 || len(c.Unresolved) > 0 {
		return nil, research.Errorf(research.CodeBusy,
			"let it end, or end it with ratchet stop ID; then keep or revert", "an experiment is open")
	}

	var x *history.Experiment
	var tree string
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if x, err = tx.Experiment(c.Name, c.IncumbentOf); err != nil {
			return err
		}
		tree, err = treeBeforeKeep(tx, c)

		return err
	})
	if err != nil {
		return nil, err
	}

	head, err := co.RequireCampaignBranch(ctx, c)
	if err != nil {
		return nil, err
	}

	if head.Commit != c.Incumbent {
		return nil, research.Errorf(research.CodeConflict, "ratchet call revert brings it here",
			"this checkout does not stand on the incumbent %s", wording.ShortCommit(c.Incumbent))
	}

	saved, _, err := stashEdit(ctx, co, c, x, "undo")
	if err != nil {
		return nil, err
	}

	commit, err := co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{c.Incumbent},
		Message: fmt.Sprintf("undo: %s\n\nRatchet-Experiment: %s/%d\nRatchet-Undone: %s\n",
			wording.FirstLine(x.Hypothesis), c.Name, x.N, c.Incumbent)})
	if err != nil {
		return nil, err
	}

	// The record, then the refs, then the files.
	undoing := history.Undoing{N: x.N, Commit: commit, Was: c.Incumbent, Tree: tree, Branch: head.Branch}
	if err := recordUndo(ctx, co, c, undoing); err != nil {
		return nil, err
	}

	out := &Undone{Experiment: x.N, Commit: wording.ShortCommit(commit)}
	if saved != "" {
		out.Notes = append(out.Notes, "your edit is stored as "+saved)
	}

	notes, err := advanceRefs(ctx, co, c, head, c.Incumbent, commit, x.Paths)
	if err != nil {
		return nil, err
	}
	out.Notes = append(out.Notes, notes...)

	notes, err = restoreFiles(ctx, co, commit, x.Paths)
	out.Notes = append(out.Notes, notes...)

	return out, err
}

// treeBeforeKeep is the tree of the incumbent before the last keep.
func treeBeforeKeep(tx *ledger.Tx, c *history.Campaign) (string, error) {
	if c.Kept == 1 {
		return c.StartTree, nil
	}

	if len(c.KeptStack) < 2 {
		return "", research.Errorf(research.CodeNotFound, "git revert takes back older commits, outside the campaign",
			"no more keeps in a row can be undone")
	}

	x, err := tx.Experiment(c.Name, c.KeptStack[len(c.KeptStack)-2])
	if err != nil {
		return "", err
	}

	return x.Tree, nil
}

// recordUndo appends keep.undone by compare-and-swap on the incumbent.
func recordUndo(ctx context.Context, co *checkout.Checkout, c *history.Campaign, u history.Undoing) error {
	return co.UpdateCampaign(ctx, c.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		if now.Incumbent != u.Was {
			return research.Errorf(research.CodeConflict, "look again with ratchet log",
				"another session moved the incumbent meanwhile")
		}
		_, err := tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindKeepUndone, Body: u})

		return err
	})
}

// Undone is the answer to undo.
type Undone struct {
	Experiment int      `json:"experiment"`
	Commit     string   `json:"commit"`
	Notes      []string `json:"notes,omitempty"`
}
