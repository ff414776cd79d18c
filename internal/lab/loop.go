package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// This file is the life of one experiment, top to bottom:
//
//	RunExperiment  refuse or snapshot → propose → start a supervisor → wait
//	judge          (in the supervisor) build → check → run after run → verdict
//	Keep           a commit that binds the result to the ledger; the incumbent moves
//	Revert         the edited file is the incumbent's again; nothing is lost

// RunExperiment proposes what the checkout's edited file holds, starts its
// supervisor and waits at most req.Wait. The run outlives the call.
// Refusals come before anything is spent: CodeScope, CodeContract,
// CodeNoChange, CodeDuplicate, CodeUnresolved, CodeBusy, CodeClaimed, CodeBudget,
// CodeConflict.
func (l *Lab) RunExperiment(ctx context.Context, req ExperimentRequest, progress ProgressFunc) (*Outcome, error) {
	if strings.TrimSpace(req.Hypothesis) == "" {
		return nil, research.Errorf(research.CodeBadArgument, "say in one sentence what you changed and why it should help",
			"the hypothesis is empty")
	}
	c, err := l.tidy(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.mayTry(ctx, c, req.Idea); err != nil {
		return nil, err
	}
	began := time.Now()
	proof, begin, err := l.certifyFirst(ctx, c, req.Wait, progress)
	if err != nil || !begin {
		return proof, err
	}
	if proof != nil {
		if c, err = l.tidy(ctx); err != nil {
			return nil, err
		}
	}
	if err := l.mayRun(ctx, c); err != nil {
		return nil, err
	}
	p, alike, err := l.snapshot(ctx, c, req)
	if err != nil {
		return nil, err
	}
	if err := l.launch(ctx, c, p); err != nil {
		return nil, err
	}
	out, err := l.await(ctx, c.Name, research.NewJobID(research.ExperimentJob, p.N), req.Wait-time.Since(began), progress)
	if err != nil {
		return nil, err
	}
	out.Notes = append(alike, out.Notes...)
	if proof != nil {
		out.Notes = append(out.Notes, fmt.Sprintf("%s: %s", proof.ID, cmp.Or(proof.Finding, proof.Reason)))
	}
	return out, nil
}

// launch records the proposal, whose number it sets, makes its ref and starts
// its supervisor.
func (l *Lab) launch(ctx context.Context, c *research.Campaign, p *research.Proposal) error {
	if err := l.propose(ctx, c, p); err != nil {
		return err
	}
	id := research.NewJobID(research.ExperimentJob, p.N)
	update := source.RefUpdate{Name: ref(c.Name, "x", fmt.Sprint(p.N)), New: p.Candidate}
	if err := l.repo.UpdateRefs(ctx, []source.RefUpdate{update}, "ratchet: experiment"); err != nil {
		return l.lose(ctx, c.Name, id, "the candidate's ref could not be written", err)
	}
	return l.start(ctx, c.Name, id)
}

// mayMeasure refuses any run: the campaign is over, the contract changed, or the
// start version does not work.
func (l *Lab) mayMeasure(c *research.Campaign) error {
	if err := spent(c); err != nil {
		return err
	}
	if err := l.agreed(c); err != nil {
		return err
	}
	if c.Broken != "" {
		return research.Errorf(research.CodeProgram, mendBroken,
			"the start version gives no usable metric: %s", c.Broken)
	}
	return nil
}

// mayRun is mayMeasure, and refuses when too few runs are left for the rule, and
// while an improvement waits for its decision.
func (l *Lab) mayRun(ctx context.Context, c *research.Campaign) error {
	if err := l.mayMeasure(c); err != nil {
		return err
	}
	if c.Calibrated && c.Plan() == research.PlanEnd {
		return research.Errorf(research.CodeBudget, raiseBudget, "about %s are left, too few to judge another edit",
			countRuns(c.Outlook().Left))
	}
	if c.Mine == 0 {
		return nil
	}
	return l.ledger.View(ctx, func(tx *ledger.Tx) error {
		_, err := l.closable(tx, c)
		return err
	})
}

// snapshot makes the candidate: the incumbent's tree with the checkout's edited
// files, as a commit that no branch holds. Where another session has moved the
// incumbent since, the edit is merged with it. No file, index or HEAD is touched.
// alike tells of experiments that seem to have tried the same.
func (l *Lab) snapshot(ctx context.Context, c *research.Campaign, req ExperimentRequest) (p *research.Proposal, alike []string, err error) {
	edit := files(c.ProgramPath, c.Program)
	base, err := l.base(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	added, removed, err := l.inScope(ctx, c, base, edit)
	if err != nil {
		return nil, nil, err
	}
	tree, err := l.repo.Snapshot(ctx, base, edit)
	if err != nil {
		return nil, nil, err
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(req.Hypothesis), "\n")
	p = &research.Proposal{Hypothesis: strings.TrimSpace(req.Hypothesis), Expect: req.Expect, Idea: req.Idea,
		Parent: c.Incumbent, Tree: tree, Paths: edit, Added: added, Removed: removed, Checkout: l.repo.Root()}
	if p.Diff, err = l.editDigest(ctx, base, tree, edit); err != nil {
		return nil, nil, err
	}
	parents := []string{c.Incumbent}
	if base != c.Incumbent {
		if p.Edited, err = l.candidate(ctx, c, tree, subject, base); err != nil {
			return nil, nil, err
		}
		if p.Tree, err = l.merged(ctx, c, base, p.Edited, edit); err != nil {
			return nil, nil, err
		}
		parents = append(parents, p.Edited)
	}
	if alike, err = l.fresh(ctx, c, p); err != nil {
		return nil, nil, err
	}
	p.Candidate, err = l.candidate(ctx, c, p.Tree, subject, parents...)
	return p, alike, err
}

// candidate makes a commit that only a ref of the campaign will hold.
func (l *Lab) candidate(ctx context.Context, c *research.Campaign, tree, subject string, parents ...string) (string, error) {
	return l.repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: parents,
		Message: fmt.Sprintf("candidate: %s\n\nRatchet-Campaign: %s\n", subject, c.Name)})
}

