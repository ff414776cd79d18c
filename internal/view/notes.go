package view

import (
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

const (
	noteUnread = 5 // of a brief's notes: at most, that the session has not had, oldest first
	noteAgain  = 2 // at least, the newest, although the session has had them
)

// NoteView is a note, and which sessions have had it.
type NoteView struct {
	history.Note
	At        time.Time
	Delivered []string // codenames
	Unheard   bool     // by the reader's session
}

// newestNotes are the campaign's newest notes, newest first.
func newestNotes(tx *ledger.Tx, campaign *history.Campaign, limit int) (out []NoteView, err error) {
	if campaign.Notes == 0 {
		return nil, nil
	}

	ss, err := tx.Sessions(campaign.Name)
	if err != nil {
		return nil, err
	}

	for n := campaign.Notes; n > max(0, campaign.Notes-limit); n-- {
		v := NoteView{}
		if v.Note, v.At, err = tx.Note(campaign.Name, n); err != nil {
			return nil, err
		}

		for i := range ss {
			if ss[i].Heard >= n {
				v.Delivered = append(v.Delivered, ss[i].Codename)
			}
		}

		out = append(out, v)
	}

	return out, nil
}

// briefNotes are the notes of a brief, oldest first: those that were not delivered to
// the session, and where these are few, the newest ones again.
func briefNotes(co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign) (out []NoteView, err error) {
	next, err := co.FirstUnheardNumber(tx, campaign)
	if err != nil || campaign.Notes == 0 {
		return nil, err
	}

	from := max(1, campaign.Notes-noteAgain+1)
	if next > 0 { // a session, which has not had the notes from next on
		from = min(next, from)
	}

	for n := from; n <= campaign.Notes && n < max(from, next)+noteUnread; n++ {
		v := NoteView{Unheard: next > 0 && n >= next}
		if v.Note, v.At, err = tx.Note(campaign.Name, n); err != nil {
			return nil, err
		}
		out = append(out, v)
	}

	return out, nil
}
