package finalize

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

type (
	// FinalizeRequest asks for the campaign's result on a branch of its own.
	FinalizeRequest struct {
		Pairs      int  // at most, of one comparison of the ablation; 0 is rules.Outlook.AblationPairs
		NoAblation bool // everything kept goes in
		Stack      bool // a commit for each change, measured against the one before
		DryRun     bool // only say what would be done, and what it costs
		// Tell gets sentences on what is to come and what goes on; it may be nil.
		Tell func(string)
		// Watch gets the running job's progress about every second; it may be nil.
		Watch func(job.Outcome)
	}
	// Finalized is the answer to finalize.
	Finalized struct {
		Campaign    string             `json:"campaign"`
		Branch      string             `json:"branch"`
		Commit      string             `json:"commit,omitempty"`
		Plan        string             `json:"plan,omitempty"` // what is to come, of a dry run
		Certificate *job.Outcome       `json:"certificate,omitempty"`
		Ablation    *rules.AblationEnd `json:"ablation,omitempty"`
		Audit       *job.Outcome       `json:"audit,omitempty"`
		// of the audited gain: log (a share) | linear (in the unit)
		Scale  string               `json:"scale,omitempty"`
		Stack  []history.StackEntry `json:"stack,omitempty"`
		Brings []source.CommitStat  `json:"brings,omitempty"` // what a merge brings, oldest first
		Next   string               `json:"next"`
		Title  string               `json:"title,omitempty"` // of a pull request
		Body   string               `json:"body,omitempty"`  // of the same, Markdown
		titles map[int]string
		metric contract.Metric
	}
)

// Finalize certifies what is provisional, drops the changes that do not pay, audits
// what is left, and puts it on the branch ratchet/<name>-final. The campaign's own
// branch, HEAD, the index and all files stay as they are. A spent budget does not
// prevent it, since a person asks.
// Errors: CodeConflict when the branch exists or the incumbent moves
// meanwhile, CodeBusy while something runs, CodeNoChange when nothing is kept.
func Finalize(ctx context.Context, co *checkout.Checkout, req FinalizeRequest) (*Finalized, error) {
	if req.Pairs < 0 || req.Pairs == 1 || req.Pairs > 200 {
		return nil, research.Errorf(research.CodeBadArgument, "give 2 to 200", "pairs = %d is out of range", req.Pairs)
	}

	campaign, err := requireFinalizable(ctx, co, req)
	if err != nil {
		return nil, err
	}

	if len(campaign.Unresolved) > 0 {
		reportProgress(req.Tell, fmt.Sprintf("note: experiment %d waits for keep or revert; it is not in the result",
			campaign.Unresolved[0]))
	}

	coming, err := makePlan(ctx, co, campaign, req)
	if err != nil {
		return nil, err
	}

	if req.DryRun {
		return &Finalized{Campaign: campaign.Name, Branch: checkout.FinalBranchName(campaign), Plan: coming.describe(),
			Next: "run ratchet finalize with the same flags, without --dry-run"}, nil
	}
	reportProgress(req.Tell, coming.String())

	result := &Finalized{Campaign: campaign.Name, Branch: checkout.FinalBranchName(campaign),
		metric: campaign.Program.Metric}
	if result.Certificate, err = Certify(ctx, co, 0, nil); err == nil && result.Certificate != nil {
		result.Certificate, err = awaitSuccess(ctx, co, campaign.Name, result.Certificate.ID, req.Watch)
	}

	if err != nil {
		return nil, err
	}

	if result.Certificate != nil {
		reportProgress(req.Tell, result.Certificate.Finding)
	}

	if campaign, err = requireFinalizable(ctx, co, req); err != nil {
		return nil, err
	}

	return result, assembleResult(ctx, co, campaign, req, result)
}

const waitStep = 50 * time.Second

func reportProgress(tell func(string), words string) {
	if tell != nil && words != "" {
		tell(words)
	}
}

