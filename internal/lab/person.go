package lab

import (
	"context"
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// Abandon ends the campaign: what runs is stopped, nothing starts any more.
// With removeRefs its refs and workspace go too; branches stay, and the way to
// remove them is told. The lines say what was done.
func Abandon(ctx context.Context, co *checkout.Checkout, removeRefs bool) ([]string, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	for _, id := range campaign.Open {
		if _, err := StopJob(ctx, co, string(id)); err != nil {
			return nil, err
		}
	}

	if campaign.Ended == "" {
		if _, err := co.Ledger.Append(ctx, history.Entry{Campaign: campaign.Name, Kind: history.KindCampaignEnded,
			Key: "ended", Body: history.CampaignEnd{Reason: "abandoned"}}); err != nil {
			return nil, err
		}
	}
	co.Host.Stop(host.Job{Campaign: campaign.Name}) // the workers that stay

	lines := []string{fmt.Sprintf("campaign %s is abandoned; its records stay in the ledger", campaign.Name)}
	if removeRefs {
		refs, err := co.Repo.Refs(ctx, "refs/ratchet/"+campaign.Name+"/")
		if err != nil {
			return nil, err
		}

		updates := make([]source.RefUpdate, len(refs))
		for i, r := range refs {
			updates[i] = source.RefUpdate{Name: r.Name, Old: r.New}
		}

		if err := co.Repo.UpdateRefs(ctx, updates, "ratchet: abandon "+campaign.Name); err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("%d refs below refs/ratchet/%s removed", len(refs), campaign.Name))
	}

	if _, err := job.CollectGarbage(ctx, co); err != nil {
		return nil, err
	}

	return append(lines, "the way back: "+checkout.SwitchCommand(campaign.Origin),
		"to remove its branch after that: git branch -D "+strings.TrimPrefix(campaign.Branch, "refs/heads/")), nil
}

// PendingContract is the contract on disk, for a person to look at before Accept.
func PendingContract(
	ctx context.Context, co *checkout.Checkout,
) (campaign *history.Campaign, now contract.Program, digest string, err error) {
	if campaign, err = job.CurrentReaped(ctx, co); err != nil {
		return nil, now, "", err
	}

	doc, err := co.ReadProgram(co.ProgramFile(campaign))
	if err == nil {
		err = checkout.RequireHands(ctx, co, doc, campaign.Start)
	}

	if err != nil {
		return nil, now, "", err
	}

	return campaign, doc.Program, doc.Digest, nil
}

// AcceptContract makes the contract on disk the campaign's, if it is still the one
// that the person saw. The next run calibrates again. Errors: CodeConflict, CodeBusy,
// CodeLocked.
func AcceptContract(ctx context.Context, co *checkout.Checkout, digest string, word Word) error {
	campaign, program, now, err := PendingContract(ctx, co)
	if err != nil {
		return err
	}

	if now != digest {
		return research.Errorf(research.CodeConflict, "look at it and accept again", "program.md changed meanwhile")
	}

	if digest == campaign.Digest { // accepted meanwhile
		return nil
	}

	if len(campaign.Open) > 0 {
		return research.Errorf(research.CodeBusy, "let it end, or ratchet stop", "a run is under way")
	}

	if err := word.requirePassphrase(co); err != nil {
		return err
	}

	entry := history.Entry{Campaign: campaign.Name, Kind: history.KindContractAccepted,
		Body: history.ContractAcceptance{Program: program, Digest: digest, Was: campaign.Digest, By: word.By}}
	if word.By == history.ByTerminal { // no session's
		_, err = co.Ledger.Append(ctx, entry)
		return err
	}

	return co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		if now.Digest != campaign.Digest {
			return research.Errorf(research.CodeConflict, "look at it and accept again",
				"another contract was accepted meanwhile")
		}
		entry.Session = session
		_, err := tx.Append(entry)

		return err
	})
}
