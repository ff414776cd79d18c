package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/fault"
	"ratchet/internal/job"
	"ratchet/internal/notify"
	"ratchet/internal/queue"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
	"ratchet/sandbox"
	"ratchet/sandbox/gpu"
)

// worker does one job in a process of its own. It alone makes runs.
type worker struct {
	*checkout.Checkout
	campaign string
	id       research.JobID
	lock     *sandbox.Lock
	driver   gpu.Driver // of the GPUs, once they are needed
	turn     *os.File   // its turn to measure, once it has it
	session  string     // whose job it is
	space    *workspace
	versions map[rules.Side]*version
	outlook  rules.Outlook
	runs     int          // of this job
	enforced rules.Run    // the last one that was recorded with what enforced it
	tell     func(string) // where say goes when there is no lock; may be nil

	planted  string              // of a canary: the candidate's measured command
	patience time.Duration       // of a doctor: how long a calibration may take, 0 for as long as it needs
	seen     []rules.Observation // its runs, when it took longer
}

// RunWorker does the job to its end: it is the whole life of a supervisor
// process. It acknowledges (sandbox.Ready) once the job's lock is held, waits
// for its turn, and appends every run and the end. A cancelled ctx stops the
// run under way and records that.
func RunWorker(ctx context.Context, co *checkout.Checkout, campaign, jobID string) error {
	id, err := research.ParseJobID(jobID)
	if err != nil {
		return err
	}

	if err := os.MkdirAll(co.JobsDir(), 0o777); err != nil {
		return fmt.Errorf("make the folder for jobs: %w", err)
	}
	var lock *sandbox.Lock
	ok := true

	err = fault.At("job.lock", func() (err error) {
		lock, ok, err = sandbox.TryLock(co.JobFile(campaign, id))
		return err
	})
	if err != nil {
		return err
	}

	if !ok {
		return research.Errorf(research.CodeBusy, "wait_run{}", "%s has a supervisor already", id)
	}

	defer lock.Release()
	s := &worker{Checkout: co, campaign: campaign, id: id, lock: lock, versions: map[rules.Side]*version{}}
	s.reportPhase("waiting for its turn")

	err = fault.At("supervisor.ready", func() error { sandbox.Ready(nil); return nil })
	if err == nil {
		err = s.doJob(ctx)
	}

	if err != nil { // whatever it was, the job does not stay open
		return s.recordAbort(ctx, err)
	}
	// Its end is recorded, and it said nothing: no file of it need stay.
	return errors.Join(os.Remove(co.JobFile(campaign, id)), checkout.RemoveIfEmpty(co.JobFile(campaign, id)+".log"))
}

// doJob does the job, in its own part of the workspace.
func (s *worker) doJob(ctx context.Context) error {
	c, err := s.readCampaign(ctx)
	if err == nil {
		err = requireRunning(c, s.id)
	}

	if err != nil {
		return err
	}
	notify.StartNotifier(s.Checkout, c)

	if s.space, err = openWorkspace(ctx, s.Checkout, c, s.id); err != nil {
		return err
	}
	defer s.space.close()
	defer func() {
		if s.driver != nil {
			_ = s.driver.Close()
		}
	}()
	defer func() { s.turn.Close() }() // a turn that was never taken is none

	switch s.id.Kind() {
	case research.CalibrationJob:
		if err := s.waitForTurn(ctx); err != nil {
			return err
		}
		_, err = s.calibrateIncumbent(ctx, s.id)

		return err
	case research.MeasurementJob, research.AuditJob:
		return s.measureVersions(ctx)
	case research.CertificateJob:
		return s.certifyHead(ctx)
	}

	return s.judgeExperiment(ctx, s.id.N())
}

// requireRunning refuses to go on with a job, or to end it, that was recorded as lost
// while its supervisor was slow to come up: it may have been proposed again.
func requireRunning(c *history.Campaign, id research.JobID) error {
	if slices.Contains(c.Open, id) {
		return nil
	}

	return research.Errorf(research.CodeConflict, "read_log{} shows what became of it", "%s has ended already", id)
}

// waitForTurn waits until nothing else of the campaign is measured. Turns come in
// the order of arrival; building and checking need none.
func (s *worker) waitForTurn(ctx context.Context) error {
	if s.lock == nil {
		return nil // a doctor, alone in its campaign
	}
	wait := queue.Options{Tick: 10 * time.Millisecond, Mode: 0o666, Waiting: func(ahead int, _ queue.Holder) {
		s.reportPhase(fmt.Sprintf("waiting for its turn to measure, %d before it", ahead+1))
	}}

	return fault.At("job.turn", func() (err error) {
		s.turn, err = queue.Enter(ctx, filepath.Join(s.JobsDir(), s.campaign+".turn"), wait)
		return err
	})
}

