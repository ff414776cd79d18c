package lab

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/internal/wording"
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
func RunExperiment(
	ctx context.Context, co *checkout.Checkout, req ExperimentRequest, progress job.ProgressFunc,
) (*job.Outcome, error) {
	out, err := proposeAndWait(ctx, co, req, progress)
	return attachNote(ctx, co, out), err
}

func proposeAndWait(
	ctx context.Context, co *checkout.Checkout, req ExperimentRequest, progress job.ProgressFunc,
) (*job.Outcome, error) {
	if strings.TrimSpace(req.Hypothesis) == "" {
		return nil, research.Errorf(research.CodeBadArgument,
			"say in one sentence what you changed and why it should help", "the hypothesis is empty")
	}

	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if err := requireClaimable(ctx, co, c, req.Idea); err != nil {
		return nil, err
	}
	began := time.Now()

	proof, begin, err := finishCertificateFirst(ctx, co, c, req.Wait, progress)
	if err != nil || !begin {
		return proof, err
	}

	if proof != nil {
		if c, err = job.CurrentReaped(ctx, co); err != nil {
			return nil, err
		}
	}

	if err := requireRunnable(ctx, co, c); err != nil {
		return nil, err
	}

	p, alike, err := snapshotCandidate(ctx, co, c, req)
	if err != nil {
		return nil, err
	}

	hooks, err := notify.RunClosingHooks(ctx, co, c, began)
	if err != nil {
		return nil, err
	}

	if err := launchExperiment(ctx, co, c, p); err != nil {
		return nil, err
	}

	out, err := awaitAndDecide(ctx, co, c.Name, research.NewJobID(research.ExperimentJob, p.N),
		req.Wait-time.Since(began), progress)
	if err != nil {
		return nil, err
	}

	out.Notes, out.Hooks = append(alike, out.Notes...), wording.JoinParts([]string{hooks, out.Hooks})
	if proof != nil {
		out.Notes = append(out.Notes, fmt.Sprintf("%s: %s", proof.ID, cmp.Or(proof.Finding, proof.Reason)))
	}

	return out, nil
}

// launchExperiment records the proposal, whose number it sets, makes its ref and starts
// its supervisor.
func launchExperiment(ctx context.Context, co *checkout.Checkout, c *history.Campaign, p *history.Proposal) error {
	if err := recordProposal(ctx, co, c, p); err != nil {
		return err
	}
	id := research.NewJobID(research.ExperimentJob, p.N)

	update := source.RefUpdate{Name: checkout.RefName(c.Name, "x", fmt.Sprint(p.N)), New: p.Candidate}
	if err := co.Repo.UpdateRefs(ctx, []source.RefUpdate{update}, "ratchet: experiment"); err != nil {
		return job.RecordLost(ctx, co, c.Name, id, "the candidate's ref could not be written", err)
	}

	return job.StartWorker(ctx, co, c.Name, id)
}

