package view

import (
	"encoding/json"
	"fmt"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

// evidenceLooks bounds the records that are read to find a rule's state.
const evidenceLooks = 2000

// evidencePath is the path of the e-value that judged x, nil if none did or if the
// state that the rule was in then can't be found nearby.
func evidencePath(
	tx *ledger.Tx, c *history.Campaign, x *history.Experiment, runs []rules.Run,
) ([]rules.Evidence, error) {
	j := x.Judgement
	if c.Program.Search != rules.SearchCertify || j == nil || j.E <= 0 || x.JudgedSeq == 0 {
		return nil, nil
	}
	var since []history.Record // of those that change the rule's state, newest first

	for seq := x.JudgedSeq - 1; seq > 0 && seq+evidenceLooks > x.JudgedSeq; seq-- {
		r, err := tx.Record(seq)
		if err != nil {
			return nil, err
		}

		if r.Campaign != c.Name {
			continue
		}

		switch r.Kind {
		case history.KindExperimentJudged, history.KindCertificateFinished,
			history.KindCampaignStarted: // which have it whole
			var b struct {
				State rules.RuleState `json:"state"`
			}
			if err := json.Unmarshal(r.Body, &b); err != nil {
				return nil, fmt.Errorf("decode record %d: %w", seq, err)
			}
			slices.Reverse(since)
			st, err := stateAfter(tx, c, x, b.State, since)

			return rules.EvidencePath(c.Program, st, *j, runs), err
		case history.KindExperimentKept, history.KindKeepUndone, history.KindCalibrationFinished,
			history.KindMeasurementFinished:
			since = append(since, r)
		}
	}

	return nil, nil
}

// stateAfter is st after records that lie between two verdicts, the later of
// which is x's, as the campaign's fold has it.
func stateAfter(
	tx *ledger.Tx, c *history.Campaign, x *history.Experiment, st rules.RuleState, records []history.Record,
) (rules.RuleState, error) {
	for _, r := range records {
		var b struct {
			N       int             `json:"n"`
			Job     research.JobID  `json:"job"`
			State   rules.RuleState `json:"state"`
			Samples []float64       `json:"samples"`
			Failed  string          `json:"failed"`
		}
		if err := json.Unmarshal(r.Body, &b); err != nil {
			return st, fmt.Errorf("decode record %d: %w", r.Seq, err)
		}

		switch r.Kind {
		case history.KindCalibrationFinished:
			st = b.State.Continue(st)
		case history.KindMeasurementFinished:
			m, err := tx.Measurement(c.Name, b.Job)
			if err != nil {
				return st, err
			}

			// x's parent is the incumbent, unless that has moved since; then the path won't fit.
			if b.Failed == "" && m.Commit == x.Parent {
				st = st.AfterRepeats(c.Program, b.Samples)
			}
		default:
			k, err := tx.Experiment(c.Name, b.N)
			if err != nil || k.Judgement == nil {
				return st, err
			}
			st = stateAfterDecision(st, r.Kind, k)
		}
	}

	return st, nil
}

// stateAfterDecision is st after a keep, or after its undoing.
func stateAfterDecision(st rules.RuleState, kind history.Kind, k *history.Experiment) rules.RuleState {
	switch kept := kind == history.KindExperimentKept; {
	case kept && k.Overridden == "":
		return st.AfterKeep(*k.Judgement)
	case kept:
		return st.AfterOverride(*k.Judgement)
	case k.Overridden == "":
		return st.AfterUndo(*k.Judgement)
	}

	return st.AfterOverrideUndone(*k.Judgement)
}
