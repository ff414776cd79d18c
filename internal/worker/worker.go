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

// worker does one job in a process of its own.
type worker struct {
	*runner
	presence host.Presence
	turn     *os.File // its turn to measure; nil until waitForTurn
}

// RunWorker does the job to its end: it is the whole life of a worker's
// process. It acknowledges (sandbox.Ready) once it has announced itself, waits
// for its turn, and appends every run and the end. A cancelled ctx stops the
// run under way and records that.
// CodeBusy when the job has a worker already.
func RunWorker(ctx context.Context, co *checkout.Checkout, campaign, jobID string) error {
	id, err := research.ParseJobID(jobID)
	if err != nil {
		return err
	}

	presence, err := co.Host.Announce(host.Job{Campaign: campaign, ID: id})
	if err != nil {
		return err
	}
	defer presence.Release()
	presence.Report("waiting for its turn")

	err = fault.At("supervisor.ready", func() error { sandbox.Ready(nil); return nil })
	if err == nil {
		err = runJob(ctx, co, campaign, id, presence)
	}

	if err != nil {
		return recordAbort(ctx, co, campaign, id, err)
	}

	return presence.Finish() // the end is recorded
}

// recordAbort records the end of a job that could not record its own, and
// returns cause.
func recordAbort(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, cause error,
) error {
	if ctx.Err() != nil {
		cause = errors.New("stopped by request")
	}

	return errors.Join(cause,
		job.RecordLost(context.WithoutCancel(ctx), co, campaign, id, wording.ErrorLine(cause), nil))
}

// runJob does the job in its own part of the workspace.
func runJob(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, presence host.Presence,
) error {
	held, err := readCampaign(ctx, co, campaign)
	if err != nil {
		return err
	}

	if err := requireRunning(held, id); err != nil {
		return err
	}
	notify.StartNotifier(co, held)

	space, err := openWorkspace(ctx, co, held, id)
	if err != nil {
		return err
	}
	defer space.close()

	w := &worker{presence: presence}
	w.runner = newRunner(co, space, id, w)
	defer w.gpus.close()
	defer func() { w.turn.Close() }() // of a nil turn it does nothing

	return w.doJob(ctx)
}

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
