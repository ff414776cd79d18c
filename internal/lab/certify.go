package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// This file is the life of a certificate: search auto keeps edits on their
// expected gain, and the head that they make is judged as a whole.
//
//	certifyIfDue  the rule's plan says when → certificate.started → a supervisor
//	certify       (in the supervisor) fresh pairs of checkpoint and head → the outcome
//	proven        certified: the head is the checkpoint; else a commit with the
//	              checkpoint's tree is the incumbent, and the chain is reverted

// startDueCertificate starts the certificate of the head when the plan says that it is
// time, or when a person wants it now. The job is "" when none is due.
func (l *Lab) startDueCertificate(ctx context.Context, c *history.Campaign, now bool) (id research.JobID, err error) {
	if !isCertificateDue(c, now) || l.requireAcceptedContract(c) != nil {
		return "", nil
	}

	return l.startJob(ctx, c.Name, history.KindCertificateStarted,
		func(c *history.Campaign) (job rules.JobStart, err error) {
			if isCertificateDue(c, now) {
				job = rules.JobStart{Job: research.NewJobID(research.CertificateJob, c.Certificates+1),
					Commit: c.Incumbent, Paired: c.Checkpoint, Target: "incumbent", With: "checkpoint"}
			}

			return job, nil
		})
}

// isCertificateDue says whether a certificate should start: nothing that it would disturb runs.
func isCertificateDue(c *history.Campaign, now bool) bool {
	if c.Ended != "" || c.Rests != nil && !now || c.Broken != "" || !c.Calibrated || len(c.Open) > 0 ||
		c.Program.Search == rules.SearchCertify {
		return false
	}

	return c.Plan() == rules.PlanCertify || now && c.Rule.Auto != nil && c.Rule.Auto.Chain > 0
}

// findOpenJob is the job of one of these kinds that is under way, "" if none is.
func findOpenJob(c *history.Campaign, kinds ...byte) research.JobID {
	i := slices.IndexFunc(c.Open, func(id research.JobID) bool { return slices.Contains(kinds, id.Kind()) })
	if i < 0 {
		return ""
	}

	return c.Open[i]
}

// finishCertificateFirst lets a certificate that is due, or under way, end before an
// experiment begins, since it may move the head. out is what came of it, nil
// when none was due; the experiment may begin unless it runs on or the head
// was rolled back under the checkout's edit: then out is the call's answer.
func (l *Lab) finishCertificateFirst(
	ctx context.Context, c *history.Campaign, limit time.Duration, progress ProgressFunc,
) (out *Outcome, begin bool, err error) {
	id := findOpenJob(c, research.CertificateJob)
	if id == "" {
		if id, err = l.startDueCertificate(ctx, c, false); err != nil || id == "" {
			return nil, true, err
		}
	}

	if out, err = l.awaitJob(ctx, c.Name, id, limit, progress); err != nil {
		return nil, false, err
	}

	if out.Status == "running" {
		out.Next = "wait_run{id: \"" + string(id) + "\"}: your edit waits for it; then run_experiment again"
		return out, false, nil
	}

	return out, out.Certificate != rules.RolledBack, nil
}

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
		end.Commit, err = s.repo.Commit(ctx, source.CommitSpec{Tree: c.CheckpointTree, Parents: []string{c.Incumbent},
			Message: fmt.Sprintf("ratchet: roll back to the checkpoint\n\n%s\n\nRatchet-Campaign: %s\nRatchet-Certificate: %s\n",
				end.Words(c.Program.Metric), c.Name, s.id)})
		if err != nil {
			return s.recordAbort(ctx, err)
		}
	}

	err = s.ledger.Update(ctx, func(tx *ledger.Tx) error {
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

	return s.repo.UpdateRefs(ctx,
		[]source.RefUpdate{{Name: refName(c.Name, "incumbent"), New: end.Commit, Old: c.Incumbent}},
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
	err = s.ledger.View(ctx, func(tx *ledger.Tx) error {
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
