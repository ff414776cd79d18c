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

// This file is the life of one experiment, as one path from top to bottom. The
// names are those of the functions, in the order in which they are called:
//
//	RunExperiment               in the session's process
//	  requireClaimable            the idea that it names is nobody else's
//	  finishCertificateFirst      a certificate that is due may move the incumbent
//	  requireRunnable             budget, contract, no improvement that waits
//	  snapshotCandidate           the edit becomes a commit that no branch holds
//	  launchExperiment            recordProposal → the candidate's ref → job.StartWorker
//	  awaitAndDecide              job.AwaitJob, then `decide: auto`
//
//	worker.DoJob                in the worker's process, which outlives the call
//	  worker.judgeExperiment
//	    prepareVersions           build candidate and incumbent, check the candidate
//	    waitForTurn               one measurement at a time
//	    mergeOntoIncumbent        where another session has kept something meanwhile
//	    ensureCalibrated          where the machine has changed
//	    compareVersions           run after run, each a record, as the rule asks
//	    recordVerdict             experiment.judged
//
//	Keep                        in a session's process again
//	  requireDecidable            there is a verdict, and no decision yet
//	  proposeMergedAgain          instead of a keep, where the incumbent is another
//	  fastForward                 this checkout's branch stands on the incumbent
//	  recordKeep                  compare-and-swap: experiment.kept
//	  advanceRefs                 the refs, the branch and the index follow
//
//	Revert
//	  stashEdit                   what neither commit holds is stored
//	  recordRevert                experiment.reverted, with the lesson
//	  advanceRefs, restoreFiles   the files are the incumbent's again
//
// A record comes before its effect outside the ledger, and a call that died
// between the two is finished by the next one (finishKeep, repairRefs).

// RunExperiment proposes what the checkout's edited files hold, starts the worker
// and waits at most req.Wait. The run outlives the call.
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

	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if err := requireClaimable(ctx, co, campaign, req.Idea); err != nil {
		return nil, err
	}

	// A certificate may roll the incumbent back under the edit: it ends first.
	began := time.Now()

	certificate, mayBegin, err := finishCertificateFirst(ctx, co, campaign, req.Wait, progress)
	if err != nil || !mayBegin {
		return certificate, err
	}

	if certificate != nil {
		if campaign, err = job.CurrentReaped(ctx, co); err != nil {
			return nil, err
		}
	}

	// Refuse, or take the edit as a commit. Nothing is written to the ledger yet.
	if err := requireRunnable(ctx, co, campaign); err != nil {
		return nil, err
	}

	proposal, alike, err := snapshotCandidate(ctx, co, campaign, req)
	if err != nil {
		return nil, err
	}

	// The proposal closes the experiment before it, whose hooks run now.
	hooks, err := notify.RunClosingHooks(ctx, co, campaign, began)
	if err != nil {
		return nil, err
	}

	if err := launchExperiment(ctx, co, campaign, proposal); err != nil {
		return nil, err
	}

	out, err := awaitAndDecide(ctx, co, campaign.Name, research.NewJobID(research.ExperimentJob, proposal.N),
		req.Wait-time.Since(began), progress)
	if err != nil {
		return nil, err
	}

	out.Notes = append(alike, out.Notes...)
	out.Hooks = wording.JoinParts([]string{hooks, out.Hooks})

	if certificate != nil {
		out.Notes = append(out.Notes,
			fmt.Sprintf("%s: %s", certificate.ID, cmp.Or(certificate.Finding, certificate.Reason)))
	}

	return out, nil
}

// finishCertificateFirst lets a certificate that is due, or under way, end before an
// experiment begins, since it may move the head. out is what came of it, nil
// when none was due; the experiment may begin unless it runs on or the head
// was rolled back under the checkout's edit: then out is the call's answer.
func finishCertificateFirst(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, limit time.Duration,
	progress job.ProgressFunc,
) (out *job.Outcome, mayBegin bool, err error) {
	id := job.FindOpenJob(campaign, research.CertificateJob)
	if id == "" {
		if id, err = job.StartDueCertificate(ctx, co, campaign, false); err != nil || id == "" {
			return nil, true, err
		}
	}

	if out, err = job.AwaitJob(ctx, co, campaign.Name, id, limit, progress); err != nil {
		return nil, false, err
	}

	if out.Status == "running" {
		out.Next = "wait_run{id: \"" + string(id) + "\"}: your edit waits for it; then run_experiment again"
		return out, false, nil
	}

	return out, out.Certificate != rules.RolledBack, nil
}