// merged is the incumbent's tree with what the commit edited changed in paths
// since base. CodeConflict where another session changed the same lines.
func (l *Lab) merged(ctx context.Context, c *research.Campaign, base, edited string, paths []string) (string, error) {
	tree, conflicts, err := l.repo.Merge(ctx, base, c.Incumbent, edited, paths)
	if err == nil && len(conflicts) > 0 {
		err = research.Errorf(research.CodeConflict, "call revert (it stores your edit and brings the incumbent), then apply your idea again",
			"another session kept a change of the same lines of %s: the incumbent is %s now", strings.Join(conflicts, ", "), short(c.Incumbent))
	}
	return tree, err
}

// inScope refuses when a tracked file other than the edited ones and the
// program (whose contract is checked by itself) differs from base, the
// incumbent that the checkout stands on, or
// an edited one is a plain file no longer. It returns the lines that the edit
// adds and removes.
func (l *Lab) inScope(ctx context.Context, c *research.Campaign, base string, edit []string) (added, removed int, err error) {
	for _, f := range edit {
		info, err := os.Lstat(filepath.Join(l.repo.Root(), filepath.FromSlash(f)))
		if err == nil && !info.Mode().IsRegular() {
			return 0, 0, research.Errorf(research.CodeScope, "remove it, then call revert", "%s is no plain file any more", f)
		}
	}
	changes, err := l.repo.Changes(ctx, base)
	if err != nil {
		return 0, 0, err
	}
	var out []string
	for _, ch := range changes {
		if slices.Contains(edit, ch.Path) {
			if ch.Kind == "deleted" || ch.Kind == "type" {
				return 0, 0, research.Errorf(research.CodeScope, "write it again, or call revert", "%s is no plain file any more (%s)", ch.Path, ch.Kind)
			}
			added, removed = added+ch.Added, removed+ch.Removed
		} else if ch.Path != c.ProgramPath {
			out = append(out, fmt.Sprintf("%s (%s)", ch.Path, ch.Kind))
		}
	}
	if len(out) == 0 {
		return added, removed, nil
	}
	list := strings.Join(out[:min(len(out), 20)], ", ")
	if n := len(out) - 20; n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	return 0, 0, research.Errorf(research.CodeScope,
		fmt.Sprintf("put them back (git restore --source=%s --staged --worktree -- PATH); only %s may change", short(c.Incumbent), strings.Join(edit, ", ")),
		"files outside the scope differ from the incumbent: %s", list)
}

