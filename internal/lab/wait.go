package lab

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

// Wait waits at most req.Wait for a job's end, and tells what is known then.
func (l *Lab) Wait(ctx context.Context, req WaitRequest, progress ProgressFunc) (*Outcome, error) {
	out, err := l.waitForJob(ctx, req, progress)
	return l.attachNote(ctx, out), err
}

func (l *Lab) waitForJob(ctx context.Context, req WaitRequest, progress ProgressFunc) (*Outcome, error) {
	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}
	var id research.JobID

	err = l.ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		id, err = l.resolveJob(tx, c, req.ID)
		return err
	})
	if err != nil {
		return nil, err
	}

	if id == "" {
		b := budgetLeft(c)
		return &Outcome{Status: "idle", Left: &b, Next: nextAfterDecision(c), campaign: c.Name, unheard: c.Unheard}, nil
	}

	return l.awaitAndDecide(ctx, c.Name, id, req.Wait, progress)
}

// awaitAndDecide waits for a job as awaitJob does, then keeps or reverts an experiment
// that ended, where the program says `decide: auto`.
func (l *Lab) awaitAndDecide(
	ctx context.Context, campaign string, id research.JobID, limit time.Duration, progress ProgressFunc,
) (*Outcome, error) {
	began := time.Now()

	out, err := l.awaitJob(ctx, campaign, id, limit, progress)
	if err != nil {
		return nil, err
	}

	return l.decideAutomatically(ctx, out, began)
}

// stopAndDecide stops a job as stopAndWait does, then decides as awaitAndDecide does.
func (l *Lab) stopAndDecide(ctx context.Context, campaign string, id research.JobID) (*Outcome, error) {
	began := time.Now()

	out, err := l.stopAndWait(ctx, campaign, id)
	if err != nil {
		return nil, err
	}

	return l.decideAutomatically(ctx, out, began)
}

// awaitJob watches a job until it ends or the time is up. A supervisor that dies
// meanwhile is noticed. A cancelled call stops nothing but itself.
func (l *Lab) awaitJob(
	ctx context.Context, campaign string, id research.JobID, limit time.Duration, progress ProgressFunc,
) (*Outcome, error) {
	begin := time.Now()
	told, looked, pause := begin, begin, 2*time.Millisecond

	for {
		stamp, err := l.ledger.Stamp()
		if err != nil {
			return nil, err
		}

		out, err := l.readOutcome(ctx, campaign, id)
		if err != nil {
			return nil, err
		}

		if out.Status != "running" {
			return out, nil
		}

		for {
			if time.Since(begin) >= boundWait(limit) || out.hooked && time.Since(begin) >= hooksWithin-commandLimit {
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

			if now, err := l.ledger.Stamp(); err != nil || now != stamp {
				break
			}

			if time.Since(looked) >= time.Second {
				looked = time.Now()
				break
			}
		}

		if dead, err := l.workerGone(ctx, campaign, id); err == nil && dead {
			if err := l.recordLost(ctx, campaign, id, "its supervisor died (killed, or the machine went down)",
				nil); err != nil {
				return nil, err
			}
		}
	}
}

// readOutcome is what the ledger knows of a job now.
func (l *Lab) readOutcome(ctx context.Context, campaign string, id research.JobID) (out *Outcome, err error) {
	var output string

	err = l.ledger.View(ctx, func(tx *ledger.Tx) error {
		c, err := l.readCampaign(tx, campaign)
		if err != nil {
			return err
		}

		if id.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(campaign, id.N())
			if err != nil {
				return err
			}
			out, output = l.experimentOutcome(c, x), x.Output
		} else {
			m, err := tx.Measurement(campaign, id)
			if err != nil {
				return err
			}
			out, output = l.measurementOutcome(c, m), m.Output
		}
		out.campaign, out.unheard = campaign, c.Unheard

		return nil
	})
	if err == nil && out.Verdict == research.Invalid {
		if extra, err := l.repo.Untracked(ctx, 4); err == nil && len(extra) > 0 {
			out.Notes = append(out.Notes, "new files are not part of a run: "+strings.Join(extra, ", "))
		}
	}

	if err == nil && out.Reason != "" && output != "" {
		if b, err := l.ledger.Output(output); err == nil {
			out.Excerpt = excerptOutput(b, 400)
		}
	}

	return out, err
}

