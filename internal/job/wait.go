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

// AwaitJob watches a job until it ends or the time is up. A supervisor that dies
// meanwhile is noticed. A cancelled call stops nothing but itself.
func AwaitJob(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, limit time.Duration, progress ProgressFunc,
) (*Outcome, error) {
	begin := time.Now()
	told, looked, pause := begin, begin, 2*time.Millisecond

	for {
		stamp, err := co.Ledger.Stamp()
		if err != nil {
			return nil, err
		}

		out, err := ReadOutcome(ctx, co, campaign, id)
		if err != nil {
			return nil, err
		}

		if out.Status != "running" {
			return out, nil
		}

		for {
			if time.Since(begin) >= checkout.BoundWait(limit) ||
				out.hooked && time.Since(begin) >= checkout.HooksWithin-checkout.CommandLimit {
				return out, nil
			}

			if progress != nil && time.Since(told) >= 5*time.Second {
				told = time.Now()
				progress(*out)
			}

			select {
			case <-ctx.Done():
				return nil, research.Errorf(research.CodeCancelled, "wait_run{id: \""+string(id)+"\"} picks it up",
					"the call was cancelled; %s goes on", id)
			case <-time.After(pause):
			}

			if pause < 25*time.Millisecond {
				pause += pause / 2
			}

			if now, err := co.Ledger.Stamp(); err != nil || now != stamp {
				break
			}

			if time.Since(looked) >= time.Second {
				looked = time.Now()
				break
			}
		}

		if dead, err := workerGone(ctx, co, campaign, id); err == nil && dead {
			if err := RecordLost(ctx, co, campaign, id, "its supervisor died (killed, or the machine went down)",
				nil); err != nil {
				return nil, err
			}
		}
	}
}

// ReadOutcome is what the ledger knows of a job now.
func ReadOutcome(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID,
) (out *Outcome, err error) {
	var output string

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
	if err == nil && out.Verdict == research.Invalid {
		if extra, err := co.Repo.Untracked(ctx, 4); err == nil && len(extra) > 0 {
			out.Notes = append(out.Notes, "new files are not part of a run: "+strings.Join(extra, ", "))
		}
	}

	if err == nil && out.Reason != "" && output != "" {
		if b, err := co.Ledger.Output(output); err == nil {
			out.Excerpt = excerptOutput(b, 400)
		}
	}

	return out, err
}

func experimentOutcome(co *checkout.Checkout, c *history.Campaign, x *history.Experiment) *Outcome {
	b := checkout.BudgetLeft(c)

	out := &Outcome{ID: x.Job(), Experiment: x.N, RunsDone: x.Runs, Left: &b, Unit: c.Program.Metric.Unit}
	if x.Status == research.Running {
		_, phase := co.ReadPhase(c.Name, x.Job())
		out.Status, out.Phase, out.Elapsed = "running", phase, wording.Seconds(time.Since(x.ProposedAt))
		out.hooked = c.Program.Decide == "auto" &&
			len(c.Program.HookPaths(contract.HookBefore))+len(c.Program.HookPaths(contract.HookAfter)) > 0
		out.Next = "wait_run{}"

		return out
	}
	j := x.Judgement
	out.Decide = c.Program.Decide == "auto" && !co.Person && x.Checkout == co.Repo.Root() &&
		(x.Status == research.Unresolved || x.Status == research.Voided && !x.Closed)
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
	out.Next = nextStep(co, c, x)

	return out
}

// nextStep says what the verdict asks for.
func nextStep(co *checkout.Checkout, c *history.Campaign, x *history.Experiment) string {
	if x.Status == research.Kept || x.Status == research.Reverted {
		return NextAfterDecision(c)
	}

	ok, simpler, _ := history.Keepable(*x)
	switch {
	case ok && simpler:
		return "keep{} if it is the simpler code, else revert{lesson: \"…\"}"
	case ok:
		return "keep{}"
	case c.Rests != nil:
		return "revert{}, then " + checkout.Resting
	case x.Judgement.StoppedBy == "lost" || x.Judgement.StoppedBy == "stopped":
		return "run_experiment again with the same edit, or revert{}"
	case x.Status == research.Voided:
		return "fix the edit and run_experiment again, or revert{lesson: \"…\"}"
	}

	return "revert{lesson: \"…\"}, then the next idea"
}

