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
// session. f sees the campaign as it is now, not as the caller read it. What the
// session's agent was told goes with it.
func (co *Checkout) UpdateCampaign(
	ctx context.Context, campaign string, f func(tx *ledger.Tx, now *history.Campaign, session string) error,
) error {
	told := co.takeAnswerCounts()

	err := co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := co.ReadCampaign(tx, campaign)
		if err != nil {
			return err
		}

		session, err := co.joinSession(tx, now)
		if err != nil {
			return err
		}

		if err := f(tx, now, session); err != nil {
			return err
		}

		return appendAnswers(tx, campaign, session, told)
	})
	if err != nil {
		co.restoreAnswerCounts(told)
	}

	return err
}

// joinSession is the checkout's codename, appending session.joined when the checkout
// or its client is new to the campaign; "" for a person.
func (co *Checkout) joinSession(tx *ledger.Tx, c *history.Campaign) (string, error) {
	if co.Person {
		return "", nil
	}

	name, known := tx.SessionOf(c.Name, co.Repo.Root())
	if known {
		s, err := tx.Session(c.Name, name)
		if err != nil {
			return "", err
		}

		if s.Client == co.Opt.Client.Name && s.Version == co.Opt.Client.Version {
			return name, nil
		}
	}

	for i := 0; !known; i++ {
		name = makeCodename(co.Repo.Root(), i)
		_, err := tx.Session(c.Name, name)

		known = err != nil // nobody else has it
		if known && research.Describe(err).Code != research.CodeNotFound {
			return "", err
		}
	}
	_, err := tx.Append(history.Entry{Campaign: c.Name, Session: name, Kind: history.KindSessionJoined,
		Body: history.SessionJoin{Codename: name, Client: co.Opt.Client.Name, Version: co.Opt.Client.Version,
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
func (co *Checkout) FirstUnheardNumber(tx *ledger.Tx, c *history.Campaign) (int, error) {
	name, ok := tx.SessionOf(c.Name, co.Repo.Root())
	if !ok || c.Notes == 0 || co.Person {
		return 0, nil
	}

	s, err := tx.Session(c.Name, name)
	if err != nil {
		return 0, err
	}

	return s.Heard + 1, nil
}

// firstUnheardNote is that note, nil if there is none.
func (co *Checkout) firstUnheardNote(tx *ledger.Tx, c *history.Campaign) (*history.Note, error) {
	n, err := co.FirstUnheardNumber(tx, c)
	if err != nil || n == 0 || n > c.Notes {
		return nil, err
	}
	note, _, err := tx.Note(c.Name, n)

	return &note, err
}