func (l *Lab) experimentOutcome(c *history.Campaign, x *history.Experiment) *Outcome {
	b := budgetLeft(c)

	out := &Outcome{ID: x.Job(), Experiment: x.N, RunsDone: x.Runs, Left: &b, Unit: c.Program.Metric.Unit}
	if x.Status == research.Running {
		_, phase := l.readPhase(c.Name, x.Job())
		out.Status, out.Phase, out.Elapsed = "running", phase, seconds(time.Since(x.ProposedAt))
		out.hooked = c.Program.Decide == "auto" &&
			len(c.Program.Hooks(contract.HookBefore))+len(c.Program.Hooks(contract.HookAfter)) > 0
		out.Next = "wait_run{}"

		return out
	}
	j := x.Judgement
	out.decide = c.Program.Decide == "auto" && !l.person && x.Checkout == l.repo.Root() &&
		(x.Status == research.Unresolved || x.Status == research.Voided && !x.Closed)
	out.Status, out.Verdict, out.Value, out.Gain = "done", j.Verdict, j.Value, j.Gain

	out.Finding = j.Words(c.Program.Metric)
	if j.Verdict == research.Provisional && x.Status == research.Unresolved {
		out.Finding += "; with it the " + c.Rule.ChainWords(c.Program.Metric, j)
	}

	if x.Class > 1 && c.Class == x.Class && x.N == c.ClassFrom {
		out.Notes = append(out.Notes, "the machine is another than before ("+c.Changed+
			"): calibrated anew; numbers of before are not comparable with these")
	}

	if j.Verdict == research.Invalid {
		out.Reason = j.Reason
	}
	out.Next = l.nextStep(c, x)

	return out
}

// nextStep says what the verdict asks for.
func (l *Lab) nextStep(c *history.Campaign, x *history.Experiment) string {
	if x.Status == research.Kept || x.Status == research.Reverted {
		return nextAfterDecision(c)
	}

	ok, simpler, _ := history.Keepable(*x)
	switch {
	case ok && simpler:
		return "keep{} if it is the simpler code, else revert{lesson: \"…\"}"
	case ok:
		return "keep{}"
	case c.Rests != nil:
		return "revert{}, then " + resting
	case x.Judgement.StoppedBy == "lost" || x.Judgement.StoppedBy == "stopped":
		return "run_experiment again with the same edit, or revert{}"
	case x.Status == research.Voided:
		return "fix the edit and run_experiment again, or revert{lesson: \"…\"}"
	}

	return "revert{lesson: \"…\"}, then the next idea"
}

