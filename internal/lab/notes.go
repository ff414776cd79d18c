package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// This file is a person's word to the agents: AddNote records it; the brief, and
// the answers of a cycle, tell it to every session that has not had it; that it
// was told is recorded too. A note changes nothing else.

const (
	noteMost   = 2000 // bytes
	noteRoom   = 170  // of it in the answer of a run, as JSON
	noteBrief  = 110  // in the answer of keep and revert
	noteUnread = 5    // in a brief, oldest first
	noteAgain  = 2    // that were told already, where a brief has fewer
)

// NoteView is a note, and which sessions have had it.
type NoteView struct {
	history.Note
	At        time.Time
	Delivered []string // codenames
	Unheard   bool     // by the reader's session
}

// AddNote records a note for every session of the campaign, and returns its
// number. by is as in research.LoopChange. Control characters are taken out.
// Errors: CodeBadArgument, CodeEnded.
func (l *Lab) AddNote(ctx context.Context, text, by string) (n int, err error) {
	if text = stripControls(text); text == "" {
		return 0, research.Errorf(research.CodeBadArgument, "say in a sentence what the agents should know",
			"the note is empty")
	}

	if len(text) > noteMost {
		return 0, research.Errorf(research.CodeBadArgument, "say it shorter, or write it into program.md's body",
			"the note has %d bytes, at most %d are allowed", len(text), noteMost)
	}

	c, err := l.currentCampaign(ctx)
	if err != nil {
		return 0, err
	}
	err = l.ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := tx.Campaign(c.Name)
		if err != nil {
			return err
		}

		if now.Ended != "" {
			return research.Errorf(research.CodeEnded, "nobody works on it any more", "the campaign %q has ended: %s",
				now.Name, now.Ended)
		}
		n = now.Notes + 1
		_, err = tx.Append(history.Entry{Campaign: now.Name, Kind: history.KindNoteAdded,
			Body: history.Note{N: n, Text: text, By: by}})

		return err
	})

	return n, err
}

// stripControls is text without control characters but for line breaks and tabs, and
// without invisible ones that reorder it.
func stripControls(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")

	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && research.Unseen(r) {
			return -1
		}

		return r
	}, text))
}

// newestNotes are the campaign's newest notes, newest first.
func newestNotes(tx *ledger.Tx, c *history.Campaign, limit int) (out []NoteView, err error) {
	if c.Notes == 0 {
		return nil, nil
	}

	ss, err := tx.Sessions(c.Name)
	if err != nil {
		return nil, err
	}

	for n := c.Notes; n > max(0, c.Notes-limit); n-- {
		v := NoteView{}
		if v.Note, v.At, err = tx.Note(c.Name, n); err != nil {
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

// firstUnheardNumber is the number of the first note that the checkout's session has not
// been told; one more than there are where it was told all, 0 where it has not joined.
func (l *Lab) firstUnheardNumber(tx *ledger.Tx, c *history.Campaign) (int, error) {
	name, ok := tx.SessionOf(c.Name, l.repo.Root())
	if !ok || c.Notes == 0 || l.person {
		return 0, nil
	}

	s, err := tx.Session(c.Name, name)
	if err != nil {
		return 0, err
	}

	return s.Heard + 1, nil
}

// firstUnheardNote is that note, nil if there is none.
func (l *Lab) firstUnheardNote(tx *ledger.Tx, c *history.Campaign) (*history.Note, error) {
	n, err := l.firstUnheardNumber(tx, c)
	if err != nil || n == 0 || n > c.Notes {
		return nil, err
	}
	note, _, err := tx.Note(c.Name, n)

	return &note, err
}

// briefNotes are the notes of a brief, oldest first: what the session has not been
// told, and where that is little, what it was told last.
func (l *Lab) briefNotes(tx *ledger.Tx, c *history.Campaign) (out []NoteView, err error) {
	next, err := l.firstUnheardNumber(tx, c)
	if err != nil || c.Notes == 0 {
		return nil, err
	}

	from := min(max(1, next), max(1, c.Notes-noteAgain+1))
	if next == 0 {
		from = max(1, c.Notes-noteAgain+1)
	}

	for n := from; n <= c.Notes && n < max(from, next)+noteUnread; n++ {
		v := NoteView{Unheard: next > 0 && n >= next}
		if v.Note, v.At, err = tx.Note(c.Name, n); err != nil {
			return nil, err
		}
		out = append(out, v)
	}

	return out, nil
}

// Delivered records that the checkout's session was told these notes whole. What
// it was told already, and a session that has not joined, are left out.
func (l *Lab) Delivered(ctx context.Context, numbers ...int) error {
	c, err := l.currentCampaign(ctx)
	if err != nil || len(numbers) == 0 {
		return err
	}

	return l.recordDelivered(ctx, c.Name, numbers)
}

func (l *Lab) recordDelivered(ctx context.Context, campaign string, numbers []int) error {
	return l.ledger.Update(ctx, func(tx *ledger.Tx) error {
		c, err := tx.Campaign(campaign)
		if err != nil {
			return err
		}

		next, err := l.firstUnheardNumber(tx, c)
		if err != nil || next == 0 {
			return err
		}

		session, _ := tx.SessionOf(campaign, l.repo.Root())
		for ; slices.Contains(numbers, next); next++ {
			if _, err := tx.Append(history.Entry{Campaign: campaign, Session: session,
				Kind: history.KindNoteDelivered, Key: fmt.Sprintf("note/%d/%s", next, session),
				Body: history.NoteDelivery{N: next}}); err != nil {
				return err
			}
		}

		return nil
	})
}

// attachNote adds to an outcome what the session has not been told, unless keep or
// revert, inside the call, have done so.
func (l *Lab) attachNote(ctx context.Context, out *Outcome) *Outcome {
	if out != nil && out.Human == "" {
		out.Human = l.noteText(ctx, out.campaign, out.unheard, noteRoom)
	}

	return out
}

// noteText is what an answer tells of a note, in at most room bytes of JSON: the
// whole, which is recorded as told, else its beginning and where the rest is.
// What could not be recorded is told again.
func (l *Lab) noteText(ctx context.Context, campaign string, n *history.Note, room int) string {
	if n == nil {
		return ""
	}

	text := strings.Join(strings.Fields(n.Text), " ")
	if encodedLen(text) <= room {
		_ = l.recordDelivered(ctx, campaign, []int{n.N})
		return text
	}

	const rest = "… (the whole: read_log{})"
	for encodedLen(text)+len(rest) > room {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}

	return text + rest
}

// noteAfterKeep is the word in the answer to a keep, "" where a person at a terminal
// reads that.
func (l *Lab) noteAfterKeep(ctx context.Context, c *history.Campaign, overridden history.Way) string {
	if overridden == history.ByTerminal {
		return ""
	}

	return l.noteText(ctx, c.Name, c.Unheard, noteBrief)
}

// encodedLen is the length of a text as JSON.
func encodedLen(text string) int {
	b, err := json.Marshal(text)
	if err != nil {
		return len(text)
	}

	return len(b) - 2
}
