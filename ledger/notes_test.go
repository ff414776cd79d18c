package ledger_test

import (
	"context"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// Notes are numbered once and told in order, once to each session that has joined;
// every index of them follows from the records.
func TestNotesAreToldInOrder(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	note := func(n int, text string) history.Entry {
		e := entry(history.KindNoteAdded, history.Note{N: n, Text: text, By: "dashboard"})
		e.Session = ""

		return e
	}
	told := func(who string, n int) history.Entry {
		return by(who, history.KindNoteDelivered, history.NoteDelivery{N: n})
	}
	put(t, l, note(1, "one"), note(2, "two"), note(3, "three"), told("amber-fox", 1))

	for _, tt := range []struct {
		name  string
		entry history.Entry
		code  research.Code
		says  string
	}{
		{"added twice", note(3, "again"), research.CodeConflict, "3"},
		{"without a number", note(0, "again"), research.CodeConflict, "0"},
		{"told twice", told("amber-fox", 1), research.CodeConflict, "note 1 is not the next"},
		{"one left out", told("amber-fox", 3), research.CodeConflict, "note 3 is not the next"},
		{"to nobody", told("", 1), research.CodeConflict, "note 1"},
		{"to a session that has not joined", told("grey-owl", 1), research.CodeConflict, "grey-owl"},
	} {
		before, _ := l.Stamp()
		_, err := l.Append(context.Background(), tt.entry)
		wantError(t, err, tt.code, tt.says)

		if after, _ := l.Stamp(); after != before {
			t.Errorf("%s: something was written", tt.name)
		}
	}
	put(t, l, told("amber-fox", 2), told("amber-fox", 3))
	wantErr := func() error { _, err := l.Append(context.Background(), told("amber-fox", 4)); return err }()
	wantError(t, wantErr, research.CodeConflict, "note 4")
	view(t, l, func(tx *ledger.Tx) error {
		c, err := tx.Campaign(camp)
		s, serr := tx.Session(camp, "amber-fox")

		n, at, nerr := tx.Note(camp, 2)
		if err != nil || serr != nil || nerr != nil || c.Notes != 3 || s.Heard != 3 || n.Text != "two" ||
			n.By != "dashboard" || at.IsZero() {
			t.Errorf("%v %v %v: %d notes, %d heard, %+v at %v", err, serr, nerr, c.Notes, s.Heard, n, at)
		}
		_, _, err = tx.Note(camp, 4)
		wantError(t, err, research.CodeNotFound, "no note 4")

		return nil
	})

	if seq, err := l.Acknowledged(); err != nil || seq != 11 {
		t.Errorf("acknowledged %d, %v", seq, err)
	}

	if _, err := l.Verify(context.Background()); err != nil {
		t.Error(err)
	}

	if err := l.Rebuild(context.Background()); err != nil {
		t.Error(err)
	}
	view(t, l, func(tx *ledger.Tx) error {
		n, _, err := tx.Note(camp, 3)
		if err != nil || n.Text != "three" {
			t.Errorf("rebuilt: %+v, %v", n, err)
		}

		return nil
	})
}
