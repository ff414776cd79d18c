package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/fault"
	"ratchet/internal/host"
	"ratchet/internal/job"
	"ratchet/internal/notify"
	"ratchet/internal/queue"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/sandbox"
)

// worker does one job.
type worker struct {
	*runner
	presence host.Presence
	turn     *os.File // its turn to measure; nil until waitForTurn
}

// RunWorker is the whole life of a worker's process: it does the first job and,
// where the host can hand over more (host.Stayer), those that come until none has
// come for idle. A cancelled ctx stops the run under way and records that.
// CodeBusy when the first job has a worker already.
func RunWorker(ctx context.Context, co *checkout.Checkout, first host.Job, standby string, idle time.Duration) error {
	do := func(ctx context.Context, job host.Job, ready func(error)) error {
		return DoJob(ctx, co, job, ready)
	}

	if stayer, ok := co.Host.(host.Stayer); ok {
		return stayer.Serve(ctx, standby, first, idle, do)
	}

	return do(ctx, first, sandbox.Ready)
}

// DoJob does one job to its end: it announces itself, waits for its turn, and
// appends every run and the end. ready is called once, with nil when it has announced
// itself and with its refusal otherwise. A cancelled ctx stops the run under way and
// records that. Nothing of the job outlives the call but what is on disk.
func DoJob(ctx context.Context, co *checkout.Checkout, target host.Job, ready func(error)) error {
	if _, err := research.ParseJobID(string(target.ID)); err != nil {
		ready(err)
		return err
	}

	presence, err := co.Host.Announce(target)
	if err != nil {
		ready(err)
		return err
	}
	defer presence.Release()
	presence.Report("waiting for its turn")

	err = fault.At("supervisor.ready", func() error { ready(nil); return nil })
	if err == nil {
		err = runJob(ctx, co, target, presence)
	}

	if err != nil {
		return recordAbort(ctx, co, target, err)
	}

	return presence.Finish() // the end is recorded
}

// recordAbort records the end of a job that could not record its own, and
// returns cause.
func recordAbort(ctx context.Context, co *checkout.Checkout, target host.Job, cause error) error {
	if ctx.Err() != nil {
		cause = errors.New("stopped by request")
	}

	return errors.Join(cause,
		job.RecordLost(context.WithoutCancel(ctx), co, target.Campaign, target.ID, wording.ErrorLine(cause), nil))
}

// runJob does the job in its own part of the workspace.
func runJob(ctx context.Context, co *checkout.Checkout, target host.Job, presence host.Presence) error {
	held, err := readCampaign(ctx, co, target.Campaign)
	if err != nil {
		return err
	}

	if err := requireRunning(held, target.ID); err != nil {
		return err
	}
	notify.StartNotifier(co, held)

	space, err := openWorkspace(ctx, co, held, target.ID)
	if err != nil {
		return err
	}
	defer space.close()

	w := &worker{presence: presence}

	w.runner = newRunner(co, space, target.ID, w)
	defer w.gpus.close()
	defer func() { w.turn.Close() }() // of a nil turn it does nothing

	return w.doJob(ctx)
}

// target is the job, as the host knows it.
func (w *worker) target() host.Job { return host.Job{Campaign: w.campaign, ID: w.id} }

// doJob does what a job of this kind is.
func (w *worker) doJob(ctx context.Context) error {
	switch w.id.Kind() {
	case research.CalibrationJob:
		if err := w.waitForTurn(ctx); err != nil {
			return err
		}
		_, err := w.calibrateIncumbent(ctx, w.id)

		return err
	case research.MeasurementJob, research.AuditJob:
		return w.measureVersions(ctx)
	case research.CertificateJob:
		return w.certifyHead(ctx)
	}

	return w.judgeExperiment(ctx, w.id.N())
}

// requireRunning refuses to go on with a job, or to end it, that was recorded as
// lost while its worker was slow to start: it may have been proposed again.
func requireRunning(c *history.Campaign, id research.JobID) error {
	if slices.Contains(c.Open, id) {
		return nil
	}

	return research.Errorf(research.CodeConflict, "read_log{} shows what became of it", "%s has ended already", id)
}

// waitForTurn waits until nothing else of the campaign is measured. Turns come in
// the order of arrival; building and checking need none.
func (w *worker) waitForTurn(ctx context.Context) error {
	options := queue.Options{
		Tick: 10 * time.Millisecond,
		Mode: 0o666,
		Waiting: func(ahead int, _ queue.Holder) {
			w.reportPhase(fmt.Sprintf("waiting for its turn to measure, %d before it", ahead+1))
		},
	}

	return fault.At("job.turn", func() (err error) {
		w.turn, err = queue.Enter(ctx, filepath.Join(w.JobsDir(), w.campaign+".turn"), options)
		return err
	})
}

// reportPhase writes what goes on into the job's file.
func (w *worker) reportPhase(phase string) { w.presence.Report(phase) }

// hasSeenEnough is false: a campaign's calibration makes all the runs that its rule asks for.
func (w *worker) hasSeenEnough([]rules.Observation, time.Duration) bool { return false }
