package worker

import (
	"context"
	"errors"
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// This file is the life of one experiment in its worker, top to bottom:
//
//	1. DoJob               announces itself to the host and acknowledges (worker.go)
//	2. openWorkspace       finds or makes the campaign's folders (workspace.go)
//	3. prepareVersions     builds incumbent and candidate, checks the candidate (build.go);
//	                       other jobs of the campaign may be measured meanwhile
//	4. waitForTurn         until nothing else of the campaign is measured (worker.go)
//	5. mergeOntoIncumbent  where another session moved the incumbent: the edit is
//	                       merged with it, and built and checked again
//	6. ensureCalibrated    where the noise is not known on this machine (calibrate.go)
//	7. compareVersions     run after run, as the rule asks (makeRun, run.go); back to
//	                       step 5 when the incumbent moves
//	8. recordVerdict       appends experiment.judged; the worker waits for the next job
//
// A candidate that can't be built, checked or run goes from where it fails to
// step 8, as invalid. A failure of the machine loses the job instead: run.lost.
// What happens to a judged experiment whose incumbent moves before it is kept is
// not the worker's affair: the lab measures it again, as another experiment.

// judgeExperiment does steps 3 to 8.
func (r *runner) judgeExperiment(ctx context.Context, n int) error {
	campaign, experiment, err := r.readExperiment(ctx, n)
	if err != nil {
		return err
	}

	reason, err := r.prepareVersions(ctx, experiment)
	if reason != "" || err != nil {
		return r.recordInvalid(ctx, campaign, experiment, reason, nil, err)
	}

	if err := r.owner.waitForTurn(ctx); err != nil {
		return r.recordInvalid(ctx, campaign, experiment, wording.ErrorLine(err), nil, err)
	}

	for {
		// The incumbent may be another than the one that was built.
		if campaign, experiment, err = r.readExperiment(ctx, n); err != nil {
			return err
		}

		reason, err := r.mergeOntoIncumbent(ctx, campaign, experiment)
		if err == nil && reason == "" {
			campaign, reason, err = r.ensureCalibrated(ctx, campaign, experiment.Job())
		}

		if reason != "" || err != nil {
			return r.recordInvalid(ctx, campaign, experiment, reason, nil, err)
		}

		if err = r.compareVersions(ctx, campaign, experiment); !errors.Is(err, errMoved) {
			return err
		}
	}
}

// errMoved says that the incumbent is another than the runs were compared with.
var errMoved = errors.New("the incumbent moved")

// prepareVersions builds candidate and incumbent, and checks the candidate. reason
// says why the candidate is invalid, "" when it may be measured.
func (r *runner) prepareVersions(ctx context.Context, experiment *history.Experiment) (reason string, err error) {
	if reason, err := r.buildStart(ctx, experiment.Job()); reason != "" || err != nil {
		return reason, err
	}

	incumbent, err := r.space.makeVersion(ctx, experiment.Parent)
	if err != nil {
		return "", err
	}

	candidate, err := r.space.makeVersion(ctx, experiment.Candidate)
	if err != nil {
		return "", err
	}
	r.versions[rules.Incumbent], r.versions[rules.Candidate] = incumbent, candidate

	if err := r.removeUnused(ctx, incumbent, candidate); err != nil {
		return "", err
	}

	reason, err = r.buildVersion(ctx, experiment.Job(), incumbent)
	if reason != "" {
		reason = "the incumbent itself no longer builds: " + reason
	}

	if reason != "" || err != nil {
		return reason, err
	}

	reason, err = r.buildVersion(ctx, experiment.Job(), candidate)
	if reason != "" || err != nil {
		return reason, err
	}

	return r.checkVersion(ctx, experiment.Job(), candidate)
}

// mergeOntoIncumbent merges the experiment's edit with an incumbent that another
// session made meanwhile, records that, and builds both again. It changes
// experiment to what was recorded. reason says why that can't be done.
func (r *runner) mergeOntoIncumbent(
	ctx context.Context, campaign *history.Campaign, experiment *history.Experiment,
) (reason string, err error) {
	if experiment.Parent == campaign.Incumbent {
		return "", nil
	}

	tree, err := r.MergeTree(ctx, campaign, experiment.Parent, experiment.Candidate, experiment.Paths)
	if research.HasCode(err, research.CodeConflict) {
		conflict := research.Describe(err)
		return conflict.Msg + "; " + conflict.Next, nil
	}

	if err != nil {
		return "", err
	}

	if tree == campaign.IncumbentTree {
		return "another session kept the same change meanwhile: it is in the incumbent", nil
	}

	commit, err := r.CommitCandidate(ctx, campaign, tree, wording.FirstLine(experiment.Hypothesis), campaign.Incumbent,
		experiment.Candidate)
	if err != nil {
		return "", err
	}

	// The record comes before the ref, so that no ref names what the ledger does not know.
	merged := history.Rebasing{N: experiment.N, Parent: campaign.Incumbent, Candidate: commit, Tree: tree}
	if _, err := r.Ledger.Append(ctx, r.entry(history.KindExperimentRebased, merged)); err != nil {
		return "", err
	}

	ref := source.RefUpdate{Name: checkout.RefName(campaign.Name, "x", fmt.Sprint(experiment.N)),
		Old: experiment.Candidate, New: commit}
	experiment.Parent, experiment.Candidate, experiment.Tree = campaign.Incumbent, commit, tree

	if err := r.Repo.UpdateRefs(ctx, []source.RefUpdate{ref}, "ratchet: merged with a newer incumbent"); err != nil {
		return "", err
	}

	return r.prepareVersions(ctx, experiment)
}

// compareVersions makes one experiment's runs, and records the verdict. errMoved
// when the incumbent is not the campaign's any more.
func (r *runner) compareVersions(
	ctx context.Context, campaign *history.Campaign, experiment *history.Experiment,
) error {
	r.outlook = campaign.Outlook()
	r.outlook.Proposals++ // this one is counted in the campaign already
	r.outlook.Shorter = experiment.Removed > experiment.Added

	rule := rules.NewRule(campaign.Program)
	var observations []rules.Observation
	defer r.slot.release()

	for {
		step := rule.Next(campaign.Rule, r.outlook, observations)
		if step.Done != nil {
			verdict := *step.Done
			verdict.N, verdict.Runs = experiment.N, len(observations)

			return r.recordVerdict(ctx, campaign, verdict, observations, nil)
		}

		now, err := r.readCampaign(ctx)
		switch {
		case err != nil:
			return r.recordVerdict(ctx, campaign, rules.Judgement{N: experiment.N}, observations, err)
		case now.Incumbent != campaign.Incumbent:
			return errMoved
		case now.SecondsLeft() <= 0:
			spent := rules.Judgement{N: experiment.N, Verdict: research.Inconclusive, StoppedBy: "budget",
				Runs: len(observations)}

			return r.recordVerdict(ctx, campaign, spent, observations, nil)
		}

		observation, err := r.makeRun(ctx, experiment.Job(), r.versions[step.Run.Side], *step.Run)
		if err != nil {
			return r.recordInvalid(ctx, campaign, experiment, wording.ErrorLine(err), observations, err)
		}

		observations = append(observations, observation)
	}
}

// recordInvalid records the end of an experiment from which no number came.
func (r *runner) recordInvalid(
	ctx context.Context, campaign *history.Campaign, experiment *history.Experiment, reason string,
	observations []rules.Observation, cause error,
) error {
	invalid := rules.Judgement{N: experiment.N, Verdict: research.Invalid, StoppedBy: "invalid", Reason: reason,
		Runs: len(observations)}

	return r.recordVerdict(ctx, campaign, invalid, observations, cause)
}

// recordVerdict appends experiment.judged with the rule's next state; or run.lost for
// a cause that is not the candidate's, which is returned again once recorded.
// errMoved when the incumbent is not the campaign's any more.
func (r *runner) recordVerdict(
	ctx context.Context, campaign *history.Campaign, verdict rules.Judgement,
	observations []rules.Observation, cause error,
) error {
	stopped := ctx.Err() != nil
	if stopped {
		verdict.Verdict, verdict.StoppedBy, verdict.Reason = research.Invalid, "stopped", "stopped by request"
	}

	if cause != nil && !stopped { // the machine's fault, not the candidate's
		lost := job.RecordLost(ctx, r.Checkout, r.campaign, r.id, wording.ErrorLine(cause), nil)
		return errors.Join(cause, lost)
	}

	// A stop request must not lose the record of the stop.
	err := r.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		now, err := tx.Campaign(campaign.Name)
		if err != nil {
			return err
		}

		if err := requireRunning(now, r.id); err != nil {
			return err
		}

		if now.Incumbent != campaign.Incumbent && verdict.Verdict != research.Invalid {
			return errMoved
		}

		verdict.Outlook = r.outlook
		verdict.Outlook.LostTests = max(r.outlook.LostTests, now.Rule.LostTests)
		verdict.State = rules.NewRule(now.Program).Close(now.Rule, verdict.Outlook, observations, verdict)

		entry := r.entry(history.KindExperimentJudged, verdict)
		entry.Key = fmt.Sprintf("judged/%d", verdict.N)
		_, err = tx.Append(entry)

		return err
	})

	return errors.Join(err, cause)
}