// recordAbort records the end of a job that could not even begin.
func (s *worker) recordAbort(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		cause = errors.New("stopped by request")
	}

	return errors.Join(cause, job.RecordLost(context.WithoutCancel(ctx), s.Checkout, s.campaign, s.id,
		wording.ErrorLine(cause), nil))
}

// readExperiment reads the campaign and one experiment as they are now.
func (s *worker) readExperiment(ctx context.Context, n int) (c *history.Campaign, x *history.Experiment, err error) {
	err = s.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if c, err = tx.Campaign(s.campaign); err != nil {
			return err
		}
		x, err = tx.Experiment(s.campaign, n)

		return err
	})
	if err == nil {
		s.session = x.Session
	}

	return c, x, err
}

// prepareVersions builds candidate and incumbent, and checks the candidate. reason
// says why the candidate is invalid, "" when it may be measured.
func (s *worker) prepareVersions(ctx context.Context, x *history.Experiment) (reason string, err error) {
	incumbent, err := s.space.makeVersion(ctx, x.Parent)
	if err != nil {
		return "", err
	}

	candidate, err := s.space.makeVersion(ctx, x.Candidate)
	if err != nil {
		return "", err
	}
	candidate.parent = incumbent

	s.versions[rules.Incumbent], s.versions[rules.Candidate] = incumbent, candidate
	if err := s.removeUnused(ctx, incumbent, candidate); err != nil {
		return "", err
	}

	for _, v := range []*version{incumbent, candidate} {
		if reason, err := s.buildVersion(ctx, x.Job(), v); reason != "" || err != nil {
			if v == incumbent && reason != "" {
				reason = "the incumbent itself no longer builds: " + reason
			}

			return reason, err
		}
	}

	return s.checkVersion(ctx, x.Job(), candidate)
}

// calibrateIncumbent runs the incumbent until the rule knows its noise, appends
// calibration.finished, and returns the campaign after it. As part of an
// experiment it is a calibration of its own, made by this supervisor.
func (s *worker) calibrateIncumbent(ctx context.Context, id research.JobID) (c *history.Campaign, err error) {
	calibration := id

	err = s.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if c, err = tx.Campaign(s.campaign); err != nil || id.Kind() == research.CalibrationJob {
			return err
		}
		calibration = research.NewJobID(research.CalibrationJob, c.Calibrations+1)
		_, err = tx.Append(history.Entry{Campaign: s.campaign, Session: s.session,
			Kind: history.KindCalibrationStarted, Body: rules.JobStart{Job: calibration, Commit: c.Incumbent}})

		return err
	})
	if err != nil {
		return nil, err
	}

	if calibration != id { // hold its lock too, or it would count as lost
		lock, _, err := sandbox.TryLock(s.JobFile(s.campaign, calibration))
		if err != nil {
			return nil, err
		}
		defer lock.Release()
		defer os.Remove(s.JobFile(s.campaign, calibration))

		if err := lock.Write(fmt.Appendf(nil, "%d\ncalibrating\n", os.Getpid())); err != nil {
			return nil, err
		}
	}
	state, err := s.makeCalibrationRuns(ctx, c, calibration)
	here := s.currentMachine()

	end := history.CalibrationEnd{Job: calibration, State: state, Machine: here.classDigest(),
		Facts: here.recordFacts(), Changed: here.changeSince(c)}
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), job.RecordLost(context.WithoutCancel(ctx), s.Checkout, s.campaign,
			calibration, "stopped by request", nil))
	}

	if err != nil && !wording.HasCode(err,
		research.CodeProgram) { // the machine's fault: another calibration may succeed
		return nil, errors.Join(err, job.RecordLost(ctx, s.Checkout, s.campaign, calibration, wording.ErrorLine(err),
			nil))
	}

	if err != nil {
		end.Failed = wording.ErrorLine(err)
		if len(s.space.unseen) > 0 {
			end.Failed += fmt.Sprintf(" (%s exists, but git does not ignore it, so runs don't see it: add it to .gitignore)", strings.Join(s.space.unseen, ", "))
		}
	}
	err = s.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if err := s.appendEnd(tx, calibration, history.KindCalibrationFinished, end); err != nil {
			return err
		}
		c, err = tx.Campaign(s.campaign)

		return err
	})

	return c, err
}