// base is the commit of the campaign that this checkout stands on: the
// incumbent, or an earlier one where another session has moved it since.
func (l *Lab) base(ctx context.Context, c *research.Campaign) (string, error) {
	head, err := l.standing(ctx, c)
	if err != nil || head.Commit == c.Incumbent {
		return c.Incumbent, err
	}
	if healed, err := l.finishKeep(ctx, c, head); healed || err != nil {
		return c.Incumbent, err
	}
	return head.Commit, l.ours(ctx, c, head)
}

// fresh refuses a tree that is the incumbent's, or that was judged already
// against this incumbent. It returns what is only like p.
func (l *Lab) fresh(ctx context.Context, c *research.Campaign, p *research.Proposal) (alike []string, err error) {
	err = l.ledger.View(ctx, func(tx *ledger.Tx) error {
		if p.Tree == c.IncumbentTree {
			return research.Errorf(research.CodeNoChange, "edit the file first",
				"%s equals the incumbent's", strings.Join(p.Paths, ", "))
		}
		if n, ok := tx.Judged(c.Name, c.Incumbent, p.Tree); ok {
			if err := l.judgedAlready(tx, c, n); err != nil {
				return err
			}
		}
		alike, err = l.likeProposal(tx, c, p)
		return err
	})
	return alike, err
}

// judgedAlready refuses the very content of experiment n, unless that was good
// and was reverted: it may be had back, for the price of its runs.
func (l *Lab) judgedAlready(tx *ledger.Tx, c *research.Campaign, n int) error {
	x, err := tx.Experiment(c.Name, n)
	if err != nil {
		return err
	}
	ok, _, _ := research.Keepable(*x)
	if ok && x.Status == research.Reverted {
		return nil
	}
	next := fmt.Sprintf("try something else; read_log{view: \"experiment\", query: \"%d\"} shows it", n)
	if ok && x.Status == research.Unresolved {
		next = fmt.Sprintf("keep{id: \"x%d\"}: it waits for that", n)
	}
	return research.Errorf(research.CodeDuplicate, next,
		"experiment %d judged this very content against this incumbent: %s", n, x.Judgement.Words(c.Program.Metric))
}

// propose appends experiment.proposed, and closes as reverted what this
// checkout's last experiment left open. It checks again, inside the
// transaction, everything that another session may have changed meanwhile, and
// claims the idea. p.N and p.Fence are set.
func (l *Lab) propose(ctx context.Context, c *research.Campaign, p *research.Proposal) error {
	return l.update(ctx, c.Name, func(tx *ledger.Tx, now *research.Campaign, session string) error {
		if err := spent(now); err != nil {
			return err
		}
		if now.Incumbent != p.Parent {
			return research.Errorf(research.CodeConflict, "call again: your edit will be merged with it",
				"another session kept something meanwhile: the incumbent is %s now", short(now.Incumbent))
		}
		if err := l.free(tx, now); err != nil {
			return err
		}
		if err := l.closeWaiting(tx, now, session, p.Merges); err != nil {
			return err
		}
		if err := l.claimFor(tx, now, session, p); err != nil {
			return err
		}
		p.N = now.Experiments + 1
		_, err := tx.Append(research.Entry{Campaign: c.Name, Session: session, Kind: research.KindExperimentProposed, Body: p})
		return err
	})
}

