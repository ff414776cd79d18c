package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// This file is the life of one experiment, top to bottom:
//
//	RunExperiment  refuse or snapshot (candidate.go) → propose (propose.go) → start a supervisor → wait
//	judge          (in the supervisor) build → check → run after run → verdict
//	Keep           a commit that binds the result to the ledger; the incumbent moves
//	Revert         the edited file is the incumbent's again; nothing is lost

// RunExperiment proposes what the checkout's edited file holds, starts its
// supervisor and waits at most req.Wait. The run outlives the call.
// Refusals come before anything is spent: CodeScope, CodeContract,
// CodeNoChange, CodeDuplicate, CodeUnresolved, CodeBusy, CodeClaimed, CodeBudget,
// CodeConflict.
func (l *Lab) RunExperiment(ctx context.Context, req ExperimentRequest, progress ProgressFunc) (*Outcome, error) {
	out, err := l.proposeAndWait(ctx, req, progress)
	return l.attachNote(ctx, out), err
}

func (l *Lab) proposeAndWait(ctx context.Context, req ExperimentRequest, progress ProgressFunc) (*Outcome, error) {
	if strings.TrimSpace(req.Hypothesis) == "" {
		return nil, research.Errorf(research.CodeBadArgument,
			"say in one sentence what you changed and why it should help", "the hypothesis is empty")
	}

	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}

	if err := l.requireClaimable(ctx, c, req.Idea); err != nil {
		return nil, err
	}
	began := time.Now()

	proof, begin, err := l.finishCertificateFirst(ctx, c, req.Wait, progress)
	if err != nil || !begin {
		return proof, err
	}

	if proof != nil {
		if c, err = l.currentReaped(ctx); err != nil {
			return nil, err
		}
	}

	if err := l.requireRunnable(ctx, c); err != nil {
		return nil, err
	}

	p, alike, err := l.snapshotCandidate(ctx, c, req)
	if err != nil {
		return nil, err
	}

	hooks, err := l.runClosingHooks(ctx, c, began)
	if err != nil {
		return nil, err
	}

	if err := l.launchExperiment(ctx, c, p); err != nil {
		return nil, err
	}

	out, err := l.awaitAndDecide(ctx, c.Name, research.NewJobID(research.ExperimentJob, p.N),
		req.Wait-time.Since(began), progress)
	if err != nil {
		return nil, err
	}

	out.Notes, out.Hooks = append(alike, out.Notes...), joinParts([]string{hooks, out.Hooks})
	if proof != nil {
		out.Notes = append(out.Notes, fmt.Sprintf("%s: %s", proof.ID, cmp.Or(proof.Finding, proof.Reason)))
	}

	return out, nil
}

// launchExperiment records the proposal, whose number it sets, makes its ref and starts
// its supervisor.
func (l *Lab) launchExperiment(ctx context.Context, c *history.Campaign, p *history.Proposal) error {
	if err := l.recordProposal(ctx, c, p); err != nil {
		return err
	}
	id := research.NewJobID(research.ExperimentJob, p.N)

	update := source.RefUpdate{Name: refName(c.Name, "x", fmt.Sprint(p.N)), New: p.Candidate}
	if err := l.repo.UpdateRefs(ctx, []source.RefUpdate{update}, "ratchet: experiment"); err != nil {
		return l.recordLost(ctx, c.Name, id, "the candidate's ref could not be written", err)
	}

	return l.startWorker(ctx, c.Name, id)
}

// requireMeasurable refuses any run: the campaign is over, the contract changed, or the
// start version does not work.
func (l *Lab) requireMeasurable(c *history.Campaign) error {
	if err := requireBudget(c); err != nil {
		return err
	}

	if err := l.requireAcceptedContract(c); err != nil {
		return err
	}

	if c.Broken != "" {
		return research.Errorf(research.CodeProgram, mendBroken,
			"the start version gives no usable metric: %s", c.Broken)
	}

	return nil
}

