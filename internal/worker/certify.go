package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// certifyHead judges the chain of provisional keeps, run by run as the rule asks.
func (s *worker) certifyHead(ctx context.Context) error {
	c, m, err := s.readJob(ctx)
	if err != nil {
		return err
	}

	if err := s.waitForTurn(ctx); err != nil {
		return err
	}

	c, reason, err := s.ensureCalibrated(ctx, c, s.id)
	if err == nil && reason == "" {
		reason, err = s.buildSides(ctx, map[rules.Side]string{rules.Checkpoint: m.Paired,
			rules.Incumbent: m.Commit})
	}

	if err != nil || reason != "" {
		return commandError(reason, err)
	}

	rule, outlook, obs := rules.NewAuto(c.Program), c.Outlook(), []rules.Observation{}
	for {
		step := rule.NextPair(c.Rule, outlook, obs)
		if step.Done != nil {
			end := history.CertificateEnd{Job: s.id, Certificate: *step.Done, From: c.ChainFrom, To: c.Experiments,
				Outlook: outlook, State: rule.CloseCertificate(c.Rule, outlook, obs, *step.Done)}

			return s.recordCertificate(ctx, c, end)
		}

		o, err := s.makeRun(ctx, s.id, s.versions[step.Run.Side], *step.Run)
		if err == nil {
			err = ctx.Err()
		}

		if err != nil {
			return err
		}

		obs = append(obs, o)
	}
}

// buildSides builds a version for each side. Each reads the caches of the one
// before it, the first those of the incumbent, so that only differences are built.
func (s *worker) buildSides(ctx context.Context, commits map[rules.Side]string) (reason string, err error) {
	c, err := s.readCampaign(ctx)
	if err != nil {
		return "", err
	}

	before, err := s.space.makeVersion(ctx, c.Incumbent)
	if err != nil {
		return "", err
	}
	all := []*version{before}

	for _, side := range []rules.Side{rules.Start, rules.Checkpoint, rules.Incumbent, rules.Candidate} {
		commit, wanted := commits[side]
		if !wanted {
			continue
		}

		v, err := s.space.makeVersion(ctx, commit)
		if err != nil {
			return "", err
		}

		if v.dir != before.dir {
			v.parent = before
		}
		s.versions[side], before = v, v
		all = append(all, v)
	}

	if err := s.removeUnused(ctx, all...); err != nil {
		return "", err
	}

	for _, v := range all[1:] {
		if reason, err = s.buildVersion(ctx, s.id, v); reason != "" || err != nil {
			return reason, err
		}
	}

	return "", nil
}

// recordCertificate records the outcome. A head that was not certified goes back by a new
// commit with the checkpoint's tree; the edits of its chain are reverted.
func (s *worker) recordCertificate(ctx context.Context, c *history.Campaign, end history.CertificateEnd) error {
	ctx = context.WithoutCancel(ctx)

	var err error
	if end.Outcome == rules.RolledBack {
		end.Commit, err = s.Repo.Commit(ctx, source.CommitSpec{Tree: c.CheckpointTree, Parents: []string{c.Incumbent},
			Message: fmt.Sprintf("ratchet: roll back to the checkpoint\n\n%s\n\nRatchet-Campaign: %s\nRatchet-Certificate: %s\n",
				end.Describe(c.Program.Metric), c.Name, s.id)})
		if err != nil {
			return s.recordAbort(ctx, err)
		}
	}

	err = s.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := tx.Campaign(c.Name)
		if err != nil {
			return err
		}

		if now.Incumbent != c.Incumbent || !slices.Contains(now.Open, s.id) {
			return errors.New("the incumbent moved while it was judged")
		}

		if _, err := tx.Append(history.Entry{Campaign: c.Name, Session: s.session,
			Kind: history.KindCertificateFinished, Body: end}); err != nil {
			return err
		}

		if end.Outcome == rules.Certified {
			return nil
		}

		return revertChain(tx, now, s.session)
	})
	if err != nil {
		return s.recordAbort(ctx, err)
	}

	if end.Outcome == rules.Certified {
		return nil
	}

	return s.Repo.UpdateRefs(ctx,
		[]source.RefUpdate{{Name: checkout.RefName(c.Name, "incumbent"), New: end.Commit, Old: c.Incumbent}},
		"ratchet: roll back")
}

// revertChain reverts every experiment that was kept since the checkpoint.
func revertChain(tx *ledger.Tx, c *history.Campaign, session string) error {
	for n := c.ChainFrom; n <= c.Experiments; n++ {
		x, err := tx.Experiment(c.Name, n)
		if err != nil {
			return err
		}

		if x.Status != research.Kept {
			continue
		}

		if _, err := tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindExperimentReverted,
			Body: history.Reversion{N: n, By: "certificate"}}); err != nil {
			return err
		}
	}

	return nil
}

// readJob reads the campaign and the job that is no experiment, as they are now.
func (s *worker) readJob(ctx context.Context) (c *history.Campaign, m *history.Measurement, err error) {
	err = s.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if c, err = tx.Campaign(s.campaign); err != nil {
			return err
		}
		m, err = tx.Measurement(s.campaign, s.id)

		return err
	})
	if err == nil {
		s.session = m.Session
	}

	return c, m, err
}
