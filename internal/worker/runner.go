package worker

import (
	"context"
	"crypto/rand"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

// runner builds, checks, runs and judges versions for one job, and records it all.
// A worker has one, and a trial.
type runner struct {
	*checkout.Checkout
	campaign string
	id       research.JobID
	owner    owner
	space    *workspace
	versions map[rules.Side]*version

	isTrial bool // of a throw-away campaign
	// isCheckOptional lets a calibration go on where the program's check fails;
	// failedCheck says why it failed.
	isCheckOptional bool
	failedCheck     string
	session         string        // whose job it is; "" until the job is read, and for a person
	candidateRun    string        // the command that measures a candidate: the program's, or a canary's
	outlook         rules.Outlook // of the last comparison
	runs            int           // of this job
	seed            string        // secret: what the runs' seeds are made of
	enforced        rules.Run     // the last one that was recorded with what enforced it
	gpus            gpuDriver
	slot            measuringSlot
	halves          halves
}

// owner is the worker or the trial that a runner works for.
type owner interface {
	// reportPhase shows what goes on to who waits for the job.
	reportPhase(phase string)
	// waitForTurn returns when the job may measure.
	waitForTurn(ctx context.Context) error
	// hasSeenEnough ends a calibration early, with errSeenEnough: after these
	// runs, which took so long together.
	hasSeenEnough(observations []rules.Observation, spent time.Duration) bool
}

func newRunner(co *checkout.Checkout, space *workspace, id research.JobID, owner owner) *runner {
	return &runner{
		Checkout:     co,
		campaign:     space.campaign.Name,
		id:           id,
		owner:        owner,
		space:        space,
		versions:     map[rules.Side]*version{},
		candidateRun: space.program().Run,
		seed:         rand.Text(),
	}
}

// readCampaign is the campaign as it is at this moment.
func readCampaign(ctx context.Context, co *checkout.Checkout, name string) (campaign *history.Campaign, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		campaign, err = tx.Campaign(name)
		return err
	})

	return campaign, err
}

// readCampaign is the runner's campaign as it is at this moment.
func (r *runner) readCampaign(ctx context.Context) (*history.Campaign, error) {
	return readCampaign(ctx, r.Checkout, r.campaign)
}

// readExperiment reads the campaign and one experiment as they are now.
func (r *runner) readExperiment(
	ctx context.Context, n int,
) (campaign *history.Campaign, experiment *history.Experiment, err error) {
	err = r.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if campaign, err = tx.Campaign(r.campaign); err != nil {
			return err
		}
		experiment, err = tx.Experiment(r.campaign, n)

		return err
	})
	if err == nil {
		r.session = experiment.Session
	}

	return campaign, experiment, err
}

// readMeasurement reads the campaign and the job, which is not an experiment, as they are now.
func (r *runner) readMeasurement(
	ctx context.Context,
) (campaign *history.Campaign, measurement *history.Measurement, err error) {
	err = r.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if campaign, err = tx.Campaign(r.campaign); err != nil {
			return err
		}
		measurement, err = tx.Measurement(r.campaign, r.id)

		return err
	})
	if err == nil {
		r.session = measurement.Session
	}

	return campaign, measurement, err
}

// appendEnd appends the record that ends a job, if it still runs.
func (r *runner) appendEnd(tx *ledger.Tx, id research.JobID, kind history.Kind, body any) error {
	campaign, err := tx.Campaign(r.campaign)
	if err != nil {
		return err
	}

	if err := requireRunning(campaign, id); err != nil {
		return err
	}
	_, err = tx.Append(r.entry(kind, body))

	return err
}

// entry is a record of this campaign in the name of the job's session.
func (r *runner) entry(kind history.Kind, body any) history.Entry {
	return history.Entry{Campaign: r.campaign, Session: r.session, Kind: kind, Body: body}
}

// commandError is the error of a command of the program that gave no number.
func commandError(reason string, err error) error {
	if err != nil {
		return err
	}

	return research.Errorf(research.CodeProgram, "fix the program's command", "%s", reason)
}
