package checkout

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// RequireUsable refuses a checkout in which no campaign of doc could run, and tells
// where it stands.
func (co *Checkout) RequireUsable(ctx context.Context, doc *ProgramDocument) (source.Head, error) {
	head, err := co.Repo.Head(ctx)
	if err != nil {
		return head, explainLostBranch(ctx, co, err)
	}

	if err := co.Repo.RequireNoOperation(ctx); err != nil {
		return head, err
	}

	for _, f := range EditedFiles(doc.Path, doc.Program) {
		if err := co.Repo.CheckEditable(ctx, f); err != nil {
			return head, err
		}
	}

	if err := RequireHands(ctx, co, doc, head.Commit); err != nil {
		return head, err
	}

	return head, co.Repo.RequireIdentity(ctx)
}

// RequireHands refuses a program whose `hands` would let a candidate replace, or lay code
// beside, what the start tracks.
func RequireHands(ctx context.Context, co *Checkout, doc *ProgramDocument, start string) error {
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

// startSubject is the subject of the commit that a campaign starts on where HEAD does not
// have its program.
const startSubject = "ratchet: start campaign %s"

// FindBase is the commit of the person's branch that a campaign started on: its start, or
// the commit below where the start only adds the program.
func FindBase(ctx context.Context, co *Checkout, campaign *history.Campaign) (string, error) {
	parents, subject, err := co.Repo.ReadCommit(ctx, campaign.Start)
	if err != nil {
		return "", err
	}

	if len(parents) == 1 && subject == fmt.Sprintf(startSubject, campaign.Name) {
		return parents[0], nil
	}

	return campaign.Start, nil
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
		Message: fmt.Sprintf(startSubject+"\n\nRatchet-Campaign: %s\nRatchet-Contract: %s\n", name, name,
			doc.Digest)})

	return commit, tree, err
}

// RequireAcceptedStart refuses a new campaign on a contract that no person has accepted.
// The first campaign of a repository starts on any: its program.md is what the person
// set up. A further one needs the contract of a campaign that exists and has budget left,
// or a person's word, else an agent could widen its own scope and budget by starting again.
// Errors: CodeContract.
func RequireAcceptedStart(tx *ledger.Tx, name string, doc *ProgramDocument) error {
	if doc.AcceptedBy != "" {
		return nil
	}

	nearest, err := NearestContract(tx, doc)
	if err != nil || nearest == nil {
		return err
	}

	asks := fmt.Sprintf("a person runs `ratchet %saccept --name %s` in a terminal, which starts it", programFlag(doc),
		name)

	if doc.HasContractOf(nearest) {
		if research.HasCode(RequireBudget(nearest), research.CodeBudget) {
			return research.Errorf(research.CodeContract, asks,
				"a new campaign %q needs a person's word: the budget of %s, on the same contract, is spent", name,
				nearest.Name)
		}

		return nil
	}

	differs := "differs by its path: " + nearest.ProgramPath
	same := nearest.Program
	same.Name = doc.Program.Name // no part of a contract

	if keys := contract.ListChanges(same, doc.Program); len(keys) > 0 {
		names := make([]string, len(keys))
		for i, change := range keys {
			names[i] = change.Key
		}
		differs = "differs: " + strings.Join(names, ", ")
	}

	return research.Errorf(research.CodeContract, asks,
		"a new campaign %q needs a person's word: its contract (%s) is not that of a campaign of this repository (of %s it %s)",
		name, doc.Path, nearest.Name, differs)
}

// HasContractOf says whether the program has the contract of a campaign, at the same path.
func (doc *ProgramDocument) HasContractOf(campaign *history.Campaign) bool {
	return campaign.ProgramPath == doc.Path && campaign.Digest == doc.Digest
}

// programFlag is the flag by which a command finds a program that is not called program.md.
func programFlag(doc *ProgramDocument) string {
	if path.Base(doc.Path) == "program.md" {
		return ""
	}

	return "--program " + doc.Path + " "
}

// NearestContract is the campaign whose accepted contract is the most like a program's:
// the same, else the last one of the same path, else the last one. It is nil where the
// repository has no campaign.
func NearestContract(tx *ledger.Tx, doc *ProgramDocument) (*history.Campaign, error) {
	all, err := tx.Campaigns()
	if err != nil || len(all) == 0 {
		return nil, err
	}

	likeness := func(c history.Campaign) int {
		switch {
		case doc.HasContractOf(&c):
			return 2
		case c.ProgramPath == doc.Path:
			return 1
		}

		return 0
	}

	nearest := slices.MaxFunc(all, func(a, b history.Campaign) int {
		return cmp.Or(cmp.Compare(likeness(a), likeness(b)), a.StartedAt.Compare(b.StartedAt))
	})

	return &nearest, nil
}

// RecordCampaignStart appends campaign.started, with start and its tree as the first
// incumbent, and joins this session. CodeConflict when the campaign exists; CodeContract,
// see RequireAcceptedStart.
func (co *Checkout) RecordCampaignStart(
	ctx context.Context, name string, doc *ProgramDocument, head source.Head, start, tree, branch string,
) error {
	repository, err := RepositoryID(co)
	if err != nil {
		return err
	}
	id := rand.Text()

	return co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		_, err := tx.Campaign(name)
		if err == nil {
			return research.Errorf(research.CodeConflict, "call start_campaign again, to resume it",
				"another session started %q meanwhile", name)
		}

		if !research.HasCode(err, research.CodeNoCampaign) {
			return err
		}

		if err := RequireAcceptedStart(tx, name, doc); err != nil {
			return err
		}

		body := history.CampaignStart{
			ID:          id,
			Repository:  repository,
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
			By:          doc.AcceptedBy,
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
