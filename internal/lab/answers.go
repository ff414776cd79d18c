package lab

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
func (l *Lab) CountAnswer(tool string, text, structured int) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.answers == nil {
		l.answers = map[string]history.Answered{}
	}
	l.answers[tool] = l.answers[tool].Plus(history.Answered{N: 1, Text: int64(text), Structured: int64(structured)})
}

// RecordAnswers appends the counts that are not recorded yet, at the orderly end
// of a session. One that took no part in the campaign has none to record.
func (l *Lab) RecordAnswers(ctx context.Context) error {
	told := l.takeAnswerCounts()
	if len(told) == 0 {
		return nil
	}

	return l.ledger.Update(ctx, func(tx *ledger.Tx) error {
		c, err := l.findCampaign(ctx, tx)
		if hasCode(err, research.CodeNoCampaign) {
			return nil
		}

		if err != nil {
			return err
		}

		name, ok := tx.SessionOf(c.Name, l.repo.Root())
		if !ok {
			return nil
		}

		if s, err := tx.Session(c.Name, name); err != nil || s.Client != l.opt.Client.Name ||
			s.Version != l.opt.Client.Version {
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
func (l *Lab) takeAnswerCounts() map[string]history.Answered {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.answers
	l.answers = nil

	return told
}

// restoreAnswerCounts takes counts back that could not be recorded.
func (l *Lab) restoreAnswerCounts(told map[string]history.Answered) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.answers == nil {
		l.answers = map[string]history.Answered{}
	}

	for tool, a := range told {
		l.answers[tool] = l.answers[tool].Plus(a)
	}
}
