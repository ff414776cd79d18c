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

// evidencePath is the path of the e-value that judged the experiment, nil if none did or if the
// state that the rule was in then can't be found nearby.
func evidencePath(
	tx *ledger.Tx, campaign *history.Campaign, experiment *history.Experiment, runs []rules.Run,
) ([]rules.Evidence, error) {
	judgement := experiment.Judgement
	if campaign.Program.Search != rules.SearchCertify || judgement == nil || judgement.E <= 0 ||
		experiment.JudgedSeq == 0 {
		return nil, nil
	}
	var since []history.Record // of those that change the rule's state, newest first

	for seq := experiment.JudgedSeq - 1; seq > 0 && seq+evidenceLooks > experiment.JudgedSeq; seq-- {
		record, err := tx.Record(seq)
		if err != nil {
			return nil, err
		}

		if record.Campaign != campaign.Name {
			continue
		}

		switch record.Kind {
		case history.KindExperimentJudged, history.KindCertificateFinished,
			history.KindCampaignStarted: // which have it whole
			var b struct {
				State rules.RuleState `json:"state"`
			}
			if err := json.Unmarshal(record.Body, &b); err != nil {
				return nil, fmt.Errorf("decode record %d: %w", seq, err)
			}
			slices.Reverse(since)
			st, err := stateAfter(tx, campaign, experiment, b.State, since)

			return rules.EvidencePath(campaign.Program, st, *judgement, runs), err
		case history.KindExperimentKept, history.KindKeepUndone, history.KindCalibrationFinished,
			history.KindMeasurementFinished:
			since = append(since, record)
		}
	}

	return nil, nil
}

// stateAfter is st after records that lie between two verdicts, the later of
// which is x's, as the campaign's fold has it.
func stateAfter(
	tx *ledger.Tx, campaign *history.Campaign, experiment *history.Experiment, st rules.RuleState,
	records []history.Record,
) (rules.RuleState, error) {
	for _, record := range records {
		var b struct {
			N       int             `json:"n"`
			Job     research.JobID  `json:"job"`
			State   rules.RuleState `json:"state"`
			Samples []float64       `json:"samples"`
			Failed  string          `json:"failed"`
		}
		if err := json.Unmarshal(record.Body, &b); err != nil {
			return st, fmt.Errorf("decode record %d: %w", record.Seq, err)
		}

		switch record.Kind {
		case history.KindCalibrationFinished:
			st = b.State.Continue(st)
		case history.KindMeasurementFinished:
			measurement, err := tx.Measurement(campaign.Name, b.Job)
			if err != nil {
				return st, err
			}

			// x's parent is the incumbent, unless that has moved since; then the path won't fit.
			if b.Failed == "" && measurement.Commit == experiment.Parent {
				st = st.AfterRepeats(campaign.Program, b.Samples)
			}
		default:
			tried, err := tx.Experiment(campaign.Name, b.N)
			if err != nil || tried.Judgement == nil {
				return st, err
			}
			st = stateAfterDecision(st, record.Kind, tried)
		}
	}

	return st, nil
}

// stateAfterDecision is st after a keep, or after its undoing.
func stateAfterDecision(st rules.RuleState, kind history.Kind, experiment *history.Experiment) rules.RuleState {
	switch kept := kind == history.KindExperimentKept; {
	case kept && experiment.Overridden == "":
		return st.AfterKeep(*experiment.Judgement)
	case kept:
		return st.AfterOverride(*experiment.Judgement)
	case experiment.Overridden == "":
		return st.AfterUndo(*experiment.Judgement)
	}

	return st.AfterOverrideUndone(*experiment.Judgement)
}