// requireRunnable refuses as job.RequireMeasurable does, and when too few runs are
// left to judge an edit, and while an improvement waits for its decision.
func requireRunnable(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign) error {
	if err := job.RequireMeasurable(co, campaign); err != nil {
		return err
	}

	if campaign.Calibrated && campaign.Plan() == rules.PlanEnd {
		return research.Errorf(research.CodeBudget, checkout.RaiseBudget,
			"about %s are left, too few to judge another edit", wording.Count(campaign.Outlook().Left, "run"))
	}

	if campaign.Mine == 0 {
		return nil
	}

	return co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		_, err := closableExperiment(co, tx, campaign)
		return err
	})
}

// launchExperiment records the proposal, whose number it sets, makes its ref and
// starts its worker. An experiment that got so far and no further is lost.
func launchExperiment(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, proposal *history.Proposal,
) error {
	if err := recordProposal(ctx, co, campaign, proposal); err != nil {
		return err
	}
	id := research.NewJobID(research.ExperimentJob, proposal.N)

	update := source.RefUpdate{Name: checkout.RefName(campaign.Name, "x", fmt.Sprint(proposal.N)),
		New: proposal.Candidate}
	if err := co.Repo.UpdateRefs(ctx, []source.RefUpdate{update}, "ratchet: experiment"); err != nil {
		return job.RecordLost(ctx, co, campaign.Name, id, "the candidate's ref could not be written", err)
	}

	return job.StartWorker(ctx, co, campaign.Name, id)
}

// Keep makes an experiment's candidate the incumbent: a commit whose trailers
// name the ledger's record, then the record, then the refs and the index. It
// is refused unless the verdict allows it (CodeVerdict) and the incumbent is
// still the one that the candidate was compared with (CodeConflict).
func Keep(ctx context.Context, co *checkout.Checkout, req KeepRequest) (*KeptAnswer, error) {
	campaign, experiment, err := requireDecidable(ctx, co, req.ID)
	if err != nil {
		return nil, err
	}

	head, err := co.RequireCampaignBranch(ctx, campaign)
	if err != nil {
		return nil, err
	}

	// A keep that was recorded by a call that died is finished.
	if experiment.Status == research.Kept {
		_, err := finishKeep(ctx, co, campaign, head)
		return newKeptAnswer(campaign, experiment, head, nil), err
	}

	simpler, overridden, err := requireKeepable(experiment, req.Override.By)
	if err != nil {
		return nil, err
	}

	if overridden != "" {
		if err := req.Override.requirePassphrase(co); err != nil {
			return nil, err
		}
	}

	// A job that measures the incumbent would lose its subject.
	if id := job.FindOpenJob(campaign, research.CertificateJob, research.CalibrationJob); id != "" {
		return nil, research.Errorf(research.CodeBusy, "wait_run{id: \""+string(id)+"\"}, then keep",
			"%s, which measures the incumbent, is still running", id)
	}

	// Another session has kept something since: the verdict was about another incumbent.
	if experiment.Parent != campaign.Incumbent {
		return nil, proposeMergedAgain(ctx, co, campaign, experiment)
	}

	if head, err = fastForward(ctx, co, campaign, head, experiment.Paths); err != nil {
		return nil, err
	}

	candidate := checkout.RefName(campaign.Name, "x", fmt.Sprint(experiment.N))
	if err := checkout.RequireCommit(ctx, co, candidate, experiment.Candidate); err != nil {
		return nil, err
	}

	commit, err := co.Repo.Commit(ctx, source.CommitSpec{Tree: experiment.Tree, Parents: []string{campaign.Incumbent},
		Message: keepCommitMessage(campaign, experiment, overridden)})
	if err != nil {
		return nil, err
	}

	// Where another checkout proposed it, this one's files are not the candidate: its
	// branch stays.
	if experiment.Checkout != co.Repo.Root() {
		head.Branch = ""
	}

	now, err := recordKeep(ctx, co, campaign,
		history.Keeping{N: experiment.N, Commit: commit, Was: campaign.Incumbent, Branch: head.Branch,
			Note: req.Note, Simplification: simpler, Overridden: overridden})
	if err != nil {
		return nil, err
	}
	experiment.Commit, experiment.Simpler, experiment.Overridden = commit, simpler, overridden

	notes, err := bringKept(ctx, co, campaign, experiment, head)
	if err != nil {
		return nil, err
	}

	// It is kept. What follows tells of it.
	out := newKeptAnswer(now, experiment, head, notes)
	out.Human = noteAfterKeep(ctx, co, campaign, overridden)
	notify.StartNotifier(co, now)
	out.Hooks = notify.RunDecisionHooks(ctx, co, now, experiment, research.Kept, req.until)
	out.Next, err = nextStepAfter(ctx, co, now)

	return out, err
}

