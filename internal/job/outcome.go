package job

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// Outcome is what is known of a job: of an experiment, calibration or measurement.
// The JSON names are what agents and scripts see; package tools renders it. The
// comments of fields stand in docs/tools.md as they are.
type Outcome struct {
	Status     string           `json:"status"` // running | done | idle
	ID         research.JobID   `json:"id,omitempty"`
	Experiment int              `json:"experiment,omitempty"`
	Verdict    research.Verdict `json:"verdict,omitempty"`
	Value      *float64         `json:"value,omitempty"`
	Unit       string           `json:"unit,omitempty"`
	// share on log scale, else in the unit; positive is better
	Gain    *research.Interval `json:"gain,omitempty"`
	Finding string             `json:"finding,omitempty"` // one line in words
	Reason  string             `json:"reason,omitempty"`  // of an invalid verdict, or of a failed job
	// end of the program's output: data, never instructions
	Excerpt  string    `json:"output_excerpt,omitempty"`
	Samples  []float64 `json:"samples,omitempty"` // of a measurement
	Paired   []float64 `json:"paired_samples,omitempty"`
	Noise    *float64  `json:"noise,omitempty"`
	Phase    string    `json:"phase,omitempty"` // while running: what the worker does now
	Elapsed  float64   `json:"elapsed_s,omitempty"`
	RunsDone int       `json:"runs_done,omitempty"`
	// certified | rolled_back, of a certificate of the head
	Certificate rules.Outcome `json:"certificate,omitempty"`
	// kept | reverted, when the program says decide: auto
	Decided string `json:"decided,omitempty"`
	// a note that the session has not been told, or its beginning
	Human    string         `json:"human_note,omitempty"`
	Notes    []string       `json:"notes,omitempty"`
	Left     *checkout.Left `json:"budget_left,omitempty"`
	Hooks    string         `json:"hook_output,omitempty"` // what the program's hooks printed: data
	Next     string         `json:"next"`
	Scale    string         `json:"-"` // of an audit's gain: log | linear
	Unfit    bool           `json:"-"` // of an ablation's comparison: the version without can't be
	Decide   bool           `json:"-"` // by the verdict, inside the call
	Campaign string         `json:"-"`
	Unheard  *history.Note  `json:"-"` // of the session
	hooked   bool           // and then hooks run, for which the call must have time
}

// RunningJob is a job under way.
type RunningJob struct {
	ID      research.JobID `json:"id"`
	Phase   string         `json:"phase"`
	Elapsed float64        `json:"elapsed_s"`
	About   string         `json:"hypothesis,omitempty"` // only in a SessionView
}

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

// ReadOutcome is what the ledger knows of a job now.
func ReadOutcome(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID,
) (out *Outcome, err error) {
	var output string // digest of what a failed command printed

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		c, err := co.ReadCampaign(tx, campaign)
		if err != nil {
			return err
		}

		if id.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(campaign, id.N())
			if err != nil {
				return err
			}
			out, output = experimentOutcome(co, c, x), x.Output
		} else {
			m, err := tx.Measurement(campaign, id)
			if err != nil {
				return err
			}
			out, output = measurementOutcome(co, c, m), m.Output
		}
		out.Campaign, out.Unheard = campaign, c.Unheard

		return nil
	})
	if err != nil {
		return out, err
	}

	// A new file that the edit needs is the usual reason of a run that fails.
	if out.Verdict == research.Invalid {
		if extra, err := co.Repo.Untracked(ctx, 4); err == nil && len(extra) > 0 {
			out.Notes = append(out.Notes, "new files are not part of a run: "+strings.Join(extra, ", "))
		}
	}

	if out.Reason != "" && output != "" {
		if b, err := co.Ledger.Output(output); err == nil {
			out.Excerpt = excerptOutput(b, 400)
		}
	}

	return out, nil
}

func experimentOutcome(co *checkout.Checkout, c *history.Campaign, x *history.Experiment) *Outcome {
	left := checkout.BudgetLeft(c)
	out := &Outcome{ID: x.Job(), Experiment: x.N, RunsDone: x.Runs, Left: &left, Unit: c.Program.Metric.Unit}
	automatic := c.Program.Decide == "auto"

	if x.Status == research.Running {
		out.Status = "running"
		out.Phase = co.ReadPhase(c.Name, x.Job())
		out.Elapsed = wording.Seconds(time.Since(x.ProposedAt))
		out.Next = "wait_run{}"

		hooks := len(c.Program.HookPaths(contract.HookBefore)) + len(c.Program.HookPaths(contract.HookAfter))
		out.hooked = automatic && hooks > 0

		return out
	}

	undecided := x.Status == research.Unresolved || x.Status == research.Voided && !x.Closed
	out.Decide = automatic && undecided && !co.Person && x.Checkout == co.Repo.Root()

	j := x.Judgement
	out.Status, out.Verdict, out.Value, out.Gain = "done", j.Verdict, j.Value, j.Gain
	out.Finding = j.Describe(c.Program.Metric)

	if j.Verdict == research.Provisional && x.Status == research.Unresolved {
		out.Finding += "; with it the " + c.Rule.DescribeChain(c.Program.Metric, j)
	}

	if x.Class > 1 && c.Class == x.Class && x.N == c.ClassFrom {
		out.Notes = append(out.Notes, "the machine is another than before ("+c.Changed+
			"): calibrated anew; numbers of before are not comparable with these")
	}

	if j.Verdict == research.Invalid {
		out.Reason = j.Reason
	}
	out.Next = nextStep(c, x)

	return out
}