// requireFinalizable is the campaign, once it can be finalized. It waits for jobs that
// an earlier finalize began; any other open job is an error (CodeBusy).
func requireFinalizable(ctx context.Context, co *checkout.Checkout, req FinalizeRequest) (*history.Campaign, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if err := co.RequireAcceptedContract(campaign); err != nil {
		return nil, err
	}

	if was, err := co.Repo.Ref(ctx, "refs/heads/"+checkout.FinalBranchName(campaign)); err != nil || was != "" {
		if err == nil {
			err = research.Errorf(research.CodeConflict,
				"remove or rename it: git branch -m "+checkout.FinalBranchName(campaign)+" NAME",
				"the branch %s exists already", checkout.FinalBranchName(campaign))
		}

		return nil, err
	}

	if campaign.IncumbentTree == campaign.StartTree {
		return nil, research.Errorf(research.CodeNoChange, "keep something first",
			"the incumbent is the campaign's start: there is nothing to finalize")
	}

	if !campaign.Calibrated && campaign.Overridden == 0 { // since the contract changed: its numbers are others
		return nil, research.Errorf(research.CodeProgram,
			"call start_campaign, which calibrates (`ratchet resume` comes first where the loop rests), and wait_run",
			"the campaign is not calibrated for its present contract")
	}

	for _, id := range campaign.Open {
		ours := id.Kind() == research.CertificateJob || id.Kind() == research.AuditJob
		if id.Kind() == research.MeasurementJob {
			measurement, err := readMeasurement(ctx, co, campaign, id)
			if err != nil {
				return nil, err
			}
			ours = measurement.Ablates != ""
		}

		if !ours {
			return nil, newBusyError(campaign)
		}
		reportProgress(req.Tell, fmt.Sprintf("waiting for %s, which an earlier call began", id))

		if _, err := awaitEnd(ctx, co, campaign.Name, id, req.Watch); err != nil {
			return nil, err
		}
	}

	if len(campaign.Open) > 0 {
		return job.CurrentReaped(ctx, co)
	}

	return campaign, nil
}

func readMeasurement(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, id research.JobID,
) (measurement *history.Measurement, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		measurement, err = tx.Measurement(campaign.Name, id)
		return err
	})

	return measurement, err
}

// decompose takes the head apart into its changes. Without an ablation or a stack it
// only lists them, so that a history which can't be taken apart can be finalized whole.
func decompose(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, req FinalizeRequest,
) (*ablator, error) {
	if !req.NoAblation || req.Stack {
		return newAblator(ctx, co, campaign, req)
	}
	kept, err := keptExperiments(ctx, co, campaign)

	return &ablator{Checkout: co, campaign: campaign, kept: kept, tell: req.Tell, watch: req.Watch}, err
}

// auditPairs is how many pairs an audit makes by default, or a commit of a stack.
func auditPairs(c *history.Campaign) int {
	if c.Rule.NoiseKind == research.Deterministic {
		return 2
	}

	return c.Outlook().AuditPairs()
}

