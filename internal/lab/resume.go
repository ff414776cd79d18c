package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// resumeCampaign brings the checkout to the campaign, finishing what a dead process
// left undone.
func resumeCampaign(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign,
	doc *checkout.ProgramDocument, head source.Head,
) (*Started, error) {
	if campaign.ProgramPath != doc.Path {
		return nil, research.Errorf(research.CodeProgram,
			fmt.Sprintf("give %s another `name:`, or call start_campaign with a name", doc.Path),
			"two programs are named %q: %s and %s", campaign.Name, campaign.ProgramPath, doc.Path)
	}

	if err := checkout.RequireOwnCampaign(ctx, co, campaign); err != nil {
		return nil, err
	}

	if campaign.Ended != "" {
		return nil, research.Errorf(research.CodeEnded, "call start_campaign with another name",
			"the campaign %q has ended: %s", campaign.Name, campaign.Ended)
	}

	if err := checkout.RequireCommits(ctx, co, campaign); err != nil {
		return nil, err
	}

	if err := repairRefs(ctx, co, campaign); err != nil {
		return nil, err
	}
	var notes []string

	if doc.Digest != campaign.Digest {
		notes = append(notes,
			"the front matter differs from the accepted contract: no run starts until a person runs `ratchet accept`")
	}

	switch {
	case !co.IsCampaignBranch(campaign, head.Branch):
		moved, err := switchToCampaign(ctx, co, campaign, doc, head)
		if err != nil {
			return nil, err
		}
		notes = append(notes, moved...)
	case head.Commit != campaign.Incumbent:
		finished, err := finishKeep(ctx, co, campaign, head)
		if err != nil {
			return nil, err
		}

		var foreign *research.Error
		switch err := refuseForeignCommits(ctx, co, campaign, head); {
		case finished:
		case errors.As(err, &foreign):
			notes = append(notes, foreign.Msg+"; "+foreign.Next)
		default:
			notes = append(notes, "another session moved the incumbent: call revert first, it brings it here")
		}
	}

	return startCalibration(ctx, co, campaign.Name, doc, true, notes)
}

// repairRefs makes the campaign's refs say again what the ledger says, where a
// process died between the two or somebody removed them: the start, the
// incumbent, and the latest candidates.
func repairRefs(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign) error {
	want := map[string]string{
		checkout.RefName(campaign.Name, "start"):     campaign.Start,
		checkout.RefName(campaign.Name, "incumbent"): campaign.Incumbent,
	}

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		latest, _, err := tx.Experiments(campaign.Name, ledger.Query{Limit: 20})
		for _, experiment := range latest {
			if _, gone := co.Repo.Tree(ctx, experiment.Candidate); gone != nil {
				continue // collected by git after its ref was removed: nothing can bring it back
			}
			want[checkout.RefName(campaign.Name, "x", fmt.Sprint(experiment.N))] = experiment.Candidate
		}

		return err
	})
	if err != nil {
		return err
	}

	refs, err := co.Repo.Refs(ctx, slices.Collect(maps.Keys(want))...) // by name: there may be 100,000 others
	if err != nil {
		return err
	}

	have := map[string]string{}
	for _, r := range refs {
		have[r.Name] = r.New
	}
	var updates []source.RefUpdate

	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have[name] != want[name] {
			updates = append(updates, source.RefUpdate{Name: name, New: want[name], Old: have[name]})
		}
	}

	if len(updates) == 0 {
		return nil
	}

	return co.Repo.UpdateRefs(ctx, updates, "ratchet: fix "+campaign.Name)
}

// switchToCampaign moves the checkout to its branch of the campaign. Where its files
// are the incumbent's already, only HEAD moves.
func switchToCampaign(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign,
	doc *checkout.ProgramDocument, head source.Head,
) (notes []string, err error) {
	origin := cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), head.Commit)

	codename, err := recordOrigin(ctx, co, campaign, origin)
	if err != nil {
		return nil, err
	}

	branch, err := prepareBranch(ctx, co, campaign, codename)
	if err != nil {
		return nil, err
	}
	short := strings.TrimPrefix(branch, "refs/heads/")

	changes, err := co.Repo.Changes(ctx, campaign.Incumbent)
	if err != nil {
		return nil, err
	}

	// HEAD comes last: a call that died before it is repeated here.
	differs := slices.ContainsFunc(changes, func(ch source.Change) bool { return ch.Path != doc.Path })
	if !differs {
		more, err := refreshIndex(ctx, co, campaign.Incumbent,
			append(checkout.EditedFiles(campaign.ProgramPath, campaign.Program), doc.Path))
		if err != nil {
			return nil, err
		}
		notes = append([]string{"on branch " + short}, more...)

		return notes, co.Repo.AttachHead(ctx, branch, "ratchet: resume "+campaign.Name)
	}

	if _, err := requireCleanFiles(ctx, co, head.Commit, "", nil); err != nil {
		var e *research.Error
		if errors.As(err, &e) {
			e.Next = "commit or stash them, then: git switch " + short
		}

		return nil, err
	}

	if err := co.Repo.Switch(ctx, short); err != nil {
		return nil, err
	}

	return []string{"switched to " + short}, nil
}

// prepareBranch is this checkout's branch of the campaign, at the incumbent: the
// campaign's own, or one with the codename where another checkout has that.
func prepareBranch(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, codename string,
) (branch string, err error) {
	branch = campaign.Branch

	worktree, err := co.Repo.WorktreeOf(ctx, branch)
	if err != nil {
		return "", err
	}

	if worktree != "" && worktree != co.Repo.Root() {
		branch = campaign.Branch + "-" + codename
	}

	at, err := co.Repo.Ref(ctx, branch)
	if err != nil {
		return "", err
	}

	if at != "" {
		if err := refuseForeignCommits(ctx, co, campaign, source.Head{Branch: branch, Commit: at}); err != nil {
			return "", err
		}
	}

	// No checkout has it: nothing but the branch moves.
	if at != campaign.Incumbent {
		err = co.Repo.UpdateRefs(ctx, []source.RefUpdate{{Name: branch, New: campaign.Incumbent, Old: at}},
			"ratchet: join "+campaign.Name)
	}

	return branch, err
}

// recordOrigin records the branch or commit that the checkout comes from, for the way
// back, and returns its codename, known or new.
func recordOrigin(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, origin string,
) (codename string, err error) {
	err = co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, _ *history.Campaign, session string) error {
		codename = session
		_, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: codename, Kind: history.KindSessionJoined,
			Body: history.SessionJoin{Codename: codename, Client: co.Opt.Client.Name, Version: co.Opt.Client.Version,
				Checkout: co.Repo.Root(), Origin: origin}})

		return err
	})

	return codename, err
}