func measurementOutcome(co *checkout.Checkout, c *history.Campaign, m *history.Measurement) *Outcome {
	b := checkout.BudgetLeft(c)

	out := &Outcome{ID: m.Job, RunsDone: m.Runs, Left: &b, Unit: c.Program.Metric.Unit, Status: "done",
		Next: NextAfterDecision(c)}
	switch {
	case !m.Done():
		_, phase := co.ReadPhase(c.Name, m.Job)
		out.Status, out.Phase, out.Elapsed, out.Next = "running", phase, wording.Seconds(time.Since(m.At)),
			"wait_run{id: \""+string(m.Job)+"\"}"
	case m.Lost != "":
		out.Reason = m.Lost
		if m.Job.Kind() == research.CalibrationJob {
			out.Next = "call start_campaign again"
		}
	case m.Calib != nil && m.Calib.Failed != "":
		out.Reason = m.Calib.Failed
		out.Next = mendBroken
	case m.Calib != nil:
		v := c.Rule.Incumbent
		out.Value = &v
		out.Finding = CalibrationWords(c)
	case m.Proof != nil:
		certificateOutcome(co, c, m, out)
	case m.End.Failed != "":
		out.Reason, out.Unfit = m.End.Failed, m.End.Unfit != ""
	case m.Job.Kind() == research.AuditJob:
		out.Samples, out.Paired, out.Noise, out.Gain = m.End.Samples, m.End.Paired, m.End.Noise, m.End.Gain
		out.Scale, out.Finding = m.End.Scale, describeAudit(c, m)
	default:
		out.Value, out.Samples, out.Paired, out.Noise, out.Gain = m.End.Median, m.End.Samples, m.End.Paired,
			m.End.Noise, m.End.Gain
		out.Finding = measurementWords(c, m)
	}

	return out
}

// certificateOutcome tells what became of the head.
func certificateOutcome(co *checkout.Checkout, c *history.Campaign, m *history.Measurement, out *Outcome) {
	p := m.Proof

	out.Certificate, out.Gain, out.Finding = p.Outcome, p.Gain, p.Describe(c.Program.Metric)
	if p.Outcome == rules.RolledBack {
		out.Next = "revert{} brings the checkpoint's file here (an edit under way is stored); then the next idea"
	}
}

// measurementWords says what a measurement found, with its uncertainty.
func measurementWords(c *history.Campaign, m *history.Measurement) string {
	e, metric := m.End, c.Program.Metric
	target := cmp.Or(m.Target, wording.ShortCommit(m.Commit))

	words := fmt.Sprintf("%s of %s", wording.CountRuns(len(e.Samples)), target)
	if e.Median != nil {
		words += ": median " + research.FormatValue(*e.Median, metric.Unit)
	}

	if e.Noise != nil {
		words += ", noise of one run " + SizeWords(*e.Noise, e.Scale, metric)
	}

	if e.Gain != nil {
		words += fmt.Sprintf("; against %s it gains %s (90 %%: %s to %s)", m.With,
			SizeWords(e.Gain.Mid, e.Scale, metric), SizeWords(e.Gain.Lo, e.Scale, metric), SizeWords(e.Gain.Hi, e.Scale,
				metric))
	}

	if g, ok := c.Rule.DetectableGain(len(e.Paired)); ok {
		words += fmt.Sprintf(" (smaller than about %s can't be told from none by so many pairs)",
			SizeWords(max(g, -g), c.Rule.Scale, metric))
	}

	return words + "; this changes no verdict"
}

// SizeWords is a share of the value on the log scale, else an amount in the unit.
func SizeWords(v float64, scale string, m contract.Metric) string {
	if scale == "linear" {
		return research.FormatValue(v, m.Unit)
	}

	return fmt.Sprintf("%.2g %%", v*100)
}

// CalibrationWords says what the calibration found.
func CalibrationWords(c *history.Campaign) string {
	m := c.Program.Metric

	value := m.Name + " " + research.FormatValue(c.Rule.Incumbent, m.Unit)
	if c.Rule.NoiseKind == research.Deterministic {
		return "calibrated: " + value + ", deterministic (repeats are equal): one run decides"
	}

	how := "experiments are judged by interleaved pairs"
	if c.Program.Search != rules.SearchCertify {
		how = "edits are kept on expected gain, and what they add up to is certified by interleaved pairs"
	}

	return fmt.Sprintf("calibrated: %s, noise of a pair %s: %s", value, SizeWords(c.Rule.S, c.Rule.Scale, m), how)
}

// failureWords are words of lines that say why a program failed.
var failureWords = regexp.MustCompile(`(?i)error|fail|cannot|can't|panic|exception|not found|undefined|no such`)

// excerptOutput is what a failed program's output is best judged by, in about n bytes:
// the first lines that tell a cause, then the end.
func excerptOutput(b []byte, n int) string {
	end := wording.LastLines(b, n/2)
	var out []string
	size := 0

	for line := range strings.Lines(strings.TrimSuffix(string(b), "\n")) {
		line = strings.TrimRight(line, "\r\n")
		if failureWords.MatchString(line) && !strings.Contains(end, line) && size+len(line) < n/2 {
			out, size = append(out, line), size+len(line)
		}
	}

	return strings.Join(append(out, end), "\n")
}