// requireRunnable is mayMeasure, and refuses when too few runs are left for the rule, and
// while an improvement waits for its decision.
func (l *Lab) requireRunnable(ctx context.Context, c *history.Campaign) error {
	if err := l.requireMeasurable(c); err != nil {
		return err
	}

	if c.Calibrated && c.Plan() == rules.PlanEnd {
		return research.Errorf(research.CodeBudget, raiseBudget, "about %s are left, too few to judge another edit",
			countRuns(c.Outlook().Left))
	}

	if c.Mine == 0 {
		return nil
	}

	return l.ledger.View(ctx, func(tx *ledger.Tx) error {
		_, err := l.closableExperiment(tx, c)
		return err
	})
}

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
		return s.recordInvalid(ctx, c, x, errorLine(err), nil, err)
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
			return s.recordInvalid(ctx, c, x, errorLine(err), obs, err)
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
		return errors.Join(cause, s.recordLost(ctx, s.campaign, s.id, errorLine(cause), nil))
	}
	j.Outlook = s.outlook
	// A stop request must not lose the record of the stop.
	err := s.ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
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

// Keep makes an experiment's candidate the incumbent: a commit whose trailers
// name the ledger's record, then the record, then the refs and the index. It
// is refused unless the verdict allows it (CodeVerdict) and the incumbent is
// still the one that the candidate was compared with (CodeConflict).
func (l *Lab) Keep(ctx context.Context, req KeepRequest) (*KeptAnswer, error) {
	c, x, err := l.requireDecidable(ctx, req.ID)
	if err != nil {
		return nil, err
	}

	head, err := l.requireCampaignBranch(ctx, c)
	if err != nil {
		return nil, err
	}

	if x.Status == research.Kept { // recorded by a call that died: this one finishes it
		_, err := l.finishKeep(ctx, c, head)
		return newKeptAnswer(c, x, head, nil), err
	}

	ok, simpler, why := history.Keepable(*x)
	if ok { // nothing to override
		req.Override = ""
	} else if req.Override == "" || !hasBaseline(x) {
		return nil, research.Errorf(research.CodeVerdict, "revert{lesson: \"…\"} and try something else",
			"%s can't be kept: %s", x.Job(), why)
	}

	if id := findOpenJob(c, research.CertificateJob, research.CalibrationJob); id != "" {
		return nil, research.Errorf(research.CodeBusy, "wait_run{id: \""+string(id)+"\"}, then keep",
			"%s, which measures the incumbent, is still running", id)
	}

	if x.Parent != c.Incumbent {
		return nil, l.proposeMergedAgain(ctx, c, x)
	}

	if head, err = l.fastForward(ctx, c, head, x.Paths); err != nil {
		return nil, err
	}

	commit, err := l.repo.Commit(ctx, source.CommitSpec{Tree: x.Tree, Parents: []string{c.Incumbent},
		Message: keepCommitMessage(c, x, req.Override)})
	if err != nil {
		return nil, err
	}

	if x.Checkout != l.repo.Root() {
		head.Branch = "" // this checkout's file is not the candidate: its branch stays
	}
	k := history.Keeping{N: x.N, Commit: commit, Was: c.Incumbent, Branch: head.Branch, Note: req.Note,
		Simplification: simpler, Overridden: req.Override}

	now, err := l.recordKeep(ctx, c, k)
	if err != nil {
		return nil, err
	}

	notes, err := l.advanceRefs(ctx, c, head, c.Incumbent, commit, x.Paths)
	if err != nil {
		return nil, err
	}

	if head.Branch != "" && x.Edited != "" { // the checkout holds the edit as it was before it was merged
		more, err := l.checkoutMerged(ctx, c, x, commit)
		if err != nil {
			return nil, err
		}

		notes = append(notes, more...)
	}

	if head.Branch == "" {
		notes = []string{"another checkout proposed it: call revert, it brings the new incumbent here"}
	}
	x.Commit, x.Simpler, x.Overridden = commit, simpler, req.Override
	out := newKeptAnswer(now, x, head, notes)
	out.Human = l.noteAfterKeep(ctx, c, req.Override)
	l.startNotifier(now)
	out.Hooks = l.runDecisionHooks(ctx, now, x, research.Kept, req.until)
	out.Next, err = l.nextStepAfter(ctx, now)

	return out, err
}

