package lab

import (
	"cmp"
	"context"
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// Word is a person's word on what no agent may decide: how they were asked, and the
// passphrase that they typed, "" where they were asked for none. It never goes into a record.
type Word struct {
	By         history.Way
	Passphrase string
}

// requirePassphrase refuses a word without the passphrase of a repository that is locked.
func (w Word) requirePassphrase(co *checkout.Checkout) error {
	return checkout.Passphrase(co).Check(w.Passphrase)
}

// StartAcceptance is a person's word for a new campaign: how they were asked, and what
// they saw. It holds for that contract at that path alone.
type StartAcceptance struct {
	Word
	Path   string // of the program, relative to the repository's root
	Digest string // of its contract
}

// PendingStart is a new campaign that waits for a person, since its contract is not that
// of a campaign of this repository, or is that of one whose budget is spent.
type PendingStart struct {
	Campaign string // its name
	Path     string // of its program
	Digest   string
	Now      contract.Program
	Like     string           // the campaign whose contract is the most like it,
	Was      contract.Program // and that contract
	IsSpent  bool             // the contract is the same one, and its budget is spent
}

// Acceptance is a person's word for the start as it was shown.
func (p *PendingStart) Acceptance(word Word) StartAcceptance {
	return StartAcceptance{Word: word, Path: p.Path, Digest: p.Digest}
}

// Describe names the new campaign, and says of which one its contract is; where they
// differ, the differences are to follow.
func (p *PendingStart) Describe() string {
	words := fmt.Sprintf("%s, with the contract in %s. ", p.Campaign, p.Path)
	if p.IsSpent {
		return words + fmt.Sprintf("Campaign %s has the same one, and its budget is spent: this one gets a budget of its own.",
			p.Like)
	}

	return words + fmt.Sprintf("It differs from the contract of campaign %s:", p.Like)
}

// FindPendingStart is the campaign that StartCampaign refuses to start without a person,
// nil where it refuses nothing for that reason.
func FindPendingStart(ctx context.Context, co *checkout.Checkout, req StartRequest) (*PendingStart, error) {
	doc, err := co.ReadProgram(req.Program)
	if err != nil {
		return nil, err
	}

	name, err := requireCampaignName(cmp.Or(req.Name, doc.Program.Name))
	if err != nil {
		return nil, err
	}

	// A checkout on a campaign's branch resumes that one, unless another name is given.
	if req.Name == "" {
		here, err := job.CurrentReaped(ctx, co)
		if err == nil && here.ProgramPath == doc.Path && here.Ended == "" {
			return nil, nil
		}
	}

	var pending *PendingStart
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		_, err := tx.Campaign(name)
		if !research.HasCode(err, research.CodeNoCampaign) {
			return err
		}

		err = checkout.RequireAcceptedStart(tx, name, doc)
		if !research.HasCode(err, research.CodeContract) {
			return err
		}

		nearest, err := checkout.NearestContract(tx, doc)
		if err == nil {
			pending = &PendingStart{Campaign: name, Path: doc.Path, Digest: doc.Digest, Now: doc.Program,
				Like: nearest.Name, Was: nearest.Program,
				IsSpent: doc.HasContractOf(nearest)}
		}

		return err
	})

	return pending, err
}

// acceptStart refuses a new campaign that needs a person's word and has none, before any
// object or ref is made. RecordCampaignStart looks again.
func acceptStart(
	ctx context.Context, co *checkout.Checkout, name string, doc *checkout.ProgramDocument, word StartAcceptance,
) error {
	if word.By != "" {
		if word.Path != doc.Path || word.Digest != doc.Digest {
			return research.Errorf(research.CodeConflict, "look at it and accept again", "%s changed meanwhile",
				doc.Path)
		}

		if err := word.requirePassphrase(co); err != nil {
			return err
		}
		doc.AcceptedBy = word.By
	}

	return co.Ledger.View(ctx, func(tx *ledger.Tx) error { return checkout.RequireAcceptedStart(tx, name, doc) })
}
