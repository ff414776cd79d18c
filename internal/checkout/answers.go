package checkout

import (
	"context"
	"sync"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// CountAnswer counts an answer that this session's agent got: the bytes of its text
// and of its structured form. The counts are recorded with the session's next
// record, or at its end by RecordAnswers: a session that only reads appends
// nothing meanwhile. Counts that a process had not recorded are lost with it.
func (co *Checkout) CountAnswer(tool string, text, structured int) {
	co.answers.add(map[string]history.Answered{tool: {N: 1, Text: int64(text), Structured: int64(structured)}})
}

// RecordAnswers appends the counts that are not recorded yet, at the orderly end
// of a session. One that took no part in the campaign has none to record.
func (co *Checkout) RecordAnswers(ctx context.Context) error {
	counts := co.answers.take()
	if len(counts) == 0 {
		return nil
	}

	return co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		campaign, err := co.FindCampaign(ctx, tx)
		if research.HasCode(err, research.CodeNoCampaign) {
			return nil
		}

		if err != nil {
			return err
		}

		name, ok := tx.SessionOf(campaign.Name, co.Repo.Root())
		if !ok {
			return nil
		}

		session, err := tx.Session(campaign.Name, name)
		if err != nil || session.Client != co.Opt.Client.Name || session.Version != co.Opt.Client.Version {
			return err
		}

		return appendAnswers(tx, campaign.Name, name, counts)
	})
}

// appendAnswers appends session.answered, unless there are no counts.
func appendAnswers(tx *ledger.Tx, campaign, session string, counts map[string]history.Answered) error {
	if len(counts) == 0 {
		return nil
	}
	_, err := tx.Append(history.Entry{Campaign: campaign, Session: session, Kind: history.KindSessionAnswered,
		Body: history.SessionAnswers{Calls: counts}})

	return err
}

// answerCounts are the answers since the last record of them, by tool.
type answerCounts struct {
	mu     sync.Mutex
	byTool map[string]history.Answered
}

// add adds counts to those that are not recorded yet.
func (a *answerCounts) add(counts map[string]history.Answered) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.byTool == nil {
		a.byTool = map[string]history.Answered{}
	}

	for tool, n := range counts {
		a.byTool[tool] = a.byTool[tool].Plus(n)
	}
}

// take removes and returns the counts that are not recorded yet.
func (a *answerCounts) take() map[string]history.Answered {
	a.mu.Lock()
	defer a.mu.Unlock()

	counts := a.byTool
	a.byTool = nil

	return counts
}