// assembleResult does what comes after the certificate: ablation, audit, the text of
// the pull request, the stack, commits and branch.
func assembleResult(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, req FinalizeRequest, result *Finalized,
) error {
	made := history.Finalization{Branch: "refs/heads/" + result.Branch, Tree: campaign.IncumbentTree,
		Head: campaign.Incumbent, Ablated: !req.NoAblation, Most: req.Pairs}
	version, target, proof := campaign.Incumbent, "incumbent", ""

	ablation, err := decompose(ctx, co, campaign, req)
	if err != nil {
		return err
	}

	if !req.NoAblation {
		end, rec, err := ablation.runAblation(ctx)
		if err != nil {
			return err
		}

		if result.Ablation = &end; end.Commit != campaign.Incumbent {
			version, made.Tree, target = end.Commit, end.Tree, history.TrimmedTarget
		}
		made.Most = ablation.plan.Pairs
		made.Of, made.Dropped, proof = ablation.plan.Of, end.DroppedExperiments(), fmt.Sprintf("%d:%s", rec.Seq,
			rec.Hash)
		reportProgress(req.Tell, describeAblation(campaign, end))
	}

	if made.Tree == campaign.StartTree {
		return research.Errorf(research.CodeNoChange, "`ratchet finalize --no-ablation` takes everything that was kept",
			"no kept change was shown to pay: nothing is left to finalize")
	}

	if result.Audit, err = auditOnce(ctx, co, campaign, target, version, req); err != nil {
		return err
	}
	result.Scale = result.Audit.Scale

	made.Audit, made.Gain, made.Pairs, made.Scale = result.Audit.ID, result.Audit.Gain, len(result.Audit.Paired),
		result.Audit.Scale
	made.Interferes = result.Audit.Interference != ""

	for _, x := range ablation.kept {
		if !slices.Contains(made.Dropped, x.N) {
			made.Kept = append(made.Kept, x.N)
		}
	}
	result.writePullRequest(campaign, ablation, made)

	if req.Stack {
		made.Of = ablation.plan.Of
		if made.Stack, err = ablation.measureStack(ctx, made.Dropped); err != nil {
			return err
		}
	}

	return commitResult(ctx, co, campaign, ablation, made, result, proof)
}

// auditOnce measures a version against the start, unless an audit of it was made under
// this contract already. The first such audit counts, so that more audits can't be
// made until one pleases.
func auditOnce(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, target, version string, req FinalizeRequest,
) (*job.Outcome, error) {
	began, err := readMeasurement(ctx, co, campaign, research.NewJobID(research.CalibrationJob, campaign.Calibrations))
	if err != nil {
		return nil, err
	}

	for n := 1; n <= campaign.Audits && campaign.Calibrated; n++ { // else the contract may have changed since
		measurement, err := readMeasurement(ctx, co, campaign, research.NewJobID(research.AuditJob, n))
		if err != nil {
			return nil, err
		}

		if measurement.Commit == version && measurement.Paired == campaign.Start && measurement.At.After(began.At) &&
			measurement.End != nil && measurement.End.Failed == "" &&
			len(measurement.End.Paired) >= min(auditPairs(campaign), rules.SparingAuditPairs) {
			return awaitSuccess(ctx, co, campaign.Name, measurement.Job, req.Watch)
		}
	}
	reportProgress(req.Tell, fmt.Sprintf("audit: %s of the start and the %s",
		wording.Count(2*auditPairs(campaign), "paired run"), target))

	id, err := startAudit(ctx, co, campaign, target, version, auditPairs(campaign))
	if err != nil {
		return nil, err
	}

	return awaitSuccess(ctx, co, campaign.Name, id, req.Watch)
}

// measureStack measures what each change that stays is worth on top of the one before
// it: the head without all later changes, against the same without this one too. A
// commit whose tree does not work by itself is joined with the next.
func (a *ablator) measureStack(ctx context.Context, dropped []int) (stack []history.StackEntry, err error) {
	if err := a.recordBegin(ctx); err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(slices.Clone(a.kept),
		func(x history.Experiment) bool { return slices.Contains(dropped, x.N) })
	later := slices.Clone(dropped)
	slices.Sort(later)

	for i := len(kept) - 1; i >= 0; i-- {
		group := []int{kept[i].N}

		seen, err := a.measurePairs(ctx, later, group)
		for ; err == nil && seen.Unfit != "" && i > 0; seen, err = a.measurePairs(ctx, later, group) {
			i--
			group = append([]int{kept[i].N}, group...)
		}

		if err != nil {
			return nil, err
		}

		commit, _, err := a.versionWithout(ctx, later)
		if err != nil {
			return nil, err
		}

		stack = append([]history.StackEntry{{Commit: commit, Experiments: group, Besides: later,
			Gain: a.plan.EstimateGain(seen), Scale: a.plan.Scale, Pairs: len(seen.Diffs), Jobs: seen.Jobs}}, stack...)
		later = uniteExperiments(later, group)
	}

	return stack, nil
}