// free refuses while an experiment of this checkout runs, or the head is being
// certified. Other checkouts' experiments are no hindrance: measuring takes turns.
func (l *Lab) free(tx *ledger.Tx, now *research.Campaign) error {
	for _, id := range now.Open {
		next := "wait_run{id: \"" + string(id) + "\"}, then call again"
		switch id.Kind() {
		case research.ExperimentJob:
			x, err := tx.Experiment(now.Name, id.N())
			if err != nil {
				return err
			}
			if x.Checkout == l.repo.Root() {
				return research.Errorf(research.CodeBusy, next, "experiment %d is still running", x.N)
			}
		case research.CertificateJob:
			return research.Errorf(research.CodeBusy, next, "the certificate %s of the head is still running", id)
		}
	}
	return nil
}

// closable is this checkout's experiment that waits for keep or revert, nil if
// none. An improvement is not: it waits for its own decision.
func (l *Lab) closable(tx *ledger.Tx, c *research.Campaign) (*research.Experiment, error) {
	x, err := l.waiting(tx, c)
	if err == nil && x != nil && x.Judgement.Verdict == research.Improved {
		return nil, research.Errorf(research.CodeUnresolved, fmt.Sprintf("keep{id: \"x%d\"} (or revert{id: \"x%d\"} with a lesson)", x.N, x.N),
			"experiment %d improved the metric and waits for its decision", x.N)
	}
	return x, err
}

// closeWaiting reverts this checkout's experiment that waits; merging names the
// one whose edit the next experiment measures again.
func (l *Lab) closeWaiting(tx *ledger.Tx, c *research.Campaign, session string, merging int) error {
	by := research.Reversion{N: merging, By: "merge"}
	if merging == 0 {
		x, err := l.closable(tx, c)
		if err != nil || x == nil {
			return err
		}
		by = research.Reversion{N: x.N, By: "next_run"}
	}
	_, err := tx.Append(research.Entry{Campaign: c.Name, Session: session, Kind: research.KindExperimentReverted, Body: by})
	return err
}

// judge is the supervisor's part: it builds and checks beside whatever is
// measured now, waits for its turn, makes the runs that the rule asks for, one
// by one, and appends each; at last the verdict. When another session moves the
// incumbent before that, the edit is merged with it and measured anew.
func (s *supervisor) judge(ctx context.Context, n int) error {
	c, x, err := s.experiment(ctx, n)
	if err != nil {
		return err
	}
	reason, err := s.prepare(ctx, x)
	if reason != "" || err != nil {
		return s.invalid(ctx, c, x, reason, nil, err)
	}
	if err := s.takeTurn(ctx); err != nil {
		return s.invalid(ctx, c, x, reasonOf(err), nil, err)
	}
	for {
		if c, x, err = s.experiment(ctx, n); err != nil {
			return err
		}
		reason, err := s.rebase(ctx, c, x)
		if err == nil && reason == "" {
			c, reason, err = s.comparable(ctx, c, x.Job())
		}
		if reason != "" || err != nil {
			return s.invalid(ctx, c, x, reason, nil, err)
		}
		if err = s.compare(ctx, c, x); !errors.Is(err, errMoved) {
			return err
		}
	}
}

// errMoved says that the incumbent is another than the runs were compared with.
var errMoved = errors.New("the incumbent moved")

// compare makes one experiment's runs, and records the verdict.
func (s *supervisor) compare(ctx context.Context, c *research.Campaign, x *research.Experiment) error {
	s.outlook = c.Outlook()
	s.outlook.Proposals++ // this one is counted in the campaign already
	s.outlook.Shorter = x.Removed > x.Added
	rule, obs := research.NewRule(c.Program), []research.Observation{}
	for {
		step := rule.Next(c.Rule, s.outlook, obs)
		if step.Done != nil {
			step.Done.N, step.Done.Runs = x.N, len(obs)
			return s.verdict(ctx, c, *step.Done, obs, nil)
		}
		now, err := s.campaignNow(ctx)
		switch {
		case err != nil:
			return s.verdict(ctx, c, research.Judgement{N: x.N}, obs, err)
		case now.Incumbent != c.Incumbent:
			return errMoved
		case now.SecondsLeft() <= 0:
			return s.verdict(ctx, c, research.Judgement{N: x.N, Verdict: research.Inconclusive, StoppedBy: "budget", Runs: len(obs)}, obs, nil)
		}
		o, err := s.run(ctx, x.Job(), s.versions[step.Run.Side], *step.Run)
		if err != nil {
			return s.invalid(ctx, c, x, reasonOf(err), obs, err)
		}
		obs = append(obs, o)
	}
}

