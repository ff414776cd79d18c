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
	co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, i *history.IdeaState, session string,
) (t history.Takeover, err error) {
	if i.Holder == "" || i.Holder == session {
		return t, nil
	}

	view, err := co.ViewIdea(tx, c, i, session)
	if err != nil {
		return t, err
	}

	if view.Lapse == "" {
		return t, research.Errorf(research.CodeClaimed,
			"take another idea (read_log{view: \"ideas\"} lists them), or leave `idea` out", "idea %d is %s", i.N,
			view.StatusText())
	}

	return history.Takeover{Took: i.Fence, Because: view.Lapse}, nil
}

// claimIdea makes session the holder of idea n, and returns the idea then. A claim that
// it holds already is renewed under the same fence.
func claimIdea(
	co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, session string, n int,
) (*history.IdeaState, error) {
	idea, err := tx.Idea(c.Name, n)
	if err != nil {
		return nil, err
	}

	taken, err := takeover(co, tx, c, idea, session)
	if err != nil {
		return nil, err
	}

	fence := idea.Fence + 1
	if idea.Holder == session {
		fence = idea.Fence
	}

	if _, err := tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindIdeaClaimed,
		Body: history.IdeaClaim{N: n, Fence: fence, Checkout: co.Repo.Root(), Attended: co.HoldsMark(),
			Takeover: taken}}); err != nil {
		return nil, err
	}

	return tx.Idea(c.Name, n)
}

// requireClaimable refuses an idea that is not there, or that another session holds,
// before anything is spent. A text that is no id may be anything.
func requireClaimable(ctx context.Context, co *checkout.Checkout, c *history.Campaign, idea string) error {
	n, ok := history.IdeaNumber(idea)
	if !ok {
		return nil
	}

	return co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		i, err := tx.Idea(c.Name, n)
		if err != nil {
			return err
		}
		me, _ := tx.SessionOf(c.Name, co.Repo.Root())
		_, err = takeover(co, tx, c, i, me)

		return err
	})
}

// claimForProposal claims the idea that a proposal names, and writes the claim into it.
// One that measures an edit again keeps its claim if that still holds: it is
// made without one else.
func claimForProposal(
	co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, session string, p *history.Proposal,
) error {
	n, ok := history.IdeaNumber(p.Idea)
	if !ok || p.Merges > 0 && p.Fence == 0 {
		return nil
	}

	i, err := tx.Idea(c.Name, n)
	if err != nil {
		return err
	}

	switch {
	case p.Merges > 0 && (i.Holder != session || i.Fence != p.Fence):
		p.Fence = 0
		return nil
	case i.Holder != session:
		if i, err = claimIdea(co, tx, c, session, n); err != nil {
			return err
		}
	}
	p.Idea, p.Fence = strconv.Itoa(n), i.Fence

	return nil
}
