package notify

import (
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// PiRun is an experiment as a line of pi's log.jsonl, and as its hooks get it.
type PiRun struct {
	Run         int                `json:"run"` // from 1, the baseline's
	Commit      string             `json:"commit"`
	Metric      float64            `json:"metric"` // 0 of a crash
	Metrics     map[string]float64 `json:"metrics"`
	Status      string             `json:"status"` // keep | discard | crash | checks_failed
	Description string             `json:"description"`
	Timestamp   int64              `json:"timestamp"` // ms
	Segment     int                `json:"segment"`
	Confidence  *float64           `json:"confidence"`
	ASI         map[string]any     `json:"asi,omitempty"`
}

// PiStatus is pi's word for where an experiment stands; "" while it is undecided.
func PiStatus(x *history.Experiment) string {
	switch x.Status {
	case research.Kept:
		return "keep"
	case research.Reverted:
		return "discard"
	case research.Voided:
		return "crash"
	}

	return ""
}

// NewPiRun is an experiment of a metric in pi's names. samples are those of the
// candidate's last valid run, nil for none. Its run counts the baseline as 1;
// the segment is 0.
func NewPiRun(metric contract.Metric, experiment *history.Experiment, samples map[string]float64) PiRun {
	commit := experiment.Candidate
	if experiment.Status == research.Kept {
		commit = experiment.Commit
	}

	at := experiment.JudgedAt
	if at.IsZero() {
		at = experiment.ProposedAt
	}
	line := PiRun{Run: experiment.N + 1, Commit: commit[:min(len(commit), 7)], Metrics: map[string]float64{},
		Status: PiStatus(experiment), Description: wording.PlainLine(experiment.Hypothesis), Timestamp: at.UnixMilli(),
		ASI: map[string]any{"hypothesis": experiment.Hypothesis}}

	judgement := experiment.Judgement
	if judgement != nil && judgement.Value != nil && experiment.Status != research.Voided {
		line.Metric = *judgement.Value
	}

	for name, v := range samples {
		if name != metric.Name {
			line.Metrics[name] = v
		}
	}

	if experiment.Status == research.Voided && judgement != nil && strings.HasPrefix(judgement.Reason, "check ") {
		line.Status = "checks_failed"
	}

	if judgement != nil {
		line.ASI["verdict"] = judgement.Verdict
		if judgement.Reason != "" {
			line.ASI["rollback_reason"] = judgement.Reason
		}
	}

	for key, text := range map[string]string{"learned": experiment.Lesson, "expected_delta": experiment.Expect} {
		if text != "" {
			line.ASI[key] = text
		}
	}

	return line
}

// piSession is the campaign in the names of pi's hooks.
type piSession struct {
	MetricName string   `json:"metric_name"`
	MetricUnit string   `json:"metric_unit"`
	Direction  string   `json:"direction"`
	Baseline   *float64 `json:"baseline_metric"`
	Best       *float64 `json:"best_metric"` // of what was kept, null until something was
	RunCount   int      `json:"run_count"`   // the baseline included
	Goal       string   `json:"goal"`
}

// piPayload is what a hook of pi's reads, one JSON line: before has next_run and
// last_run, after has run_entry.
type piPayload struct {
	Event    contract.Event `json:"event"`
	Cwd      string         `json:"cwd"`
	NextRun  int            `json:"next_run,omitempty"`
	LastRun  any            `json:"last_run,omitempty"`  // *PiRun, or JSON's null
	RunEntry *PiRun         `json:"run_entry,omitempty"` // of after
	Session  piSession      `json:"session"`
}

// readPiState reads what hooks get: the campaign as pi's session, and an experiment as
// its run, which is nil when the experiment is.
func readPiState(tx *ledger.Tx, campaign *history.Campaign, experiment *history.Experiment) (piSession, *PiRun, error) {
	metric := campaign.Program.Metric

	s := piSession{MetricName: metric.Name, MetricUnit: metric.Unit, Direction: string(metric.Better),
		Baseline: campaign.Baseline, Goal: campaign.Name, RunCount: campaign.Experiments}
	if campaign.Baseline != nil {
		s.RunCount++
	}

	for _, n := range campaign.KeptStack {
		tried, err := tx.Experiment(campaign.Name, n)
		if err != nil {
			return s, nil, err
		}

		if tried.Judgement == nil || tried.Judgement.Value == nil {
			continue
		}

		if v := *tried.Judgement.Value; s.Best == nil || (metric.Better == research.Lower) == (v < *s.Best) {
			s.Best = &v
		}
	}

	if experiment == nil {
		return s, nil, nil
	}
	runs, err := tx.Runs(campaign.Name, experiment.Job())
	var samples map[string]float64

	for _, r := range runs {
		if r.Side == rules.Candidate && r.Valid {
			samples = r.Samples
		}
	}
	run := NewPiRun(metric, experiment, samples)

	return s, &run, err
}

// remainingTime is the time until then, at most limit.
func remainingTime(limit time.Duration, until time.Time) time.Duration {
	return min(limit, time.Until(until))
}