// measurePairs is one comparison with as many pairs as an audit has.
func (a *ablator) measurePairs(ctx context.Context, besides, out []int) (rules.ComparisonResult, error) {
	want := auditPairs(a.campaign)
	if a.plan.NoiseKind == research.Deterministic {
		want = 1
	}

	for {
		seen := a.runs.ResultOf(besides, out)
		if seen.Unfit != "" || len(seen.Diffs) >= want {
			return seen, nil
		}
		a.reportStep("stack: %s, %d of %d pairs so far", listExperiments(out), len(seen.Diffs), want)

		if err := a.runComparison(ctx, rules.Comparison{Besides: besides, Out: out,
			Pairs: want - len(seen.Diffs)}); err != nil {
			return seen, err
		}
	}
}

// commitResult makes the commits, records what was made, and makes the branch: the
// record first, so that a call that dies between both is finished by the next.
func commitResult(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, ablation *ablator,
	made history.Finalization, result *Finalized, proof string,
) error {
	base, err := checkout.FindBase(ctx, co, campaign)
	if err != nil {
		return err
	}

	if was := campaign.Final; was != nil && was.Head == made.Head && was.Audit == made.Audit && was.Tree == made.Tree &&
		was.Ablated == made.Ablated && was.Most == made.Most && was.Stack == len(made.Stack) {
		if _, err := co.Repo.Tree(ctx, was.Commit); err == nil {
			made.Commit, result.Stack = was.Commit, made.Stack
			return createBranch(ctx, co, campaign, base, made, result)
		}
	}
	at := base

	for i, s := range made.Stack {
		tree, err := co.Repo.Tree(ctx, s.Commit)
		if err == nil {
			tree, err = mergeableTree(ctx, co, campaign, base, tree)
		}

		if err != nil {
			return err
		}

		if at, err = co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{at},
			Message: stackCommitMessage(campaign, ablation, s, i == len(made.Stack)-1, result, proof)}); err != nil {
			return err
		}
		made.Stack[i].Commit = at
	}

	if len(made.Stack) == 0 {
		tree, err := mergeableTree(ctx, co, campaign, base, made.Tree)
		if err != nil {
			return err
		}

		if at, err = co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{base},
			Message: result.commitMessage(campaign, made, proof)}); err != nil {
			return err
		}
	}
	made.Commit, result.Stack = at, made.Stack

	err = co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		if now.Incumbent != campaign.Incumbent {
			return research.Errorf(research.CodeConflict, "ratchet finalize begins again with the new one",
				"another session moved the incumbent meanwhile")
		}
		_, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session,
			Kind: history.KindCampaignFinalized, Body: made})

		return err
	})
	if err != nil {
		return err
	}

	return createBranch(ctx, co, campaign, base, made, result)
}

// mergeableTree is the tree of a version as a branch for a merge has it: where the
// program came only with the campaign, without it.
func mergeableTree(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, base, tree string,
) (string, error) {
	if base == campaign.Start {
		return tree, nil
	}

	return co.Repo.RevertFile(ctx, tree, base, campaign.ProgramPath)
}

// createBranch makes the branch, and says what a merge of it brings over base.
func createBranch(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, base string,
	made history.Finalization, result *Finalized,
) (err error) {
	if err := co.Repo.UpdateRefs(ctx, []source.RefUpdate{{Name: made.Branch, New: made.Commit}},
		"ratchet: finalize "+campaign.Name); err != nil {
		return err
	}
	result.Commit = wording.ShortCommit(made.Commit)

	if result.Next, err = checkout.MergeStep(ctx, co, campaign, result.Branch); err != nil {
		return err
	}
	result.Brings, err = co.Repo.ListCommits(ctx, base, made.Commit)

	return err
}