func (l *Lab) measurementOutcome(c *history.Campaign, m *history.Measurement) *Outcome {
	b := budgetLeft(c)

	out := &Outcome{ID: m.Job, RunsDone: m.Runs, Left: &b, Unit: c.Program.Metric.Unit, Status: "done",
		Next: nextAfterDecision(c)}
	switch {
	case !m.Done():
		_, phase := l.readPhase(c.Name, m.Job)
		out.Status, out.Phase, out.Elapsed, out.Next = "running", phase, seconds(time.Since(m.At)),
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
		out.Finding = calibrationWords(c)
	case m.Proof != nil:
		l.certificateOutcome(c, m, out)
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
func (l *Lab) certificateOutcome(c *history.Campaign, m *history.Measurement, out *Outcome) {
	p := m.Proof

	out.Certificate, out.Gain, out.Finding = p.Outcome, p.Gain, p.Words(c.Program.Metric)
	if p.Outcome == rules.RolledBack {
		out.Next = "revert{} brings the checkpoint's file here (an edit under way is stored); then the next idea"
	}
}

// measurementWords says what a measurement found, with its uncertainty.
func measurementWords(c *history.Campaign, m *history.Measurement) string {
	e, metric := m.End, c.Program.Metric
	target := cmp.Or(m.Target, shortCommit(m.Commit))

	words := fmt.Sprintf("%s of %s", countRuns(len(e.Samples)), target)
	if e.Median != nil {
		words += ": median " + research.FormatValue(*e.Median, metric.Unit)
	}

	if e.Noise != nil {
		words += ", noise of one run " + sizeWords(*e.Noise, e.Scale, metric)
	}

	if e.Gain != nil {
		words += fmt.Sprintf("; against %s it gains %s (90 %%: %s to %s)", m.With,
			sizeWords(e.Gain.Mid, e.Scale, metric), sizeWords(e.Gain.Lo, e.Scale, metric), sizeWords(e.Gain.Hi, e.Scale,
				metric))
	}

	if g, ok := c.Rule.Resolution(len(e.Paired)); ok {
		words += fmt.Sprintf(" (smaller than about %s can't be told from none by so many pairs)",
			sizeWords(max(g, -g), c.Rule.Scale, metric))
	}

	return words + "; this changes no verdict"
}

func countRuns(n int) string {
	if n == 1 {
		return "1 run"
	}

	return fmt.Sprintf("%d runs", n)
}

// sizeWords is a share of the value on the log scale, else an amount in the unit.
func sizeWords(v float64, scale string, m contract.Metric) string {
	if scale == "linear" {
		return research.FormatValue(v, m.Unit)
	}

	return fmt.Sprintf("%.2g %%", v*100)
}

// calibrationWords says what the calibration found.
func calibrationWords(c *history.Campaign) string {
	m := c.Program.Metric

	value := m.Name + " " + research.FormatValue(c.Rule.Incumbent, m.Unit)
	if c.Rule.Class == research.Deterministic {
		return "calibrated: " + value + ", deterministic (repeats are equal): one run decides"
	}

	how := "experiments are judged by interleaved pairs"
	if c.Program.Search != rules.SearchCertify {
		how = "edits are kept on expected gain, and what they add up to is certified by interleaved pairs"
	}

	return fmt.Sprintf("calibrated: %s, noise of a pair %s: %s", value, sizeWords(c.Rule.S, c.Rule.Scale, m), how)
}

// decideAutomatically keeps or reverts by the verdict where the program says
// `decide: auto`.
func (l *Lab) decideAutomatically(ctx context.Context, out *Outcome, began time.Time) (*Outcome, error) {
	if out.Status == "running" || out.Experiment == 0 || !out.decide {
		return out, nil
	}

	if out.Verdict == research.Improved || out.Verdict == research.Provisional {
		k, err := l.Keep(ctx, KeepRequest{ID: string(out.ID), until: began.Add(hooksWithin)})
		if err != nil {
			return nil, err
		}

		out.Decided, out.Left, out.Next, out.Notes, out.Human, out.Hooks = "kept", &k.Left, k.Next, append(out.Notes,
			k.Notes...), k.Human, k.Hooks

		return out, nil
	}

	r, err := l.Revert(ctx, RevertRequest{ID: string(out.ID), until: began.Add(hooksWithin)})
	if err != nil {
		return nil, err
	}

	out.Decided, out.Left, out.Next, out.Notes, out.Human, out.Hooks = "reverted", &r.Left, r.Next, append(out.Notes,
		r.Notes...), r.Human, r.Hooks
	if r.SavedAs != "" {
		out.Notes = append(out.Notes, "what was edited on meanwhile is stored as "+r.SavedAs)
	}

	return out, nil
}

func changedFiles(a, b map[string]string) map[string]bool {
	out := map[string]bool{}

	for p, h := range a {
		if b[p] != h {
			out[p] = true
		}
	}

	for p := range b {
		if _, ok := a[p]; !ok {
			out[p] = true
		}
	}

	return out
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// failureWords are words of lines that say why a program failed.
var failureWords = regexp.MustCompile(`(?i)error|fail|cannot|can't|panic|exception|not found|undefined|no such`)

// excerptOutput is what a failed program's output is best judged by, in about n bytes:
// the first lines that tell a cause, then the end.
func excerptOutput(b []byte, n int) string {
	end := lastLines(b, n/2)
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

// lastLines is the end of b, at most n bytes, from a line's start where there is one.
func lastLines(b []byte, n int) string {
	s := strings.TrimRight(string(b), "\n")
	if len(s) <= n {
		return s
	}

	s = s[len(s)-n:]
	if _, after, ok := strings.Cut(s, "\n"); ok {
		s = after
	}

	return s
}
