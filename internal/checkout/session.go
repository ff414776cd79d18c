package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// UpdateCampaign appends to a campaign in one transaction, in the name of this checkout's
// session, which joins the campaign where it is new. f sees the campaign as it is
// now, not as the caller read it; its error undoes everything. The counts of the
// session's answers go with it.
func (co *Checkout) UpdateCampaign(
	ctx context.Context, campaign string, f func(tx *ledger.Tx, now *history.Campaign, session string) error,
) error {
	counts := co.answers.take()

	err := co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := co.ReadCampaign(tx, campaign)
		if err != nil {
			return err
		}

		session, err := joinSession(co, tx, now)
		if err != nil {
			return err
		}

		if err := f(tx, now, session); err != nil {
			return err
		}

		return appendAnswers(tx, campaign, session, counts)
	})
	if err != nil {
		co.answers.add(counts)
	}

	return err
}

// joinSession is the checkout's codename, appending session.joined when the checkout
// or its client is new to the campaign; "" for a person.
func joinSession(co *Checkout, tx *ledger.Tx, campaign *history.Campaign) (string, error) {
	if co.Person {
		return "", nil
	}
	client := co.Opt.Client

	name, known := tx.SessionOf(campaign.Name, co.Repo.Root())
	if known {
		session, err := tx.Session(campaign.Name, name)
		if err != nil {
			return "", err
		}

		if session.Client == client.Name && session.Version == client.Version {
			return name, nil
		}
	} else {
		var err error
		if name, err = findFreeCodename(tx, campaign, co.Repo.Root()); err != nil {
			return "", err
		}
	}

	_, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: name, Kind: history.KindSessionJoined,
		Body: history.SessionJoin{Codename: name, Client: client.Name, Version: client.Version,
			Checkout: co.Repo.Root()}})

	return name, err
}

var (
	codeAdjectives = []string{"amber", "brisk", "calm", "clear", "dusky", "early", "fair", "gentle", "hazel", "ivory",
		"jolly", "keen", "lucid", "mellow", "nimble", "olive", "plain", "quiet", "ruddy", "sober", "steady", "tidy",
		"umber", "vivid", "warm", "young"}
	codeAnimals = []string{"badger", "bison", "crane", "dingo", "egret", "falcon", "gecko", "heron", "ibis", "jackal",
		"kestrel", "lemur", "marten", "newt", "otter", "panda", "quail", "raven", "stoat", "tapir", "urchin", "vole",
		"walrus", "yak", "zebra"}
)

// isCodename says whether name could be the checkout's codename.
func isCodename(checkout, name string) bool {
	for i := range 8 {
		if makeCodename(checkout, i) == name {
			return true
		}
	}

	return false
}

// makeCodename is a checkout's name in the records: the same for the same folder,
// and another one for each attempt when two folders collide.
func makeCodename(checkout string, attempt int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", checkout, attempt))
	h := binary.BigEndian.Uint64(sum[:8])
	n := uint64(len(codeAdjectives))

	return codeAdjectives[h%n] + codeAnimals[h/n%uint64(len(codeAnimals))]
}

// FirstUnheardNumber is the number of the first note that the checkout's session has not
// been told; one more than there are where it was told all, 0 where it has not joined.
func (co *Checkout) FirstUnheardNumber(tx *ledger.Tx, campaign *history.Campaign) (int, error) {
	name, ok := tx.SessionOf(campaign.Name, co.Repo.Root())
	if !ok || campaign.Notes == 0 || co.Person {
		return 0, nil
	}

	session, err := tx.Session(campaign.Name, name)
	if err != nil {
		return 0, err
	}

	return session.Heard + 1, nil
}

// firstUnheardNote is that note, nil if there is none.
func firstUnheardNote(co *Checkout, tx *ledger.Tx, campaign *history.Campaign) (*history.Note, error) {
	n, err := co.FirstUnheardNumber(tx, campaign)
	if err != nil || n == 0 || n > campaign.Notes {
		return nil, err
	}
	note, _, err := tx.Note(campaign.Name, n)

	return &note, err
}

// findFreeCodename is the checkout's first codename that no other one has.
func findFreeCodename(tx *ledger.Tx, campaign *history.Campaign, checkout string) (string, error) {
	for attempt := 0; ; attempt++ {
		name := makeCodename(checkout, attempt)

		_, err := tx.Session(campaign.Name, name)
		switch {
		case err == nil:
			continue
		case research.HasCode(err, research.CodeNotFound):
			return name, nil
		}

		return "", err
	}
}
