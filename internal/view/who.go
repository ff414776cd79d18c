package view

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// topIdeas are ideas for a brief: the newest of those that are free and untried,
// then those that are claimed, then those that were tried.
func topIdeas(co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, limit int) ([]checkout.IdeaView, error) {
	var out []checkout.IdeaView

	me, _ := tx.SessionOf(c.Name, co.Repo.Root())
	for _, status := range []history.IdeaStatus{history.IdeaOpen, history.IdeaClaimed, history.IdeaTried} {
		is, err := tx.Ideas(c.Name, status, limit)
		if err != nil {
			return nil, err
		}

		for i := range is {
			v, err := co.ViewIdea(tx, c, &is[i], me)
			if err != nil {
				return nil, err
			}

			out = append(out, v)
		}
	}
	rank := func(v *checkout.IdeaView) int {
		switch {
		case v.Status == history.IdeaTried:
			return 2
		case !v.IsFree() && !v.Mine:
			return 1
		}

		return 0
	}
	slices.SortStableFunc(out, func(a, b checkout.IdeaView) int { return cmp.Compare(rank(&a), rank(&b)) })

	return out[:min(len(out), limit)], nil
}

// ListIdeas are the campaign's ideas, newest first.
func ListIdeas(ctx context.Context, co *checkout.Checkout, limit int) (out []checkout.IdeaView, err error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		is, err := tx.Ideas(c.Name, "", limit)
		if err != nil {
			return err
		}
		me, _ := tx.SessionOf(c.Name, co.Repo.Root())

		out = make([]checkout.IdeaView, len(is))
		for i := range is {
			if out[i], err = co.ViewIdea(tx, c, &is[i], me); err != nil {
				return err
			}
		}

		return nil
	})

	return out, err
}

// ListSessions are the checkouts that took part, the last active first.
func ListSessions(ctx context.Context, co *checkout.Checkout) (out []SessionView, err error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		out, err = readSessions(co, tx, c)
		return err
	})

	return out, err
}

func readSessions(co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign) ([]SessionView, error) {
	ss, err := tx.Sessions(c.Name)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(ss, func(a, b history.Session) int { return b.Last.Compare(a.Last) })
	out := make([]SessionView, len(ss))
	at := map[string]*SessionView{"": {}} // the command line has no session

	for i := range ss {
		out[i] = SessionView{Session: ss[i], Idle: max(0, time.Since(ss[i].Last)),
			Noisy: c.Rule.NoiseKind == research.Noisy}
		at[ss[i].Codename] = &out[i]
	}

	return out, fillActivity(co, tx, c, func(session string) *SessionView { return cmp.Or(at[session], at[""]) })
}

// fillActivity fills in what sessions run and hold, and which of their keeps stand. It
// looks at the last keeps and claims only, whatever the campaign's size.
func fillActivity(
	co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, of func(session string) *SessionView,
) error {
	js, err := runningJobs(co, tx, c)
	if err != nil {
		return err
	}

	for _, j := range js {
		of(j.Session).Running = append(of(j.Session).Running, j.RunningJob)
	}

	held, err := tx.Ideas(c.Name, history.IdeaClaimed, 20)
	if err != nil {
		return err
	}

	for i := range held {
		v, err := co.ViewIdea(tx, c, &held[i], "")
		if err != nil {
			return err
		}

		if v.Lapse == "" {
			of(v.Holder).Claims = append(of(v.Holder).Claims, v.N)
		}
	}

	for _, n := range c.KeptStack {
		x, err := tx.Experiment(c.Name, n)
		if err != nil {
			return err
		}
		s := of(x.Session)

		s.Stands++
		if s.Noisy && x.N < c.ChainFrom && x.Overridden == "" {
			s.Certified++
		}
	}

	return nil
}
