package checkout

import (
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

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