// nextStepAfter starts the certificate that is due once an experiment is decided,
// and says what comes next.
func (l *Lab) nextStepAfter(ctx context.Context, c *history.Campaign) (string, error) {
	id, err := l.startDueCertificate(ctx, c, false)
	if err != nil || id == "" {
		return nextAfterDecision(c), err
	}

	return "wait_run{id: \"" + string(id) +
		"\"}: the head is being certified; if that fails, it goes back to the checkpoint", nil
}

func newKeptAnswer(c *history.Campaign, x *history.Experiment, head source.Head, notes []string) *KeptAnswer {
	return &KeptAnswer{Experiment: x.N, Commit: shortCommit(x.Commit),
		Branch: strings.TrimPrefix(head.Branch, "refs/heads/"), Value: x.Judgement.Value, Unit: c.Program.Metric.Unit,
		Simpler: x.Simpler, Overridden: x.Overridden != "", Notes: notes, Left: budgetLeft(c),
		Next: nextAfterDecision(c)}
}

// recordKeep appends experiment.kept by compare-and-swap on the incumbent, and
// returns the campaign after it.
func (l *Lab) recordKeep(
	ctx context.Context, c *history.Campaign, k history.Keeping,
) (after *history.Campaign, err error) {
	err = l.updateCampaign(ctx, c.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		x, err := tx.Experiment(c.Name, k.N)
		if err != nil {
			return err
		}

		if now.Incumbent != k.Was || x.Status != research.Unresolved {
			return research.Errorf(research.CodeConflict, "revert, and run the idea again on the new incumbent",
				"another session decided meanwhile: experiment %d is %s, the incumbent is %s", x.N, x.Status,
				shortCommit(now.Incumbent))
		}

		if _, err := tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindExperimentKept,
			Body: k}); err != nil {
			return err
		}
		after, err = tx.Campaign(c.Name)

		return err
	})

	return after, err
}

// Revert puts the edited files back to the incumbent's content. What differs
// from both candidate and incumbent is stored under refs/ratchet/<name>/saved
// first. Without an experiment to close it only restores.
func (l *Lab) Revert(ctx context.Context, req RevertRequest) (*RevertedAnswer, error) {
	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}

	x, err := l.experimentToRevert(ctx, c, req.ID)
	if err != nil {
		return nil, err
	}

	head, err := l.requireCampaignBranch(ctx, c)
	if err != nil {
		return nil, err
	}

	if err := l.refuseForeignCommits(ctx, c, head); err != nil {
		return nil, err
	}
	open := isUndecided(x)

	saved, as, err := l.stashEdit(ctx, c, x, "revert")
	if err != nil {
		return nil, err
	}

	if err := l.recordRevert(ctx, c, x, req.Lesson); err != nil {
		return nil, err
	}
	out := &RevertedAnswer{SavedAs: saved, Lesson: req.Lesson != "",
		Human: l.noteText(ctx, c.Name, c.Unheard, noteBrief)}

	edit := editedFiles(c.ProgramPath, c.Program)
	if head.Commit != c.Incumbent {
		if out.Notes, err = l.advanceRefs(ctx, c, head, head.Commit, c.Incumbent, edit); err != nil {
			return nil, err
		}
	}

	notes, err := l.restoreFiles(ctx, c.Incumbent, edit)
	if err != nil {
		return nil, err
	}

	if as != c.Incumbent {
		out.Restored = edit
	}

	if x != nil {
		if out.Experiment = x.N; c.Mine == x.N {
			c.Mine = 0
		}
	}

	out.Notes, out.Left = append(out.Notes, notes...), budgetLeft(c)

	if open {
		x.Lesson = req.Lesson
		out.Hooks = l.runDecisionHooks(ctx, c, x, research.Reverted, req.until)
	}
	out.Next, err = l.nextStepAfter(ctx, c)

	return out, err
}
