package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ratchet/internal/host"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// ensureCalibrated calibrates where the campaign's noise is not known yet, or where
// the machine is not the one on which it was learnt: a new class of comparable
// runs begins. reason says why the incumbent gives no usable metric, "" if it does.
func (r *runner) ensureCalibrated(
	ctx context.Context, campaign *history.Campaign, id research.JobID,
) (now *history.Campaign, reason string, err error) {
	if campaign.Calibrated && campaign.Machine == r.currentMachine().classDigest() {
		return campaign, "", nil
	}

	if now, err = r.calibrateIncumbent(ctx, id); err != nil {
		return campaign, "", err
	}

	if now.Broken != "" {
		reason = "the incumbent gives no usable metric: " + now.Broken
	}

	return now, reason, nil
}

// calibrateIncumbent runs the incumbent until the rule knows its noise, appends
// calibration.finished, and returns the campaign after it. As part of another
// job it is a calibration of its own, made by the same worker. A calibration
// that a person stopped, or that the machine failed, is recorded as lost, and
// that is an error; a metric that can't be used is none, and is in the record.
func (r *runner) calibrateIncumbent(ctx context.Context, id research.JobID) (*history.Campaign, error) {
	campaign, calibration, err := r.startCalibration(ctx, id)
	if err != nil {
		return nil, err
	}

	if calibration != id { // without a presence of its own it would count as lost
		presence, err := r.Host.Announce(host.Job{Campaign: r.campaign, ID: calibration})
		if err != nil {
			return nil, err
		}
		defer func() { _ = presence.Finish() }()
		presence.Report("calibrating")
	}

	// What a person stopped or the machine failed may succeed another time.
	doctor := r.findDoctorRuns(campaign)

	state, err := r.makeCalibrationRuns(ctx, campaign, calibration, doctor)
	if ctx.Err() != nil {
		lost := job.RecordLost(context.WithoutCancel(ctx), r.Checkout, r.campaign, calibration,
			"stopped by request", nil)

		return nil, errors.Join(ctx.Err(), lost)
	}

	if err != nil && !research.HasCode(err, research.CodeProgram) {
		lost := job.RecordLost(ctx, r.Checkout, r.campaign, calibration, wording.ErrorLine(err), nil)
		return nil, errors.Join(err, lost)
	}

	// The noise, or why there is none, holds for this machine only.
	here := r.currentMachine()
	end := history.CalibrationEnd{Job: calibration, State: state, Machine: here.classDigest(),
		Facts: here.recordFacts(), Changed: here.changeSince(campaign),
		Failed: describeCalibrationFailure(err, r.space.unseen),
		Doctor: doctor}

	err = r.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if err := r.appendEnd(tx, calibration, history.KindCalibrationFinished, end); err != nil {
			return err
		}
		campaign, err = tx.Campaign(r.campaign)

		return err
	})

	return campaign, err
}

// startCalibration records the start of a calibration, unless the job id is one
// itself, and returns the campaign and the calibration's id.
func (r *runner) startCalibration(
	ctx context.Context, id research.JobID,
) (campaign *history.Campaign, calibration research.JobID, err error) {
	calibration = id

	err = r.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if campaign, err = tx.Campaign(r.campaign); err != nil || id.Kind() == research.CalibrationJob {
			return err
		}

		calibration = research.NewJobID(research.CalibrationJob, campaign.Calibrations+1)
		start := rules.JobStart{Job: calibration, Commit: campaign.Incumbent}
		_, err = tx.Append(r.entry(history.KindCalibrationStarted, start))

		return err
	})

	return campaign, calibration, err
}

// makeCalibrationRuns sets up, builds and checks the incumbent, and runs it until
// the rule knows its noise. The runs of a doctor come first, and may be enough.
// errSeenEnough when the owner needs no more runs.
func (r *runner) makeCalibrationRuns(
	ctx context.Context, campaign *history.Campaign, calibration research.JobID, doctor *history.DoctorRuns,
) (rules.RuleState, error) {
	rule := rules.NewRule(campaign.Program)

	observations := doctor.Observations(campaign.Program.Metric)
	if len(observations) > 0 && rule.Calibrate(observations) == nil {
		return rule.Calibrated(observations)
	}

	if reason, err := r.buildStart(ctx, calibration); reason != "" || err != nil {
		return rules.RuleState{}, commandError(reason, err)
	}

	incumbent, err := r.space.makeVersion(ctx, campaign.Incumbent)
	if err != nil {
		return rules.RuleState{}, err
	}

	if reason, err := r.buildVersion(ctx, calibration, incumbent); reason != "" || err != nil {
		return rules.RuleState{}, commandError(reason, err)
	}

	switch reason, err := r.checkVersion(ctx, calibration, incumbent); {
	case err == nil && reason != "" && r.isCheckOptional:
		r.failedCheck = reason
	case err != nil || reason != "":
		return rules.RuleState{}, commandError(reason, err)
	}

	began := time.Now()

	for {
		want := rule.Calibrate(observations)
		if want == nil {
			return rule.Calibrated(observations)
		}

		observation, err := r.makeRun(ctx, calibration, incumbent, *want)
		if err != nil {
			return rules.RuleState{}, err
		}

		observations = append(observations, observation)
		if !observation.Valid {
			return rule.Calibrated(observations)
		}

		if r.owner.hasSeenEnough(observations, time.Since(began)) {
			return rules.RuleState{}, errSeenEnough
		}
	}
}

// errSeenEnough ends a calibration before the rule knows the noise.
var errSeenEnough = errors.New("enough was seen")

// describeCalibrationFailure says why the incumbent gives no usable metric, "" for a nil error.
func describeCalibrationFailure(err error, unseen []string) string {
	if err == nil {
		return ""
	}

	words := wording.ErrorLine(err)
	if len(unseen) > 0 {
		words += fmt.Sprintf(" (%s exists, but git does not ignore it, so runs don't see it: add it to .gitignore)",
			strings.Join(unseen, ", "))
	}

	return words
}
