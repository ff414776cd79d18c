package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// This file is a person's word to the agents: AddNote records it; the brief, and
// the answers of a cycle, tell it to every session that has not had it; that it
// was told is recorded too. A note changes nothing else.

const (
	noteMost  = 2000 // bytes
	noteRoom  = 170  // of it in the answer of a run, as JSON
	noteBrief = 110  // in the answer of keep and revert
)

// AddNote records a note for every session of the campaign, and returns its
// number. by is as in research.LoopChange. Control characters are taken out.
// Errors: CodeBadArgument, CodeEnded.
func AddNote(ctx context.Context, co *checkout.Checkout, text, by string) (n int, err error) {
	if text = wording.StripControls(text); text == "" {
		return 0, research.Errorf(research.CodeBadArgument, "say in a sentence what the agents should know",
			"the note is empty")
	}

	if len(text) > noteMost {
		return 0, research.Errorf(research.CodeBadArgument, "say it shorter, or write it into program.md's body",
			"the note has %d bytes, at most %d are allowed", len(text), noteMost)
	}

	campaign, err := co.CurrentCampaign(ctx)
	if err != nil {
		return 0, err
	}
	err = co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := tx.Campaign(campaign.Name)
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

// Delivered records that the checkout's session was told these notes whole. What
// it was told already, and a session that has not joined, are left out.
func Delivered(ctx context.Context, co *checkout.Checkout, numbers ...int) error {
	campaign, err := co.CurrentCampaign(ctx)
	if err != nil || len(numbers) == 0 {
		return err
	}

	return recordDelivered(ctx, co, campaign.Name, numbers)
}

func recordDelivered(ctx context.Context, co *checkout.Checkout, campaign string, numbers []int) error {
	return co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		held, err := tx.Campaign(campaign)
		if err != nil {
			return err
		}

		next, err := co.FirstUnheardNumber(tx, held)
		if err != nil || next == 0 {
			return err
		}

		session, _ := tx.SessionOf(campaign, co.Repo.Root())
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
func attachNote(ctx context.Context, co *checkout.Checkout, out *job.Outcome) *job.Outcome {
	if out != nil && out.Human == "" {
		out.Human = noteText(ctx, co, out.Campaign, out.Unheard, noteRoom)
	}

	return out
}

// noteText is what an answer tells of a note, in at most room bytes of JSON: the
// whole, which is recorded as told, else its beginning and where the rest is.
// What could not be recorded is told again.
func noteText(ctx context.Context, co *checkout.Checkout, campaign string, n *history.Note, room int) string {
	if n == nil {
		return ""
	}

	text := strings.Join(strings.Fields(n.Text), " ")
	if wording.EncodedLen(text) <= room {
		_ = recordDelivered(ctx, co, campaign, []int{n.N})
		return text
	}

	const rest = "… (the whole: read_log{})"
	for wording.EncodedLen(text)+len(rest) > room {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}

	return text + rest
}

// noteAfterKeep is the word in the answer to a keep, "" where a person at a terminal
// reads that.
func noteAfterKeep(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, overridden history.Way,
) string {
	if overridden == history.ByTerminal {
		return ""
	}

	return noteText(ctx, co, campaign.Name, campaign.Unheard, noteBrief)
}
