package checkout

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// RequireUsable refuses a checkout in which no campaign of doc could run, and tells
// where it stands.
func (co *Checkout) RequireUsable(ctx context.Context, doc *ProgramDocument) (source.Head, error) {
	head, err := co.Repo.Head(ctx)
	if err != nil {
		return head, err
	}

	if err := co.Repo.RequireNoOperation(ctx); err != nil {
		return head, err
	}

	for _, f := range EditedFiles(doc.Path, doc.Program) {
		if err := co.Repo.CheckEditable(ctx, f); err != nil {
			return head, err
		}
	}

	if err := co.RequireHands(ctx, doc, head.Commit); err != nil {
		return head, err
	}

	return head, co.Repo.RequireIdentity(ctx)
}

// RequireHands refuses a program whose `hands` would let a candidate replace, or lay code
// beside, what the start tracks.
func (co *Checkout) RequireHands(ctx context.Context, doc *ProgramDocument, start string) error {
	if len(doc.Program.Hands) == 0 {
		return nil
	}

	tracked, err := co.Repo.TrackedFiles(ctx, start)
	if err != nil {
		return err
	}
	folder := SlashDir(doc.Path)

	for _, file := range slices.Sorted(maps.Keys(tracked)) {
		name := file

		if folder != "." {
			var ok bool
			if name, ok = strings.CutPrefix(file, folder+"/"); !ok {
				continue
			}
		}

		if why := doc.Program.HandsTracked(name); why != "" {
			return research.Errorf(research.CodeProgram,
				fmt.Sprintf("change the line hands: [%s] there, and call again",
					strings.Join(doc.Program.Hands, ", ")), "%s: %s", doc.Path, why)
		}
	}

	return nil
}

// MakeStartCommit is HEAD's commit, or a new one on it with the program as it is now.
func (co *Checkout) MakeStartCommit(
	ctx context.Context, name string, doc *ProgramDocument, head source.Head,
) (commit, tree string, err error) {
	was, err := co.Repo.Tree(ctx, head.Commit)
	if err != nil {
		return "", "", err
	}

	if tree, err = co.Repo.Snapshot(ctx, head.Commit, []string{doc.Path}); err != nil || tree == was {
		return head.Commit, tree, err
	}
	commit, err = co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{head.Commit},
		Message: fmt.Sprintf("ratchet: start campaign %s\n\nRatchet-Campaign: %s\nRatchet-Contract: %s\n", name, name,
			doc.Digest)})

	return commit, tree, err
}

// RecordCampaignStart appends campaign.started, with start and its tree as the first
// incumbent, and joins this session. CodeConflict when the campaign exists.
func (co *Checkout) RecordCampaignStart(
	ctx context.Context, name string, doc *ProgramDocument, head source.Head, start, tree, branch string,
) error {
	return co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		_, err := tx.Campaign(name)
		if err == nil {
			return research.Errorf(research.CodeConflict, "call start_campaign again, to resume it",
				"another session started %q meanwhile", name)
		}

		if !research.HasCode(err, research.CodeNoCampaign) {
			return err
		}

		body := history.CampaignStart{
			Program:     doc.Program,
			Digest:      doc.Digest,
			ProgramPath: doc.Path,
			Start:       start,
			StartTree:   tree,
			Branch:      branch,
			Origin:      cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), head.Commit),
			Checkout:    co.Repo.Root(),
			Machine:     runtime.GOOS + "/" + runtime.GOARCH,
			Version:     co.Opt.Version,
		}

		entry := history.Entry{Campaign: name, Kind: history.KindCampaignStarted, Body: body}
		if _, err := tx.Append(entry); err != nil {
			return err
		}

		campaign, err := tx.Campaign(name)
		if err != nil {
			return err
		}
		_, err = joinSession(co, tx, campaign)

		return err
	})
}
