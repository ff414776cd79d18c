package worker

import (
	"context"
	"errors"
	"fmt"

	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// judgeExperiment is the supervisor's part: it builds and checks beside whatever is
// measured now, waits for its turn, makes the runs that the rule asks for, one
// by one, and appends each; at last the verdict. When another session moves the
// incumbent before that, the edit is merged with it and measured anew.
func (s *worker) judgeExperiment(ctx context.Context, n int) error {
	c, x, err := s.readExperiment(ctx, n)
	if err != nil {
		return err
	}

	reason, err := s.prepareVersions(ctx, x)
	if reason != "" || err != nil {
		return s.recordInvalid(ctx, c, x, reason, nil, err)
	}

	if err := s.waitForTurn(ctx); err != nil {
		return s.recordInvalid(ctx, c, x, wording.ErrorLine(err), nil, err)
	}

	for {
		if c, x, err = s.readExperiment(ctx, n); err != nil {
			return err
		}

		reason, err := s.mergeOntoIncumbent(ctx, c, x)
		if err == nil && reason == "" {
			c, reason, err = s.ensureCalibrated(ctx, c, x.Job())
		}

		if reason != "" || err != nil {
			return s.recordInvalid(ctx, c, x, reason, nil, err)
		}

		if err = s.compareVersions(ctx, c, x); !errors.Is(err, errMoved) {
			return err
		}
	}
}

// errMoved says that the incumbent is another than the runs were compared with.
var errMoved = errors.New("the incumbent moved")

// compareVersions makes one experiment's runs, and records the verdict.
func (s *worker) compareVersions(ctx context.Context, c *history.Campaign, x *history.Experiment) error {
	s.outlook = c.Outlook()
	s.outlook.Proposals++ // this one is counted in the campaign already
	s.outlook.Shorter = x.Removed > x.Added

	rule, obs := rules.NewRule(c.Program), []rules.Observation{}
	for {
		step := rule.Next(c.Rule, s.outlook, obs)
		if step.Done != nil {
			step.Done.N, step.Done.Runs = x.N, len(obs)
			return s.recordVerdict(ctx, c, *step.Done, obs, nil)
		}

		now, err := s.readCampaign(ctx)
		switch {
		case err != nil:
			return s.recordVerdict(ctx, c, rules.Judgement{N: x.N}, obs, err)
		case now.Incumbent != c.Incumbent:
			return errMoved
		case now.SecondsLeft() <= 0:
			return s.recordVerdict(ctx, c, rules.Judgement{N: x.N, Verdict: research.Inconclusive, StoppedBy: "budget",
				Runs: len(obs)}, obs, nil)
		}

		o, err := s.makeRun(ctx, x.Job(), s.versions[step.Run.Side], *step.Run)
		if err != nil {
			return s.recordInvalid(ctx, c, x, wording.ErrorLine(err), obs, err)
		}

		obs = append(obs, o)
	}
}

// recordInvalid records the end of an experiment from which no number came.
func (s *worker) recordInvalid(
	ctx context.Context, c *history.Campaign, x *history.Experiment, reason string, obs []rules.Observation, cause error,
) error {
	return s.recordVerdict(ctx, c, rules.Judgement{N: x.N, Verdict: research.Invalid, StoppedBy: "invalid",
		Reason: reason, Runs: len(obs)}, obs, cause)
}

// recordVerdict appends experiment.judged with the rule's next state; or run.lost for
// a cause that is not the candidate's, which is returned again once recorded.
// errMoved when the incumbent is not c's any more.
func (s *worker) recordVerdict(
	ctx context.Context, c *history.Campaign, j rules.Judgement, obs []rules.Observation, cause error,
) error {
	if ctx.Err() != nil {
		j.Verdict, j.StoppedBy, j.Reason = research.Invalid, "stopped", "stopped by request"
	}

	if cause != nil && ctx.Err() == nil { // the machine's fault, not the candidate's
		return errors.Join(cause, job.RecordLost(ctx, s.Checkout, s.campaign, s.id, wording.ErrorLine(cause), nil))
	}
	j.Outlook = s.outlook
	// A stop request must not lose the record of the stop.
	err := s.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		now, err := tx.Campaign(c.Name)
		if err != nil {
			return err
		}

		if err := requireRunning(now, s.id); err != nil {
			return err
		}

		if now.Incumbent != c.Incumbent && j.Verdict != research.Invalid {
			return errMoved
		}
		j.Outlook.LostTests = max(j.Outlook.LostTests, now.Rule.LostTests)
		j.State = rules.NewRule(now.Program).Close(now.Rule, j.Outlook, obs, j)
		_, err = tx.Append(history.Entry{Campaign: c.Name, Session: s.session,
			Kind: history.KindExperimentJudged, Key: fmt.Sprintf("judged/%d", j.N), Body: j})

		return err
	})

	return errors.Join(err, cause)
}