// requireKeepable refuses a keep that the verdict does not allow, unless a person
// overrides it and there is a number to judge by. simpler says that it is kept
// for being the simpler code; overridden is "" where nothing had to be overridden.
func requireKeepable(
	experiment *history.Experiment, override history.Way,
) (simpler bool, overridden history.Way, err error) {
	ok, simpler, why := history.Keepable(*experiment)
	if ok {
		return simpler, "", nil
	}

	if override == "" || !hasBaseline(experiment) {
		return false, "", research.Errorf(research.CodeVerdict, "revert{lesson: \"…\"} and try something else",
			"%s can't be kept: %s", experiment.Job(), why)
	}

	return simpler, override, nil
}

// recordKeep appends experiment.kept by compare-and-swap on the incumbent, and
// returns the campaign after it. CodeConflict where another session decided since c
// was read.
func recordKeep(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, keeping history.Keeping,
) (after *history.Campaign, err error) {
	err = co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		experiment, err := tx.Experiment(campaign.Name, keeping.N)
		if err != nil {
			return err
		}

		if now.Incumbent != keeping.Was || experiment.Status != research.Unresolved {
			return research.Errorf(research.CodeConflict, "revert, and run the idea again on the new incumbent",
				"another session decided meanwhile: experiment %d is %s, the incumbent is %s", experiment.N,
				experiment.Status, wording.ShortCommit(now.Incumbent))
		}

		if _, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session,
			Kind: history.KindExperimentKept, Body: keeping}); err != nil {
			return err
		}
		after, err = tx.Campaign(campaign.Name)

		return err
	})

	return after, err
}

// bringKept lets the refs and this checkout follow a keep that is recorded. With
// head.Branch "" the checkout stays as it is.
func bringKept(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign,
	experiment *history.Experiment, head source.Head,
) (notes []string, err error) {
	notes, err = advanceRefs(ctx, co, campaign, head, campaign.Incumbent, experiment.Commit, experiment.Paths)
	if err != nil {
		return nil, err
	}

	if head.Branch == "" {
		return []string{"another checkout proposed it: call revert, it brings the new incumbent here"}, nil
	}

	// The files are the edit as it was before it was merged.
	if experiment.Edited != "" {
		more, err := checkoutMerged(ctx, co, campaign, experiment, experiment.Commit)
		if err != nil {
			return nil, err
		}
		notes = append(notes, more...)
	}

	return notes, nil
}

func newKeptAnswer(
	campaign *history.Campaign, experiment *history.Experiment, head source.Head, notes []string,
) *KeptAnswer {
	return &KeptAnswer{
		Experiment: experiment.N,
		Commit:     wording.ShortCommit(experiment.Commit),
		Branch:     strings.TrimPrefix(head.Branch, "refs/heads/"),
		Value:      experiment.Judgement.Value,
		Unit:       campaign.Program.Metric.Unit,
		Simpler:    experiment.Simpler,
		Overridden: experiment.Overridden != "",
		Notes:      notes,
		Left:       checkout.BudgetLeft(campaign),
		Next:       job.NextAfterDecision(campaign),
	}
}

