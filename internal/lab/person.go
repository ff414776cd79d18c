package lab

import (
	"context"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// AsPerson is the same checkout for a person who looks on and steers: its calls
// are about the campaign of that name, "" for the checkout's own, else the one
// that began last. What it appends is no session's, and it marks nothing.
// Errors: CodeNoCampaign.
func (l *Lab) AsPerson(ctx context.Context, campaign string) (*Lab, error) {
	p := &Lab{opt: l.opt, repo: l.repo, ledger: l.ledger, personCampaign: campaign, person: true}
	err := l.ledger.View(ctx, func(tx *ledger.Tx) error {
		if campaign != "" {
			_, err := tx.Campaign(campaign)
			return err
		}

		c, err := l.findCampaign(ctx, tx)
		if err == nil {
			p.personCampaign = c.Name
			return nil
		}

		all, aerr := tx.Campaigns()
		if aerr != nil {
			return aerr
		}

		if len(all) == 0 || !hasCode(err, research.CodeNoCampaign) {
			return err
		}
		p.personCampaign = slices.MaxFunc(all,
			func(a, b history.Campaign) int { return a.StartedAt.Compare(b.StartedAt) }).Name

		return nil
	})

	return p, err
}

// Campaign is the name of the campaign that a person's laboratory is for, "" for
// a session's.
func (l *Lab) Campaign() string { return l.personCampaign }

// OpenSibling is the laboratory of another checkout of the same campaign, of that one's
// repository as l's is. Errors: as Open's.
func (l *Lab) OpenSibling(ctx context.Context, checkout string) (*Lab, error) {
	o := l.opt
	o.Dir, o.Ledger, o.Program = checkout, l.ledger.Path(), ""

	at, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	at.personCampaign, at.person = l.personCampaign, l.person

	return at, nil
}

// CampaignStates are the repository's campaigns as they stand, by name.
func (l *Lab) CampaignStates(ctx context.Context) (all []history.Campaign, err error) {
	err = l.ledger.View(ctx, func(tx *ledger.Tx) error {
		all, err = tx.Campaigns()
		return err
	})

	return all, err
}
