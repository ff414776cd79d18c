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

// NewPiRun is experiment x of metric m in pi's names. samples are those of the
// candidate's last valid run, nil for none. Its run counts the baseline as 1;
// the segment is 0.
func NewPiRun(m contract.Metric, x *history.Experiment, samples map[string]float64) PiRun {
	commit := x.Candidate
	if x.Status == research.Kept {
		commit = x.Commit
	}

	at := x.JudgedAt
	if at.IsZero() {
		at = x.ProposedAt
	}
	line := PiRun{Run: x.N + 1, Commit: commit[:min(len(commit), 7)], Metrics: map[string]float64{},
		Status: PiStatus(x), Description: wording.PlainLine(x.Hypothesis), Timestamp: at.UnixMilli(),
		ASI: map[string]any{"hypothesis": x.Hypothesis}}

	j := x.Judgement
	if j != nil && j.Value != nil && x.Status != research.Voided {
		line.Metric = *j.Value
	}

	for name, v := range samples {
		if name != m.Name {
			line.Metrics[name] = v
		}
	}

	if x.Status == research.Voided && j != nil && strings.HasPrefix(j.Reason, "check ") {
		line.Status = "checks_failed"
	}

	if j != nil {
		line.ASI["verdict"] = j.Verdict
		if j.Reason != "" {
			line.ASI["rollback_reason"] = j.Reason
		}
	}

	for key, text := range map[string]string{"learned": x.Lesson, "expected_delta": x.Expect} {
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

// readPiState reads what hooks get: the campaign as pi's session, and experiment x as
// its run, which is nil when x is.
func readPiState(tx *ledger.Tx, c *history.Campaign, x *history.Experiment) (piSession, *PiRun, error) {
	m := c.Program.Metric

	s := piSession{MetricName: m.Name, MetricUnit: m.Unit, Direction: string(m.Better), Baseline: c.Baseline,
		Goal: c.Name, RunCount: c.Experiments}
	if c.Baseline != nil {
		s.RunCount++
	}

	for _, n := range c.KeptStack {
		k, err := tx.Experiment(c.Name, n)
		if err != nil {
			return s, nil, err
		}

		if k.Judgement == nil || k.Judgement.Value == nil {
			continue
		}

		if v := *k.Judgement.Value; s.Best == nil || (m.Better == research.Lower) == (v < *s.Best) {
			s.Best = &v
		}
	}

	if x == nil {
		return s, nil, nil
	}
	runs, err := tx.Runs(c.Name, x.Job())
	var samples map[string]float64

	for _, r := range runs {
		if r.Side == rules.Candidate && r.Valid {
			samples = r.Samples
		}
	}
	run := NewPiRun(m, x, samples)

	return s, &run, err
}

// remainingTime is the time until then, at most limit.
func remainingTime(limit time.Duration, until time.Time) time.Duration {
	return min(limit, time.Until(until))
}