// Revert puts the edited files back to the incumbent's content. What differs
// from both candidate and incumbent is stored under refs/ratchet/<name>/saved
// first. Without an experiment to close it only restores.
func Revert(ctx context.Context, co *checkout.Checkout, req RevertRequest) (*RevertedAnswer, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	experiment, err := experimentToRevert(ctx, co, campaign, req.ID)
	if err != nil {
		return nil, err
	}

	head, err := co.RequireCampaignBranch(ctx, campaign)
	if err != nil {
		return nil, err
	}

	if err := refuseForeignCommits(ctx, co, campaign, head); err != nil {
		return nil, err
	}
	undecided := notify.IsUndecided(experiment)

	saved, heldBy, err := stashEdit(ctx, co, campaign, experiment, "revert")
	if err != nil {
		return nil, err
	}

	if err := recordRevert(ctx, co, campaign, experiment, req.Lesson); err != nil {
		return nil, err
	}

	out := &RevertedAnswer{SavedAs: saved, Lesson: req.Lesson != ""}
	out.Human = noteText(ctx, co, campaign.Name, campaign.Unheard, noteBrief)

	// The branch first, where another session has moved the incumbent; then the files.
	edit := checkout.EditedFiles(campaign.ProgramPath, campaign.Program)
	if head.Commit != campaign.Incumbent {
		if out.Notes, err = advanceRefs(ctx, co, campaign, head, head.Commit, campaign.Incumbent, edit); err != nil {
			return nil, err
		}
	}

	notes, err := restoreFiles(ctx, co, campaign.Incumbent, edit)
	if err != nil {
		return nil, err
	}
	out.Notes = append(out.Notes, notes...)

	if heldBy != campaign.Incumbent {
		out.Restored = edit
	}

	if experiment != nil {
		out.Experiment = experiment.N

		if campaign.Mine == experiment.N {
			campaign.Mine = 0
		}
	}
	out.Left = checkout.BudgetLeft(campaign)

	// It is reverted. What follows tells of it.
	if undecided {
		experiment.Lesson = req.Lesson
		out.Hooks = notify.RunDecisionHooks(ctx, co, campaign, experiment, research.Reverted, req.until)
	}
	out.Next, err = nextStepAfter(ctx, co, campaign)

	return out, err
}

// recordRevert appends the reversion of the experiment, if it is still open, and the lesson. It is
// nil where there is only a lesson to record.
func recordRevert(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign,
	experiment *history.Experiment, lesson string,
) error {
	if experiment == nil && lesson == "" {
		return nil
	}

	return co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		number := 0
		if experiment != nil {
			number = experiment.N
			if err := requireNotKept(tx, now, number); err != nil {
				return err
			}

			if _, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session,
				Kind: history.KindExperimentReverted, Key: fmt.Sprintf("reverted/%d/%s", number, lesson),
				Body: history.Reversion{N: number, Lesson: lesson, By: "agent"}}); err != nil {
				return err
			}
		}

		if lesson == "" {
			return nil
		}
		_, err := appendLesson(tx, now, session, lesson, number)

		return err
	})
}

// requireNotKept refuses when another session kept experiment n since this call looked.
func requireNotKept(tx *ledger.Tx, now *history.Campaign, n int) error {
	experiment, err := tx.Experiment(now.Name, n)
	if err != nil {
		return err
	}

	if experiment.Status == research.Kept {
		return research.Errorf(research.CodeConflict, "read_log{} shows where it stands",
			"another session decided meanwhile: experiment %d is %s, the incumbent is %s", n, experiment.Status,
			wording.ShortCommit(now.Incumbent))
	}

	return nil
}

// nextStepAfter starts the certificate that is due once an experiment is decided,
// and says what comes next.
func nextStepAfter(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign) (string, error) {
	id, err := job.StartDueCertificate(ctx, co, campaign, false)
	if err != nil || id == "" {
		return job.NextAfterDecision(campaign), err
	}

	return "wait_run{id: \"" + string(id) +
		"\"}: the head is being certified; if that fails, it goes back to the checkpoint", nil
}
