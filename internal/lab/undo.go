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
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if len(campaign.KeptStack) == 0 || campaign.IncumbentOf == 0 {
		return nil, research.Errorf(research.CodeNotFound, "ratchet log lists the experiments", "no keep to undo in %q",
			campaign.Name)
	}

	if len(campaign.Open) > 0 || len(campaign.Unresolved) > 0 {
		return nil, research.Errorf(research.CodeBusy,
			"let it end, or end it with ratchet stop ID; then keep or revert", "an experiment is open")
	}

	var experiment *history.Experiment
	var tree string
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if experiment, err = tx.Experiment(campaign.Name, campaign.IncumbentOf); err != nil {
			return err
		}
		tree, err = treeBeforeKeep(tx, campaign)

		return err
	})
	if err != nil {
		return nil, err
	}

	head, err := co.RequireCampaignBranch(ctx, campaign)
	if err != nil {
		return nil, err
	}

	if head.Commit != campaign.Incumbent {
		return nil, research.Errorf(research.CodeConflict, "ratchet call revert brings it here",
			"this checkout does not stand on the incumbent %s", wording.ShortCommit(campaign.Incumbent))
	}

	saved, _, err := stashEdit(ctx, co, campaign, experiment, "undo")
	if err != nil {
		return nil, err
	}

	commit, err := co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{campaign.Incumbent},
		Message: fmt.Sprintf("undo: %s\n\nRatchet-Experiment: %s/%d\nRatchet-Undone: %s\n",
			wording.FirstLine(experiment.Hypothesis), campaign.Name, experiment.N, campaign.Incumbent)})
	if err != nil {
		return nil, err
	}

	// The record, then the refs, then the files.
	undoing := history.Undoing{N: experiment.N, Commit: commit, Was: campaign.Incumbent, Tree: tree,
		Branch: head.Branch}
	if err := recordUndo(ctx, co, campaign, undoing); err != nil {
		return nil, err
	}

	out := &Undone{Experiment: experiment.N, Commit: wording.ShortCommit(commit)}
	if saved != "" {
		out.Notes = append(out.Notes, "your edit is stored as "+saved)
	}

	notes, err := advanceRefs(ctx, co, campaign, head, campaign.Incumbent, commit, experiment.Paths)
	if err != nil {
		return nil, err
	}
	out.Notes = append(out.Notes, notes...)

	notes, err = restoreFiles(ctx, co, commit, experiment.Paths)
	out.Notes = append(out.Notes, notes...)

	return out, err
}

// treeBeforeKeep is the tree of the incumbent before the last keep.
func treeBeforeKeep(tx *ledger.Tx, campaign *history.Campaign) (string, error) {
	if campaign.Kept == 1 {
		return campaign.StartTree, nil
	}

	if len(campaign.KeptStack) < 2 {
		return "", research.Errorf(research.CodeNotFound, "git revert takes back older commits, outside the campaign",
			"no more keeps in a row can be undone")
	}

	experiment, err := tx.Experiment(campaign.Name, campaign.KeptStack[len(campaign.KeptStack)-2])
	if err != nil {
		return "", err
	}

	return experiment.Tree, nil
}

// recordUndo appends keep.undone by compare-and-swap on the incumbent.
func recordUndo(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, u history.Undoing) error {
	return co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		if now.Incumbent != u.Was {
			return research.Errorf(research.CodeConflict, "look again with ratchet log",
				"another session moved the incumbent meanwhile")
		}
		_, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session, Kind: history.KindKeepUndone,
			Body: u})

		return err
	})
}

// Undone is the answer to undo.
type Undone struct {
	Experiment int      `json:"experiment"`
	Commit     string   `json:"commit"`
	Notes      []string `json:"notes,omitempty"`
}
