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
func topIdeas(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, limit int,
) ([]checkout.IdeaView, error) {
	var out []checkout.IdeaView

	me, _ := tx.SessionOf(campaign.Name, co.Repo.Root())
	for _, status := range []history.IdeaStatus{history.IdeaOpen, history.IdeaClaimed, history.IdeaTried} {
		is, err := tx.Ideas(campaign.Name, status, limit)
		if err != nil {
			return nil, err
		}

		for i := range is {
			idea, err := co.ViewIdea(tx, campaign, &is[i], me)
			if err != nil {
				return nil, err
			}

			out = append(out, idea)
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
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		is, err := tx.Ideas(campaign.Name, "", limit)
		if err != nil {
			return err
		}
		me, _ := tx.SessionOf(campaign.Name, co.Repo.Root())

		out = make([]checkout.IdeaView, len(is))
		for i := range is {
			if out[i], err = co.ViewIdea(tx, campaign, &is[i], me); err != nil {
				return err
			}
		}

		return nil
	})

	return out, err
}

// ListSessions are the checkouts that took part, the last active first.
func ListSessions(ctx context.Context, co *checkout.Checkout) (out []SessionView, err error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		out, err = readSessions(co, tx, campaign)
		return err
	})

	return out, err
}

func readSessions(co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign) ([]SessionView, error) {
	ss, err := tx.Sessions(campaign.Name)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(ss, func(a, b history.Session) int { return b.Last.Compare(a.Last) })
	out := make([]SessionView, len(ss))
	at := map[string]*SessionView{"": {}} // the command line has no session

	for i := range ss {
		out[i] = SessionView{Session: ss[i], Idle: max(0, time.Since(ss[i].Last)),
			Noisy: campaign.Rule.NoiseKind == research.Noisy}
		at[ss[i].Codename] = &out[i]
	}

	return out, fillActivity(co, tx, campaign, func(session string) *SessionView { return cmp.Or(at[session], at[""]) })
}

// fillActivity fills in what sessions run and hold, and which of their keeps stand. It
// looks at the last keeps and claims only, whatever the campaign's size.
func fillActivity(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, of func(session string) *SessionView,
) error {
	js, err := runningJobs(co, tx, campaign)
	if err != nil {
		return err
	}

	for _, j := range js {
		of(j.Session).Running = append(of(j.Session).Running, j.RunningJob)
	}

	held, err := tx.Ideas(campaign.Name, history.IdeaClaimed, 20)
	if err != nil {
		return err
	}

	for i := range held {
		idea, err := co.ViewIdea(tx, campaign, &held[i], "")
		if err != nil {
			return err
		}

		if idea.Lapse == "" {
			of(idea.Holder).Claims = append(of(idea.Holder).Claims, idea.N)
		}
	}

	for _, n := range campaign.KeptStack {
		experiment, err := tx.Experiment(campaign.Name, n)
		if err != nil {
			return err
		}
		s := of(experiment.Session)

		s.Stands++
		if s.Noisy && experiment.N < campaign.ChainFrom && experiment.Overridden == "" {
			s.Certified++
		}
	}

	return nil
}
