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
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, doc *checkout.ProgramDocument, head source.Head,
) (*Started, error) {
	if c.ProgramPath != doc.Path {
		return nil, research.Errorf(research.CodeProgram,
			fmt.Sprintf("give %s another `name:`, or call start_campaign with a name", doc.Path),
			"two programs are named %q: %s and %s", c.Name, c.ProgramPath, doc.Path)
	}

	if c.Ended != "" {
		return nil, research.Errorf(research.CodeEnded, "call start_campaign with another name",
			"the campaign %q has ended: %s", c.Name, c.Ended)
	}

	if err := repairRefs(ctx, co, c); err != nil {
		return nil, err
	}

	var notes []string
	if doc.Digest != c.Digest {
		notes = append(notes,
			"the front matter differs from the accepted contract: no run starts until a person runs `ratchet accept`")
	}

	if !co.IsCampaignBranch(c, head.Branch) {
		moved, err := switchToCampaign(ctx, co, c, doc, head)
		if err != nil {
			return nil, err
		}

		notes = append(notes, moved...)
	} else if head.Commit != c.Incumbent {
		if healed, err := finishKeep(ctx, co, c, head); err != nil {
			return nil, err
		} else if !healed {
			notes = append(notes, "another session moved the incumbent: call revert first, it brings it here")
		}
	}

	return startCalibration(ctx, co, c.Name, doc, true, notes)
}

// repairRefs makes the campaign's refs say again what the ledger says, where a
// process died between the two or somebody removed them: the start, the
// incumbent, and the latest candidates.
func repairRefs(ctx context.Context, co *checkout.Checkout, c *history.Campaign) error {
	want := map[string]string{checkout.RefName(c.Name, "start"): c.Start,
		checkout.RefName(c.Name, "incumbent"): c.Incumbent}

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		latest, _, err := tx.Experiments(c.Name, ledger.Query{Limit: 20})
		for _, x := range latest {
			if _, gone := co.Repo.Tree(ctx, x.Candidate); gone != nil {
				continue // collected by git after its ref was removed: nothing can bring it back
			}
			want[checkout.RefName(c.Name, "x", fmt.Sprint(x.N))] = x.Candidate
		}

		return err
	})
	if err != nil {
		return err
	}

	have, err := co.Repo.Refs(ctx, slices.Collect(maps.Keys(want))...) // by name: there may be 100,000 others
	if err != nil {
		return err
	}

	for _, r := range have {
		if want[r.Name] == r.New {
			delete(want, r.Name)
		}
	}
	var updates []source.RefUpdate

	for _, name := range slices.Sorted(maps.Keys(want)) {
		i := slices.IndexFunc(have, func(r source.RefUpdate) bool { return r.Name == name })

		u := source.RefUpdate{Name: name, New: want[name]}
		if i >= 0 {
			u.Old = have[i].New
		}

		updates = append(updates, u)
	}

	if len(updates) == 0 {
		return nil
	}

	return co.Repo.UpdateRefs(ctx, updates, "ratchet: mend "+c.Name)
}

// switchToCampaign moves the checkout to its branch of the campaign. Where its files
// are the incumbent's already, only HEAD moves.
func switchToCampaign(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, doc *checkout.ProgramDocument, head source.Head,
) (notes []string, err error) {
	name, err := ensureCodename(ctx, co, c, cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), head.Commit))
	if err != nil {
		return nil, err
	}
	branch := c.Branch

	at, err := co.Repo.WorktreeOf(ctx, branch)
	if err != nil {
		return nil, err
	}

	if at != "" && at != co.Repo.Root() {
		branch = c.Branch + "-" + name
	}

	where, err := co.Repo.Ref(ctx, branch)
	if err != nil {
		return nil, err
	}

	if where != "" {
		if err := refuseForeignCommits(ctx, co, c, source.Head{Branch: branch, Commit: where}); err != nil {
			return nil, err
		}
	}

	if where != c.Incumbent { // no checkout has it: nothing but the branch moves
		if err := co.Repo.UpdateRefs(ctx, []source.RefUpdate{{Name: branch, New: c.Incumbent, Old: where}},
			"ratchet: join "+c.Name); err != nil {
			return nil, err
		}
	}

	changes, err := co.Repo.Changes(ctx, c.Incumbent)
	if err != nil {
		return nil, err
	}

	differs := slices.ContainsFunc(changes, func(ch source.Change) bool { return ch.Path != doc.Path })
	if !differs {
		// HEAD comes last: a call that died before it is repeated here.
		more, err := refreshIndex(ctx, co, c.Incumbent,
			append(checkout.EditedFiles(c.ProgramPath, c.Program), doc.Path))
		if err != nil {
			return nil, err
		}

		notes = append([]string{"on branch " + strings.TrimPrefix(branch, "refs/heads/")}, more...)

		return notes, co.Repo.AttachHead(ctx, branch, "ratchet: resume "+c.Name)
	}

	if _, err := requireCleanFiles(ctx, co, head.Commit, "", nil); err != nil {
		var e *research.Error
		if errors.As(err, &e) {
			e.Next = "commit or stash them, then: git switch " + strings.TrimPrefix(branch, "refs/heads/")
		}

		return nil, err
	}

	if err := co.Repo.Switch(ctx, strings.TrimPrefix(branch, "refs/heads/")); err != nil {
		return nil, err
	}

	return []string{"switched to " + strings.TrimPrefix(branch, "refs/heads/")}, nil
}

// ensureCodename is the checkout's codename, known or new. With an origin, the branch
// or commit that the checkout comes from is noted for the way back.
func ensureCodename(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, origin string,
) (name string, err error) {
	err = co.UpdateCampaign(ctx, c.Name, func(tx *ledger.Tx, _ *history.Campaign, session string) error {
		name = session
		_, err := tx.Append(history.Entry{Campaign: c.Name, Session: name, Kind: history.KindSessionJoined,
			Body: history.SessionJoin{Codename: name, Client: co.Opt.Client.Name, Version: co.Opt.Client.Version,
				Checkout: co.Repo.Root(), Origin: origin}})

		return err
	})

	return name, err
}
