package lab

import (
	"context"
	"strconv"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// takeover is what a record of session says of another session's claim on the idea:
// the zero one where session holds it or nobody does. CodeClaimed while another
// session's claim holds.
func takeover(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, idea *history.IdeaState, session string,
) (t history.Takeover, err error) {
	if idea.Holder == "" || idea.Holder == session {
		return t, nil
	}

	view, err := co.ViewIdea(tx, campaign, idea, session)
	if err != nil {
		return t, err
	}

	if view.Lapse == "" {
		return t, research.Errorf(research.CodeClaimed,
			"take another idea (read_log{view: \"ideas\"} lists them), or leave `idea` out", "idea %d is %s", idea.N,
			view.StatusText())
	}

	return history.Takeover{Took: idea.Fence, Because: view.Lapse}, nil
}

// claimIdea makes session the holder of idea n, and returns the idea then. A claim that
// it holds already is renewed under the same fence.
func claimIdea(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, session string, n int,
) (*history.IdeaState, error) {
	idea, err := tx.Idea(campaign.Name, n)
	if err != nil {
		return nil, err
	}

	taken, err := takeover(co, tx, campaign, idea, session)
	if err != nil {
		return nil, err
	}

	fence := idea.Fence + 1
	if idea.Holder == session {
		fence = idea.Fence
	}

	if _, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session, Kind: history.KindIdeaClaimed,
		Body: history.IdeaClaim{N: n, Fence: fence, Checkout: co.Repo.Root(), Attended: co.HoldsMark(),
			Takeover: taken}}); err != nil {
		return nil, err
	}

	return tx.Idea(campaign.Name, n)
}

// requireClaimable refuses an idea that is not there, or that another session holds,
// before anything is spent. A text that is not an id may be anything.
func requireClaimable(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, idea string) error {
	n, ok := history.IdeaNumber(idea)
	if !ok {
		return nil
	}

	return co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		i, err := tx.Idea(campaign.Name, n)
		if err != nil {
			return err
		}
		me, _ := tx.SessionOf(campaign.Name, co.Repo.Root())
		_, err = takeover(co, tx, campaign, i, me)

		return err
	})
}

// claimForProposal claims the idea that a proposal names, and writes the claim into it.
// One that measures an edit again keeps its claim if that still holds: it is
// made without one else.
func claimForProposal(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, session string, proposal *history.Proposal,
) error {
	n, ok := history.IdeaNumber(proposal.Idea)
	if !ok || proposal.Merges > 0 && proposal.Fence == 0 {
		return nil
	}

	idea, err := tx.Idea(campaign.Name, n)
	if err != nil {
		return err
	}

	switch {
	case proposal.Merges > 0 && (idea.Holder != session || idea.Fence != proposal.Fence):
		proposal.Fence = 0
		return nil
	case idea.Holder != session:
		if idea, err = claimIdea(co, tx, campaign, session, n); err != nil {
			return err
		}
	}
	proposal.Idea, proposal.Fence = strconv.Itoa(n), idea.Fence

	return nil
}