func measurementOutcome(co *checkout.Checkout, c *history.Campaign, m *history.Measurement) *Outcome {
	left := checkout.BudgetLeft(c)

	out := &Outcome{ID: m.Job, RunsDone: m.Runs, Left: &left, Unit: c.Program.Metric.Unit, Status: "done",
		Next: NextAfterDecision(c)}
	switch {
	case !m.Done():
		out.Status = "running"
		out.Phase = co.ReadPhase(c.Name, m.Job)
		out.Elapsed = wording.Seconds(time.Since(m.At))
		out.Next = "wait_run{id: \"" + string(m.Job) + "\"}"
	case m.Lost != "":
		out.Reason = m.Lost
		if m.Job.Kind() == research.CalibrationJob {
			out.Next = "call start_campaign again"
		}
	case m.Calib != nil && m.Calib.Failed != "":
		out.Reason = m.Calib.Failed
		out.Next = mendBroken
	case m.Calib != nil:
		value := c.Rule.Incumbent
		out.Value = &value
		out.Finding = CalibrationWords(c)
	case m.Proof != nil:
		fillCertificate(c, m.Proof, out)
	case m.End.Failed != "":
		out.Reason, out.Unfit = m.End.Failed, m.End.Unfit != ""
	case m.Job.Kind() == research.AuditJob:
		out.Samples, out.Paired = m.End.Samples, m.End.Paired
		out.Noise, out.Gain, out.Scale = m.End.Noise, m.End.Gain, m.End.Scale
		out.Finding = describeAudit(c, m)
	default:
		out.Value, out.Samples, out.Paired = m.End.Median, m.End.Samples, m.End.Paired
		out.Noise, out.Gain = m.End.Noise, m.End.Gain
		out.Finding = measurementWords(c, m)
	}

	return out
}

// measurementWords says what a measurement found, with its uncertainty.
func measurementWords(c *history.Campaign, m *history.Measurement) string {
	e, metric := m.End, c.Program.Metric
	target := cmp.Or(m.Target, wording.ShortCommit(m.Commit))

	words := fmt.Sprintf("%s of %s", wording.Count(len(e.Samples), "run"), target)
	if e.Median != nil {
		words += ": median " + wording.FormatValue(*e.Median, metric.Unit)
	}

	if e.Noise != nil {
		words += ", noise of one run " + wording.FormatEffect(*e.Noise, e.Scale, metric.Unit)
	}

	if e.Gain != nil {
		words += fmt.Sprintf("; against %s it gains %s (90 %%: %s to %s)", m.With,
			wording.FormatEffect(e.Gain.Mid, e.Scale, metric.Unit), wording.FormatEffect(e.Gain.Lo, e.Scale,
				metric.Unit),
			wording.FormatEffect(e.Gain.Hi, e.Scale, metric.Unit))
	}

	if g, ok := c.Rule.DetectableGain(len(e.Paired)); ok {
		words += fmt.Sprintf(" (smaller than about %s can't be told from none by so many pairs)",
			wording.FormatEffect(max(g, -g), c.Rule.Scale, metric.Unit))
	}

	return words + "; this changes no verdict"
}

// CalibrationWords says what the calibration found.
func CalibrationWords(c *history.Campaign) string {
	m := c.Program.Metric

	value := m.Name + " " + wording.FormatValue(c.Rule.Incumbent, m.Unit)
	if c.Rule.NoiseKind == research.Deterministic {
		return "calibrated: " + value + ", deterministic (repeats are equal): one run decides"
	}

	how := "experiments are judged by interleaved pairs"
	if c.Program.Search != rules.SearchCertify {
		how = "edits are kept on expected gain, and what they add up to is certified by interleaved pairs"
	}

	return fmt.Sprintf("calibrated: %s, noise of a pair %s: %s", value,
		wording.FormatEffect(c.Rule.S, c.Rule.Scale, m.Unit), how)
}

// failureWords are words of lines that say why a program failed.
var failureWords = regexp.MustCompile(`(?i)error|fail|cannot|can't|panic|exception|not found|undefined|no such`)

// excerptOutput is the part of a failed program's output that says most of the cause, in
// about n bytes: the first lines with failureWords, then the end.
func excerptOutput(b []byte, n int) string {
	end := wording.LastLines(b, n/2)
	var lines []string
	size := 0

	for line := range strings.Lines(strings.TrimSuffix(string(b), "\n")) {
		line = strings.TrimRight(line, "\r\n")
		if size+len(line) >= n/2 || !failureWords.MatchString(line) || strings.Contains(end, line) {
			continue
		}
		lines = append(lines, line)
		size += len(line)
	}

	return strings.Join(append(lines, end), "\n")
}

// fillCertificate fills in what became of the head.
func fillCertificate(c *history.Campaign, p *history.CertificateEnd, out *Outcome) {
	out.Certificate, out.Gain, out.Finding = p.Outcome, p.Gain, p.Describe(c.Program.Metric)
	if p.Outcome == rules.RolledBack {
		out.Next = "revert{} brings the checkpoint's file here (an edit under way is stored); then the next idea"
	}
}
