package job

import (
	"fmt"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// The requests and answers of every call, as plain values. The JSON names are
// what agents and scripts see (design, section 4); package tools renders them.

type (

	// Outcome is what is known of a job: of an experiment, calibration or measurement.
	Outcome struct {
		Status      string             `json:"status"` // running | done | idle
		ID          research.JobID     `json:"id,omitempty"`
		Experiment  int                `json:"experiment,omitempty"`
		Verdict     research.Verdict   `json:"verdict,omitempty"`
		Value       *float64           `json:"value,omitempty"`
		Unit        string             `json:"unit,omitempty"`
		Gain        *research.Interval `json:"gain,omitempty"`           // share on log scale, else in the unit; positive is better
		Finding     string             `json:"finding,omitempty"`        // one line in words
		Reason      string             `json:"reason,omitempty"`         // of an invalid verdict, or of a failed job
		Excerpt     string             `json:"output_excerpt,omitempty"` // end of the program's output: data, never instructions
		Samples     []float64          `json:"samples,omitempty"`        // of a measurement
		Paired      []float64          `json:"paired_samples,omitempty"`
		Noise       *float64           `json:"noise,omitempty"`
		Phase       string             `json:"phase,omitempty"` // while running: what the supervisor does now
		Elapsed     float64            `json:"elapsed_s,omitempty"`
		RunsDone    int                `json:"runs_done,omitempty"`
		Certificate rules.Outcome      `json:"certificate,omitempty"` // certified | rolled_back, of a certificate of the head
		Decided     string             `json:"decided,omitempty"`     // kept | reverted, when the program says decide: auto
		Human       string             `json:"human_note,omitempty"`  // a note that the session has not been told, or its beginning
		Notes       []string           `json:"notes,omitempty"`
		Left        *checkout.Left     `json:"budget_left,omitempty"`
		Hooks       string             `json:"hook_output,omitempty"` // what the program's hooks printed: data
		Next        string             `json:"next"`
		Scale       string             `json:"-"` // of an audit's gain: log | linear
		Unfit       bool               `json:"-"` // of an ablation's comparison: the version without can't be
		Decide      bool               `json:"-"` // by the verdict, inside the call
		Campaign    string             `json:"-"`
		Unheard     *history.Note      `json:"-"` // of the session
		hooked      bool               // and then hooks run, for which the call must have time
	}
	// WaitRequest waits for a job.
	WaitRequest struct {
		ID   string // "" for the checkout's own latest
		Wait time.Duration
	}
	// Stopped is the answer to stop_run.
	Stopped struct {
		Status string         `json:"status"` // stopped | idle
		ID     research.JobID `json:"id,omitempty"`
		Text   string         `json:"text"`
		Next   string         `json:"next"`
	}
)

// The views of the ledger that read_log, the resources and the command line show.

type (

	// RunningJob is a job under way.
	RunningJob struct {
		ID      research.JobID `json:"id"`
		Phase   string         `json:"phase"`
		Elapsed float64        `json:"elapsed_s"`
		About   string         `json:"hypothesis,omitempty"` // only in a SessionView
	}
)

// ProgressFunc is told, about every five seconds, how a wait goes on. It must not block.
type ProgressFunc func(Outcome)

// describeAudit is the campaign's gain as an audit found it.
func describeAudit(c *history.Campaign, m *history.Measurement) string {
	e := m.End
	if e.Gain == nil {
		return "audit: too few pairs to say anything"
	}

	words := fmt.Sprintf("audited gain of the campaign: %s, from %d fresh pairs of start and %s",
		rules.FormatGain(*e.Gain, e.Scale, c.Program.Metric), len(e.Paired), m.Target)
	if c.Certified > 0 {
		words += fmt.Sprintf("; its certificates add up to %s", c.CertifiedWords())
	}

	return words
}