func (s *worker) makeCalibrationRuns(
	ctx context.Context, c *history.Campaign, calibration research.JobID,
) (rules.RuleState, error) {
	if reason, err := s.space.runSetup(ctx, s, calibration); reason != "" || err != nil {
		return rules.RuleState{}, commandError(reason, err)
	}

	v, err := s.space.makeVersion(ctx, c.Incumbent)
	if err != nil {
		return rules.RuleState{}, err
	}

	if reason, err := s.buildVersion(ctx, calibration, v); reason != "" || err != nil {
		return rules.RuleState{}, commandError(reason, err)
	}

	if reason, err := s.checkVersion(ctx, calibration, v); reason != "" || err != nil {
		return rules.RuleState{}, commandError(reason, err)
	}

	rule, obs, began := rules.NewRule(c.Program), []rules.Observation{}, time.Now()
	for {
		want := rule.Calibrate(obs)
		if want == nil {
			return rule.Calibrated(obs)
		}

		o, err := s.makeRun(ctx, calibration, v, *want)
		if err != nil {
			return rules.RuleState{}, err
		}

		if obs = append(obs, o); !o.Valid {
			return rule.Calibrated(obs)
		}

		if s.patience > 0 && len(obs) >= 3 && time.Since(began) > s.patience {
			s.seen = obs
			return rules.RuleState{}, errPatience
		}
	}
}

// errPatience ends a calibration that only a doctor made, and that takes too long.
var errPatience = errors.New("enough was seen")

// measureVersions makes the runs of a measurement or an audit: of one version, or of
// two in interleaved pairs.
func (s *worker) measureVersions(ctx context.Context) error {
	c, m, err := s.readJob(ctx)
	if err != nil {
		return err
	}
	samples, paired, err := s.makeMeasuredRuns(ctx, m)

	end := rules.SummariseMeasurement(samples, paired, c.Program.Metric, c.Rule.Scale)
	if s.id.Kind() == research.AuditJob {
		end = rules.SummariseAudit(samples, paired, c.Program.Metric, c.Rule.Scale)
	}

	end.Job = s.id
	if err != nil {
		end.Failed = wording.ErrorLine(err)
	}

	var bad *unfit
	if ctx.Err() != nil {
		end.Failed = "stopped by request"
	} else if errors.As(err, &bad) {
		end.Unfit = bad.reason
	}

	return s.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		return s.appendEnd(tx, s.id, history.KindMeasurementFinished, end)
	})
}

// appendEnd appends the record that ends a job, if it still runs.
func (s *worker) appendEnd(tx *ledger.Tx, id research.JobID, kind history.Kind, body any) error {
	c, err := tx.Campaign(s.campaign)
	if err == nil {
		err = requireRunning(c, id)
	}

	if err != nil {
		return err
	}
	_, err = tx.Append(history.Entry{Campaign: s.campaign, Session: s.session, Kind: kind, Body: body})

	return err
}

func (s *worker) makeMeasuredRuns(ctx context.Context, m *history.Measurement) (samples, paired []float64, err error) {
	commits, role := map[rules.Side]string{rules.Candidate: m.Commit}, research.Measure
	if m.Paired != "" {
		commits[rules.Incumbent] = m.Paired
	}

	if s.id.Kind() == research.AuditJob {
		commits, role = map[rules.Side]string{rules.Incumbent: m.Commit, rules.Start: m.Paired}, research.Audit
	}

	reason, err := s.buildSides(ctx, commits)
	if err == nil && reason == "" && m.Check {
		reason, err = s.checkVersion(ctx, s.id, s.versions[rules.Candidate])
	}

	if err == nil && reason != "" && s.blamesOmission(m) {
		err = &unfit{reason}
	}

	if err != nil || reason != "" {
		return nil, nil, commandError(reason, err)
	}

	if err := s.waitForTurn(ctx); err != nil {
		return nil, nil, err
	}

	now, err := s.readCampaign(ctx) // the metric may have been demoted meanwhile
	if err != nil {
		return nil, nil, err
	}
	var obs []rules.Observation

	next := func() *rules.RunRequest { return rules.NextMeasurementRun(m.JobStart, role, now.Rule.NoiseKind, obs) }
	for want := next(); want != nil; want = next() {
		if err := s.requireAffordable(ctx, m, len(obs)); err != nil {
			return nil, nil, err
		}

		o, err := s.makeRun(ctx, s.id, s.versions[want.Side], *want)
		if err != nil {
			return nil, nil, err
		}

		if !o.Valid && m.Ablates != "" && o.Side == rules.Candidate {
			return nil, nil, &unfit{o.Reason}
		}

		if !o.Valid {
			return nil, nil, errors.New(o.Reason)
		}
		obs = append(obs, o)
	}
	samples, paired = rules.SplitSamples(m.JobStart, obs)

	return samples, paired, nil
}

// reportPhase tells whoever reads the job's file what is going on. Losing it loses nothing.
func (s *worker) reportPhase(phase string) {
	if s.lock == nil {
		if s.tell != nil {
			s.tell(phase)
		}

		return
	}
	_ = s.lock.Write(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), phase))
}

// commandError is the error of a command of the program that gave no number.
func commandError(reason string, err error) error {
	if err != nil {
		return err
	}

	return research.Errorf(research.CodeProgram, "mend the program's command", "%s", reason)
}
