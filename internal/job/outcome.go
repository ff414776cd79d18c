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
	Guards  []rules.GuardValue `json:"guards,omitempty"`  // with the candidate
	Reason  string             `json:"reason,omitempty"`  // of an invalid verdict, or of a failed job
	// end of the program's output: data, never instructions
	Excerpt string    `json:"output_excerpt,omitempty"`
	Samples []float64 `json:"samples,omitempty"` // of a measurement
	Paired  []float64 `json:"paired_samples,omitempty"`
	// of an audit whose version disturbs what runs after it: how, in words; Finding has it too
	Interference string   `json:"-"`
	Noise        *float64 `json:"noise,omitempty"`
	Phase        string   `json:"phase,omitempty"` // while running: what the worker does now
	Elapsed      float64  `json:"elapsed_s,omitempty"`
	RunsDone     int      `json:"runs_done,omitempty"`
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
	Decide   bool           `json:"-"` // the program says `decide: auto`: keep or revert it before answering
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
func describeAudit(campaign *history.Campaign, measurement *history.Measurement) string {
	e := measurement.End
	if e.Gain == nil {
		return joinWords("audit: too few pairs to say anything", describeControl(campaign, e))
	}

	words := fmt.Sprintf("audited: %s, from %d fresh pairs of start and %s", e.DescribeChange(campaign.Program.Metric),
		len(e.Paired), measurement.Target)
	if campaign.Certified > 0 {
		words += fmt.Sprintf("; the certificates add up to %s", campaign.CertifiedWords())
	}

	return joinWords(words, describeControl(campaign, e))
}

// describeControl says that the head disturbs what runs after it, "" where it does not.
func describeControl(campaign *history.Campaign, end *rules.MeasurementEnd) string {
	return end.Control.Describe(campaign.Program.Metric, end.Scale)
}

// joinWords joins two statements, of which the second may be "".
func joinWords(words, more string) string {
	if more == "" {
		return words
	}

	return words + "; " + more
}

