package checkout

import (
	"context"
	"slices"

	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// AsPerson is the same checkout for a person who looks on and steers: its calls
// are about the campaign of that name, "" for the checkout's own, else the one
// that began last. What it appends is no session's, and it marks nothing.
// Errors: CodeNoCampaign.
func (co *Checkout) AsPerson(ctx context.Context, campaign string) (*Checkout, error) {
	p := &Checkout{Opt: co.Opt, Repo: co.Repo, Ledger: co.Ledger, Host: co.Host,
		personCampaign: campaign, Person: true}
	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if campaign != "" {
			_, err := tx.Campaign(campaign)
			return err
		}

		c, err := co.FindCampaign(ctx, tx)
		if err == nil {
			p.personCampaign = c.Name
			return nil
		}

		all, aerr := tx.Campaigns()
		if aerr != nil {
			return aerr
		}

		if len(all) == 0 || !wording.HasCode(err, research.CodeNoCampaign) {
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
func (co *Checkout) Campaign() string { return co.personCampaign }

// WithLedger is the same checkout with another ledger and with workers of its own, for
// a campaign that is thrown away. It marks nothing.
func (co *Checkout) WithLedger(led *ledger.Ledger) *Checkout {
	other := &Checkout{Opt: co.Opt, Repo: co.Repo, Ledger: led}
	other.Host = host.NewLocal(other.JobsDir())

	return other
}

// OpenSibling is the laboratory of another checkout of the same campaign, of that one's
// repository as l's is. Errors: as Open's.
func (co *Checkout) OpenSibling(ctx context.Context, checkout string) (*Checkout, error) {
	o := co.Opt
	o.Dir, o.Ledger, o.Program = checkout, co.Ledger.Path(), ""

	at, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	at.personCampaign, at.Person = co.personCampaign, co.Person

	return at, nil
}

// CampaignStates are the repository's campaigns as they stand, by name.
func (co *Checkout) CampaignStates(ctx context.Context) (all []history.Campaign, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		all, err = tx.Campaigns()
		return err
	})

	return all, err
}