// invalid records the end of an experiment from which no number came.
func (s *supervisor) invalid(ctx context.Context, c *research.Campaign, x *research.Experiment, reason string, obs []research.Observation, cause error) error {
	return s.verdict(ctx, c, research.Judgement{N: x.N, Verdict: research.Invalid, StoppedBy: "invalid", Reason: reason, Runs: len(obs)}, obs, cause)
}

// verdict appends experiment.judged with the rule's next state; or run.lost for
// a cause that is not the candidate's, which is returned again once recorded.
// errMoved when the incumbent is not c's any more.
func (s *supervisor) verdict(ctx context.Context, c *research.Campaign, j research.Judgement, obs []research.Observation, cause error) error {
	if ctx.Err() != nil {
		j.Verdict, j.StoppedBy, j.Reason = research.Invalid, "stopped", "stopped by request"
	}
	if cause != nil && ctx.Err() == nil { // the machine's fault, not the candidate's
		return errors.Join(cause, s.lose(ctx, s.campaign, s.id, reasonOf(cause), nil))
	}
	j.Outlook = s.outlook
	// A stop request must not lose the record of the stop.
	err := s.ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		now, err := tx.Campaign(c.Name)
		if err != nil {
			return err
		}
		if err := stillRuns(now, s.id); err != nil {
			return err
		}
		if now.Incumbent != c.Incumbent && j.Verdict != research.Invalid {
			return errMoved
		}
		j.Outlook.LostTests = max(j.Outlook.LostTests, now.Rule.LostTests)
		j.State = research.NewRule(now.Program).Close(now.Rule, j.Outlook, obs, j)
		_, err = tx.Append(research.Entry{Campaign: c.Name, Session: s.session,
			Kind: research.KindExperimentJudged, Key: fmt.Sprintf("judged/%d", j.N), Body: j})
		return err
	})
	return errors.Join(err, cause)
}