// Keep makes an experiment's candidate the incumbent: a commit whose trailers
// name the ledger's record, then the record, then the refs and the index. It
// is refused unless the verdict allows it (CodeVerdict) and the incumbent is
// still the one that the candidate was compared with (CodeConflict).
func Keep(ctx context.Context, co *checkout.Checkout, req KeepRequest) (*KeptAnswer, error) {
	c, x, err := requireDecidable(ctx, co, req.ID)
	if err != nil {
		return nil, err
	}

	head, err := co.RequireCampaignBranch(ctx, c)
	if err != nil {
		return nil, err
	}

	if x.Status == research.Kept { // recorded by a call that died: this one finishes it
		_, err := finishKeep(ctx, co, c, head)
		return newKeptAnswer(c, x, head, nil), err
	}

	ok, simpler, why := history.Keepable(*x)
	if ok { // nothing to override
		req.Override = ""
	} else if req.Override == "" || !hasBaseline(x) {
		return nil, research.Errorf(research.CodeVerdict, "revert{lesson: \"…\"} and try something else",
			"%s can't be kept: %s", x.Job(), why)
	}

	if id := job.FindOpenJob(c, research.CertificateJob, research.CalibrationJob); id != "" {
		return nil, research.Errorf(research.CodeBusy, "wait_run{id: \""+string(id)+"\"}, then keep",
			"%s, which measures the incumbent, is still running", id)
	}

	if x.Parent != c.Incumbent {
		return nil, proposeMergedAgain(ctx, co, c, x)
	}

	if head, err = fastForward(ctx, co, c, head, x.Paths); err != nil {
		return nil, err
	}

	commit, err := co.Repo.Commit(ctx, source.CommitSpec{Tree: x.Tree, Parents: []string{c.Incumbent},
		Message: keepCommitMessage(c, x, req.Override)})
	if err != nil {
		return nil, err
	}

	if x.Checkout != co.Repo.Root() {
		head.Branch = "" // this checkout's file is not the candidate: its branch stays
	}
	k := history.Keeping{N: x.N, Commit: commit, Was: c.Incumbent, Branch: head.Branch, Note: req.Note,
		Simplification: simpler, Overridden: req.Override}

	now, err := recordKeep(ctx, co, c, k)
	if err != nil {
		return nil, err
	}

	notes, err := advanceRefs(ctx, co, c, head, c.Incumbent, commit, x.Paths)
	if err != nil {
		return nil, err
	}

	if head.Branch != "" && x.Edited != "" { // the checkout holds the edit as it was before it was merged
		more, err := checkoutMerged(ctx, co, c, x, commit)
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
	out.Human = noteAfterKeep(ctx, co, c, req.Override)
	notify.StartNotifier(co, now)
	out.Hooks = notify.RunDecisionHooks(ctx, co, now, x, research.Kept, req.until)
	out.Next, err = nextStepAfter(ctx, co, now)

	return out, err
}

// nextStepAfter starts the certificate that is due once an experiment is decided,
// and says what comes next.
func nextStepAfter(ctx context.Context, co *checkout.Checkout, c *history.Campaign) (string, error) {
	id, err := job.StartDueCertificate(ctx, co, c, false)
	if err != nil || id == "" {
		return job.NextAfterDecision(c), err
	}

	return "wait_run{id: \"" + string(id) +
		"\"}: the head is being certified; if that fails, it goes back to the checkpoint", nil
}

func newKeptAnswer(c *history.Campaign, x *history.Experiment, head source.Head, notes []string) *KeptAnswer {
	return &KeptAnswer{Experiment: x.N, Commit: wording.ShortCommit(x.Commit),
		Branch: strings.TrimPrefix(head.Branch, "refs/heads/"), Value: x.Judgement.Value, Unit: c.Program.Metric.Unit,
		Simpler: x.Simpler, Overridden: x.Overridden != "", Notes: notes, Left: checkout.BudgetLeft(c),
		Next: job.NextAfterDecision(c)}
}

// recordKeep appends experiment.kept by compare-and-swap on the incumbent, and
// returns the campaign after it.
func recordKeep(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, k history.Keeping,
) (after *history.Campaign, err error) {
	err = co.UpdateCampaign(ctx, c.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		x, err := tx.Experiment(c.Name, k.N)
		if err != nil {
			return err
		}

		if now.Incumbent != k.Was || x.Status != research.Unresolved {
			return research.Errorf(research.CodeConflict, "revert, and run the idea again on the new incumbent",
				"another session decided meanwhile: experiment %d is %s, the incumbent is %s", x.N, x.Status,
				wording.ShortCommit(now.Incumbent))
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
func Revert(ctx context.Context, co *checkout.Checkout, req RevertRequest) (*RevertedAnswer, error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	x, err := experimentToRevert(ctx, co, c, req.ID)
	if err != nil {
		return nil, err
	}

	head, err := co.RequireCampaignBranch(ctx, c)
	if err != nil {
		return nil, err
	}

	if err := refuseForeignCommits(ctx, co, c, head); err != nil {
		return nil, err
	}
	open := notify.IsUndecided(x)

	saved, as, err := stashEdit(ctx, co, c, x, "revert")
	if err != nil {
		return nil, err
	}

	if err := recordRevert(ctx, co, c, x, req.Lesson); err != nil {
		return nil, err
	}
	out := &RevertedAnswer{SavedAs: saved, Lesson: req.Lesson != "",
		Human: noteText(ctx, co, c.Name, c.Unheard, noteBrief)}

	edit := checkout.EditedFiles(c.ProgramPath, c.Program)
	if head.Commit != c.Incumbent {
		if out.Notes, err = advanceRefs(ctx, co, c, head, head.Commit, c.Incumbent, edit); err != nil {
			return nil, err
		}
	}

	notes, err := restoreFiles(ctx, co, c.Incumbent, edit)
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

	out.Notes, out.Left = append(out.Notes, notes...), checkout.BudgetLeft(c)

	if open {
		x.Lesson = req.Lesson
		out.Hooks = notify.RunDecisionHooks(ctx, co, c, x, research.Reverted, req.until)
	}
	out.Next, err = nextStepAfter(ctx, co, c)

	return out, err
}

// ExperimentRequest proposes what the checkout's edited file holds.
type ExperimentRequest struct {
	Hypothesis string
	Expect     string
	Idea       string
	Wait       time.Duration
}

// finishCertificateFirst lets a certificate that is due, or under way, end before an
// experiment begins, since it may move the head. out is what came of it, nil
// when none was due; the experiment may begin unless it runs on or the head
// was rolled back under the checkout's edit: then out is the call's answer.
func finishCertificateFirst(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, limit time.Duration, progress job.ProgressFunc,
) (out *job.Outcome, begin bool, err error) {
	id := job.FindOpenJob(c, research.CertificateJob)
	if id == "" {
		if id, err = job.StartDueCertificate(ctx, co, c, false); err != nil || id == "" {
			return nil, true, err
		}
	}

	if out, err = job.AwaitJob(ctx, co, c.Name, id, limit, progress); err != nil {
		return nil, false, err
	}

	if out.Status == "running" {
		out.Next = "wait_run{id: \"" + string(id) + "\"}: your edit waits for it; then run_experiment again"
		return out, false, nil
	}

	return out, out.Certificate != rules.RolledBack, nil
}

// KeepRequest makes the candidate the incumbent.
type KeepRequest struct {
	ID   string
	Note string
	// Override is how a person said to keep it whatever the verdict, "" without
	// a person. No tool can set it.
	Override history.Way
	until    time.Time // when its hooks must have ended; zero: hooksWithin from now
}

// KeptAnswer is the answer to keep.
type KeptAnswer struct {
	Experiment int           `json:"experiment"`
	Commit     string        `json:"commit"`
	Branch     string        `json:"branch"`
	Value      *float64      `json:"value,omitempty"`
	Unit       string        `json:"unit,omitempty"`
	Simpler    bool          `json:"simplification,omitempty"`
	Overridden bool          `json:"overridden,omitempty"` // by a person, against the verdict
	Human      string        `json:"human_note,omitempty"` // as in Outcome
	Notes      []string      `json:"notes,omitempty"`
	Left       checkout.Left `json:"budget_left"`
	Hooks      string        `json:"hook_output,omitempty"` // what the program's hooks printed: data
	Next       string        `json:"next"`
}

// RevertRequest puts the edited file back to the incumbent's content.
type RevertRequest struct {
	ID     string
	Lesson string
	until  time.Time // as of KeepRequest
}

// RevertedAnswer is the answer to revert.
type RevertedAnswer struct {
	Experiment int           `json:"experiment,omitempty"`
	Restored   []string      `json:"restored"`
	SavedAs    string        `json:"saved_as,omitempty"` // ref that holds what was edited on
	Lesson     bool          `json:"lesson_stored"`
	Human      string        `json:"human_note,omitempty"` // as in Outcome
	Notes      []string      `json:"notes,omitempty"`
	Left       checkout.Left `json:"budget_left"`
	Hooks      string        `json:"hook_output,omitempty"` // what the program's hooks printed: data
	Next       string        `json:"next"`
}

// recordRevert appends the reversion of x (if it is still open) and the lesson.
func recordRevert(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, x *history.Experiment, lesson string,
) error {
	if x == nil && lesson == "" {
		return nil
	}

	return co.UpdateCampaign(ctx, c.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		n := 0
		if x != nil {
			n = x.N
			if err := requireOpen(tx, c, now, n); err != nil {
				return err
			}

			if _, err := tx.Append(history.Entry{Campaign: c.Name, Session: session,
				Kind: history.KindExperimentReverted, Key: fmt.Sprintf("reverted/%d/%s", n, lesson),
				Body: history.Reversion{N: n, Lesson: lesson, By: "agent"}}); err != nil {
				return err
			}
		}

		if lesson == "" {
			return nil
		}
		_, err := appendLesson(co, tx, c, session, lesson, n)

		return err
	})
}

// requireOpen refuses when another session decided experiment n, or moved the
// incumbent, since this call looked.
func requireOpen(tx *ledger.Tx, c, now *history.Campaign, n int) error {
	x, err := tx.Experiment(c.Name, n)
	if err != nil {
		return err
	}

	if x.Status == research.Kept {
		return research.Errorf(research.CodeConflict, "read_log{} shows where it stands",
			"another session decided meanwhile: experiment %d is %s, the incumbent is %s", n, x.Status,
			wording.ShortCommit(now.Incumbent))
	}

	return nil
}