// ReadOutcome is what the ledger knows of a job now.
func ReadOutcome(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID,
) (out *Outcome, err error) {
	var output string // digest of what a failed command printed

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		held, err := co.ReadCampaign(tx, campaign)
		if err != nil {
			return err
		}

		if id.Kind() == research.ExperimentJob {
			experiment, err := tx.Experiment(campaign, id.N())
			if err != nil {
				return err
			}
			out, output = experimentOutcome(co, held, experiment), experiment.Output

			if len(held.Program.Guards) > 0 && experiment.Judgement != nil {
				runs, err := tx.Runs(campaign, id)
				if err != nil {
					return err
				}
				out.Guards = rules.GuardValues(held.Program, runs)
			}
		} else {
			measurement, err := tx.Measurement(campaign, id)
			if err != nil {
				return err
			}
			out, output = measurementOutcome(co, held, measurement), measurement.Output
		}
		out.Campaign, out.Unheard = campaign, held.Unheard

		return nil
	})
	if err != nil {
		return out, err
	}

	if out.Reason != "" {
		note, err := submoduleNote(ctx, co, campaign)
		if err != nil {
			return out, err
		}

		if note != "" {
			out.Notes = append(out.Notes, note)
		}
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

// submoduleNote is what a run that failed may have missed of the campaign's submodules.
func submoduleNote(ctx context.Context, co *checkout.Checkout, name string) (string, error) {
	campaign, err := co.LookUpCampaign(ctx, name)
	if err != nil || campaign == nil {
		return "", err
	}

	note, err := checkout.SubmoduleNote(ctx, co, campaign.Start)
	if research.HasCode(err, research.CodeNotFound) || research.HasCode(err, research.CodeRepository) {
		return "", nil // git lost the start: other calls say so
	}

	return note, err
}

func experimentOutcome(co *checkout.Checkout, campaign *history.Campaign, experiment *history.Experiment) *Outcome {
	left := checkout.BudgetLeft(campaign)
	out := &Outcome{ID: experiment.Job(), Experiment: experiment.N, RunsDone: experiment.Runs, Left: &left,
		Unit: campaign.MetricOf(experiment.N).Unit}
	automatic := campaign.Program.Decide == "auto"

	if experiment.Status == research.Running {
		out.Status = "running"
		out.Phase = co.ReadPhase(campaign.Name, experiment.Job())
		out.Elapsed = wording.Seconds(time.Since(experiment.ProposedAt))
		out.Next = "wait_run{}"

		hooks := len(campaign.Program.HookPaths(contract.HookBefore)) +
			len(campaign.Program.HookPaths(contract.HookAfter))
		out.hooked = automatic && hooks > 0

		return out
	}

	undecided := experiment.Status == research.Unresolved || experiment.Status == research.Voided && !experiment.Closed
	out.Decide = automatic && undecided && !co.Person && experiment.Checkout == co.Repo.Root()

	judgement := experiment.Judgement
	out.Status, out.Verdict, out.Value, out.Gain = "done", judgement.Verdict, judgement.Value, judgement.Gain
	out.Finding = judgement.Describe(campaign.MetricOf(experiment.N))

	if judgement.Verdict == research.Provisional && experiment.Status == research.Unresolved {
		out.Finding += "; if it is kept: the " + campaign.Rule.DescribeChain(campaign.Program.Metric,
			campaign.Outlook(), judgement)
	}

	if experiment.Class > 1 && campaign.Class == experiment.Class && experiment.N == campaign.ClassFrom {
		out.Notes = append(out.Notes, "the machine has changed ("+campaign.Changed+
			"): calibrated again; earlier numbers are not comparable with these")
	}

	if judgement.Verdict == research.Invalid {
		out.Reason = judgement.Reason
	}
	out.Next = nextStep(campaign, experiment)

	return out
}

func measurementOutcome(co *checkout.Checkout, campaign *history.Campaign, measurement *history.Measurement) *Outcome {
	left := checkout.BudgetLeft(campaign)

	out := &Outcome{ID: measurement.Job, RunsDone: measurement.Runs, Left: &left, Unit: campaign.Program.Metric.Unit,
		Status: "done", Next: NextAfterDecision(campaign)}
	switch {
	case !measurement.Done():
		out.Status = "running"
		out.Phase = co.ReadPhase(campaign.Name, measurement.Job)
		out.Elapsed = wording.Seconds(time.Since(measurement.At))
		out.Next = "wait_run{id: \"" + string(measurement.Job) + "\"}"
	case measurement.Lost != "":
		out.Reason = measurement.Lost
		if measurement.Job.Kind() == research.CalibrationJob {
			out.Next = "call start_campaign again"
		}
	case measurement.Calib != nil && measurement.Calib.Failed != "":
		out.Reason = measurement.Calib.Failed
		out.Next = fixBroken
	case measurement.Calib != nil:
		fillCalibration(campaign, measurement, out)
	case measurement.Proof != nil:
		fillCertificate(campaign, measurement.Proof, out)
	case measurement.End.Failed != "":
		out.Reason, out.Unfit = measurement.End.Failed, measurement.End.Unfit != ""
	case measurement.Job.Kind() == research.AuditJob:
		out.Samples, out.Paired = measurement.End.Samples, measurement.End.Paired
		out.Noise, out.Gain, out.Scale = measurement.End.Noise, measurement.End.Gain, measurement.End.Scale
		out.Finding, out.Interference = describeAudit(campaign, measurement), describeControl(campaign, measurement.End)
	default:
		out.Value, out.Samples, out.Paired = measurement.End.Median, measurement.End.Samples, measurement.End.Paired
		out.Noise, out.Gain = measurement.End.Noise, measurement.End.Gain
		out.Finding = measurementWords(campaign, measurement)
	}

	return out
}

// fillCalibration tells what a calibration found. The state knows the noise and the
// value of the present incumbent only, and the value of the start.
func fillCalibration(campaign *history.Campaign, measurement *history.Measurement, out *Outcome) {
	switch metric := campaign.Program.Metric; {
	case measurement.Commit == campaign.Incumbent:
		value := campaign.Rule.Incumbent
		out.Value, out.Finding = &value, CalibrationWords(campaign)
	case measurement.Commit == campaign.Start && campaign.Baseline != nil:
		value := *campaign.Baseline
		out.Value = &value
		out.Finding = fmt.Sprintf("calibrated %s, the start: %s %s; the incumbent has changed since",
			wording.ShortCommit(measurement.Commit), metric.Name, wording.FormatValue(value, metric.Unit))
	default:
		out.Finding = fmt.Sprintf("calibrated %s; the incumbent has changed since",
			wording.ShortCommit(measurement.Commit))
	}
	out.Finding += doctorWords(measurement.Calib)
}

// measurementWords says what a measurement found, with its uncertainty.
func measurementWords(campaign *history.Campaign, measurement *history.Measurement) string {
	e, metric := measurement.End, campaign.Program.Metric
	told := metric.Words(e.Scale)
	target := cmp.Or(measurement.Target, wording.ShortCommit(measurement.Commit))

	words := fmt.Sprintf("%s of %s", wording.Count(len(e.Samples), "run"), target)
	if e.Median != nil {
		words += ": median " + wording.FormatValue(*e.Median, metric.Unit)
	}

	if e.Noise != nil {
		words += ", noise of one run " + told.FormatSpread(*e.Noise)
	}

	if e.Gain != nil {
		words += fmt.Sprintf("; from %s to it: %s", measurement.With, e.DescribeChange(metric))
	}

	if g, ok := campaign.Rule.DetectableGain(len(e.Paired)); ok {
		words += fmt.Sprintf(" (differences below about %s can't be seen with this many pairs)",
			metric.Words(campaign.Rule.Scale).FormatSize(g))
	}

	return words + "; this changes no verdict"
}

// CalibrationWords says what the calibration found.
func CalibrationWords(campaign *history.Campaign) string {
	metric := campaign.Program.Metric

	value := metric.Name + " " + wording.FormatValue(campaign.Rule.Incumbent, metric.Unit)
	if campaign.Rule.NoiseKind == research.Deterministic {
		how := "one run decides"
		if campaign.Rule.Version > rules.FirstVersion {
			how += ", two where it is a gain"
		}

		return "calibrated: " + value + ", deterministic (repeats are equal): " + how
	}

	how := "experiments are judged by interleaved pairs"
	if campaign.Program.Search != rules.SearchCertify {
		how = "edits are kept on expected gain, and what they add up to is certified by interleaved pairs"
	}

	if unknown := campaign.Rule.DescribeUnknownNoise(); unknown != "" {
		return fmt.Sprintf("calibrated: %s, %s: %s", value, unknown, how)
	}

	return fmt.Sprintf("calibrated: %s, noise of a pair %s: %s", value,
		metric.Words(campaign.Rule.Scale).FormatSpread(campaign.Rule.S), how)
}

// doctorWords say that a calibration took over a doctor's runs, "" where it did not.
func doctorWords(end *history.CalibrationEnd) string {
	if end.Doctor == nil {
		return ""
	}

	return "; it reuses the runs that `ratchet doctor` made on " + end.Doctor.At.UTC().Format("2 Jan 15:04 MST")
}

// failureWords are words of lines that say why a program failed.
var failureWords = regexp.MustCompile(`(?i)error|fail|cannot|can't|panic|exception|not found|undefined|no such`)

// excerptOutput is the part of a failed program's output that says most of the cause, in
// about n bytes: the first lines with failureWords, then the end.
func excerptOutput(content []byte, n int) string {
	end := wording.LastLines(content, n/2)
	var lines []string
	size := 0

	for line := range strings.Lines(strings.TrimSuffix(string(content), "\n")) {
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