// Keep makes an experiment's candidate the incumbent: a commit whose trailers
// name the ledger's record, then the record, then the refs and the index. It
// is refused unless the verdict allows it (CodeVerdict) and the incumbent is
// still the one that the candidate was compared with (CodeConflict).
func (l *Lab) Keep(ctx context.Context, req KeepRequest) (*KeptAnswer, error) {
	c, x, err := l.decidable(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	head, err := l.standing(ctx, c)
	if err != nil {
		return nil, err
	}
	if x.Status == research.Kept { // recorded by a call that died: this one finishes it
		_, err := l.finishKeep(ctx, c, head)
		return keptAnswer(c, x, head, nil), err
	}
	ok, simpler, why := research.Keepable(*x)
	if ok { // nothing to override
		req.Override = ""
	} else if req.Override == "" || !measured(x) {
		return nil, research.Errorf(research.CodeVerdict, "revert{lesson: \"…\"} and try something else", "%s", why)
	}
	if id := openOf(c, research.CertificateJob, research.CalibrationJob); id != "" {
		return nil, research.Errorf(research.CodeBusy, "wait_run{id: \""+string(id)+"\"}, then keep", "%s, which measures the incumbent, is still running", id)
	}
	if x.Parent != c.Incumbent {
		return nil, l.remeasure(ctx, c, x)
	}
	if head, err = l.bringUp(ctx, c, head, x.Paths); err != nil {
		return nil, err
	}
	commit, err := l.repo.Commit(ctx, source.CommitSpec{Tree: x.Tree, Parents: []string{c.Incumbent}, Message: keepMessage(c, x, req.Override)})
	if err != nil {
		return nil, err
	}
	if x.Checkout != l.repo.Root() {
		head.Branch = "" // this checkout's file is not the candidate: its branch stays
	}
	k := research.Keeping{N: x.N, Commit: commit, Was: c.Incumbent, Branch: head.Branch, Note: req.Note, Simplification: simpler, Overridden: req.Override}
	now, err := l.record(ctx, c, k)
	if err != nil {
		return nil, err
	}
	notes, err := l.moveTo(ctx, c, head, c.Incumbent, commit, x.Paths)
	if err != nil {
		return nil, err
	}
	if head.Branch != "" && x.Edited != "" { // the checkout holds the edit as it was before it was merged
		more, err := l.bringMerged(ctx, c, x, commit)
		if err != nil {
			return nil, err
		}
		notes = append(notes, more...)
	}
	if head.Branch == "" {
		notes = []string{"another checkout proposed it: call revert, it brings the new incumbent here"}
	}
	x.Commit, x.Simpler, x.Overridden = commit, simpler, req.Override
	out := keptAnswer(now, x, head, notes)
	out.Next, err = l.nextAfter(ctx, now)
	return out, err
}

// nextAfter starts the certificate that is due once an experiment is decided,
// and says what comes next.
func (l *Lab) nextAfter(ctx context.Context, c *research.Campaign) (string, error) {
	id, err := l.certifyIfDue(ctx, c, false)
	if err != nil || id == "" {
		return afterDecision(c), err
	}
	return "wait_run{id: \"" + string(id) + "\"}: the head is being certified; if that fails, it goes back to the checkpoint", nil
}

func keptAnswer(c *research.Campaign, x *research.Experiment, head source.Head, notes []string) *KeptAnswer {
	return &KeptAnswer{Experiment: x.N, Commit: short(x.Commit), Branch: strings.TrimPrefix(head.Branch, "refs/heads/"),
		Value: x.Judgement.Value, Unit: c.Program.Metric.Unit, Simpler: x.Simpler, Overridden: x.Overridden != "", Notes: notes, Left: left(c), Next: afterDecision(c)}
}

// record appends experiment.kept by compare-and-swap on the incumbent, and
// returns the campaign after it.
func (l *Lab) record(ctx context.Context, c *research.Campaign, k research.Keeping) (after *research.Campaign, err error) {
	err = l.update(ctx, c.Name, func(tx *ledger.Tx, now *research.Campaign, session string) error {
		x, err := tx.Experiment(c.Name, k.N)
		if err != nil {
			return err
		}
		if now.Incumbent != k.Was || x.Status != research.Unresolved {
			return research.Errorf(research.CodeConflict, "revert, and run the idea again on the new incumbent",
				"another session decided meanwhile: experiment %d is %s, the incumbent is %s", x.N, x.Status, short(now.Incumbent))
		}
		if _, err := tx.Append(research.Entry{Campaign: c.Name, Session: session, Kind: research.KindExperimentKept, Body: k}); err != nil {
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
	c, err := l.tidy(ctx)
	if err != nil {
		return nil, err
	}
	x, err := l.toRevert(ctx, c, req.ID)
	if err != nil {
		return nil, err
	}
	head, err := l.standing(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := l.ours(ctx, c, head); err != nil {
		return nil, err
	}
	saved, as, err := l.putAside(ctx, c, x, "revert")
	if err != nil {
		return nil, err
	}
	if err := l.recordRevert(ctx, c, x, req.Lesson); err != nil {
		return nil, err
	}
	out := &RevertedAnswer{SavedAs: saved, Lesson: req.Lesson != ""}
	edit := files(c.ProgramPath, c.Program)
	if head.Commit != c.Incumbent {
		if out.Notes, err = l.moveTo(ctx, c, head, head.Commit, c.Incumbent, edit); err != nil {
			return nil, err
		}
	}
	notes, err := l.restore(ctx, c.Incumbent, edit)
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
	out.Notes, out.Left = append(out.Notes, notes...), left(c)
	out.Next, err = l.nextAfter(ctx, c)
	return out, err
}
