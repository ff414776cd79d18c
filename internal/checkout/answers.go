package checkout

import (
	"context"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// CountAnswer counts an answer that this session's agent got: the bytes of its text
// and of its structured form. The counts are recorded with the session's next
// record, or by Leave's caller at its end (RecordAnswers): a session that only
// reads appends nothing meanwhile. What a process that dies had not recorded is lost.
func (co *Checkout) CountAnswer(tool string, text, structured int) {
	co.mu.Lock()
	defer co.mu.Unlock()

	if co.answers == nil {
		co.answers = map[string]history.Answered{}
	}
	co.answers[tool] = co.answers[tool].Plus(history.Answered{N: 1, Text: int64(text), Structured: int64(structured)})
}

// RecordAnswers appends the counts that are not recorded yet, at the orderly end
// of a session. One that took no part in the campaign has none to record.
func (co *Checkout) RecordAnswers(ctx context.Context) error {
	told := co.takeAnswerCounts()
	if len(told) == 0 {
		return nil
	}

	return co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		c, err := co.FindCampaign(ctx, tx)
		if research.HasCode(err, research.CodeNoCampaign) {
			return nil
		}

		if err != nil {
			return err
		}

		name, ok := tx.SessionOf(c.Name, co.Repo.Root())
		if !ok {
			return nil
		}

		if s, err := tx.Session(c.Name, name); err != nil || s.Client != co.Opt.Client.Name ||
			s.Version != co.Opt.Client.Version {
			return err
		}

		return appendAnswers(tx, c.Name, name, told)
	})
}

// appendAnswers appends session.answered, unless there is nothing to tell.
func appendAnswers(tx *ledger.Tx, campaign, session string, told map[string]history.Answered) error {
	if len(told) == 0 {
		return nil
	}
	_, err := tx.Append(history.Entry{Campaign: campaign, Session: session, Kind: history.KindSessionAnswered,
		Body: history.SessionAnswers{Calls: told}})

	return err
}

// takeAnswerCounts takes the counts that are not recorded yet.
func (co *Checkout) takeAnswerCounts() map[string]history.Answered {
	co.mu.Lock()
	defer co.mu.Unlock()
	told := co.answers
	co.answers = nil

	return told
}

// restoreAnswerCounts takes counts back that could not be recorded.
func (co *Checkout) restoreAnswerCounts(told map[string]history.Answered) {
	co.mu.Lock()
	defer co.mu.Unlock()

	if co.answers == nil {
		co.answers = map[string]history.Answered{}
	}

	for tool, a := range told {
		co.answers[tool] = co.answers[tool].Plus(a)
	}
}
