package finalize

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// ablator measures what the head loses without some of its changes. What to compare
// next is decided by rules.Ablation; the ablator makes the commits and the jobs, and
// reads what earlier calls have measured. Its commits depend on nothing but their
// content, and every job says which changes its versions lack, so that the next call
// goes on where one has died.
type ablator struct {
	*checkout.Checkout
	campaign *history.Campaign
	kept     []history.Experiment // that are in the head, oldest first
	weave    *source.Weave
	plan     rules.Ablation
	runs     *rules.AblationRuns
	key      string // of the record that the ablation begins with
	loaded   int    // measurements that runs has
	tell     func(string)
	watch    func(job.Outcome)
}

// newAblator reads which changes are in the head and which of them need each other.
// It writes nothing and measures nothing. Errors: CodeProgram without a calibration.
func newAblator(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, req FinalizeRequest,
) (*ablator, error) {
	if campaign.Rule.NoiseKind == "" {
		return nil, research.Errorf(research.CodeProgram, "call start_campaign, which calibrates",
			"the campaign is not calibrated")
	}
	ablation := &ablator{Checkout: co, campaign: campaign, tell: req.Tell, watch: req.Watch}

	var err error
	if ablation.kept, err = keptExperiments(ctx, co, campaign); err != nil {
		return nil, err
	}

	var links []source.Link
	for _, x := range ablation.kept {
		links = append(links, source.Link{From: x.Parent, To: x.Commit, Paths: x.Paths})
	}

	if ablation.weave, err = co.Repo.Weave(ctx, campaign.Start, links); err != nil {
		return nil, err
	}
	pairs := cmp.Or(req.Pairs, campaign.Outlook().AblationPairs())
	plan := rules.NewAblation(campaign.Program, campaign.Rule, nil, pairs)

	plan.Head, plan.Of = campaign.Incumbent, campaign.Incumbent+"/"+campaign.Digest[:min(16, len(campaign.Digest))]
	for i, x := range ablation.kept {
		ch := rules.AblationChange{N: x.N, Claim: plan.ClaimedGain(x.Judgement, x.Overridden != ""),
			Shorter: x.Simpler || x.Removed > x.Added}
		for _, t := range ablation.weave.Ties(i) {
			ch.Ties = append(ch.Ties, ablation.kept[t].N)
		}

		plan.Changes = append(plan.Changes, ch)
	}

	if ablation.plan, ablation.key, err = resumeAblation(ctx, co, campaign, plan, req.Pairs); err != nil {
		return nil, err
	}
	ablation.runs = rules.NewAblationRuns(ablation.plan, campaign.Program, campaign.Rule)

	return ablation, ablation.readEndedJobs(ctx)
}

// keptExperiments are the experiments that the incumbent holds, oldest first.
func keptExperiments(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign,
) (kept []history.Experiment, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		q := ledger.Query{Status: research.Kept, Limit: 100}
		for {
			page, next, err := tx.Experiments(campaign.Name, q)
			if err != nil {
				return err
			}

			kept = append(kept, page...)

			if q.Cursor = next; next == "" {
				return nil
			}
		}
	})
	slices.SortFunc(kept, func(x, y history.Experiment) int { return x.N - y.N })

	return kept, err
}

// resumeAblation is the ablation as it was begun by an earlier call, else plan, and the
// key of its first record. asked are the pairs that a person asked for, 0 for none: then an
// earlier call's number stands, though runs have become shorter or longer since.
func resumeAblation(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, plan rules.Ablation, asked int,
) (rules.Ablation, string, error) {
	key := ablationStartKey(plan.Of, asked)
	keys := []string{key, ablationStartKey(plan.Of, 0)}
	if asked == 0 { // as older records have it
		keys[1] = ablationStartKey(plan.Of, rules.SparingAblationPairs)
	}

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		for _, begun := range keys {
			rec, ok, err := tx.Keyed(campaign.Name, begun)
			if err != nil {
				return err
			}

			if !ok {
				continue
			}

			var was rules.Ablation
			if err := json.Unmarshal(rec.Body, &was); err != nil {
				return err
			}

			if asked == 0 || was.Pairs == asked {
				plan, key = was, begun
				return nil
			}
		}

		return nil
	})

	return plan, key, err
}

func ablationStartKey(of string, pairs int) string { return fmt.Sprintf("ablation/%s/%d", of, pairs) }

// readEndedJobs reads the jobs that have ended since the last time.
func (a *ablator) readEndedJobs(ctx context.Context) error {
	return a.Ledger.View(ctx, func(tx *ledger.Tx) error {
		campaign, err := tx.Campaign(a.campaign.Name)
		if err != nil {
			return err
		}

		for ; a.loaded < campaign.Measurements; a.loaded++ {
			id := research.NewJobID(research.MeasurementJob, a.loaded+1)

			measurement, err := tx.Measurement(campaign.Name, id)
			if err != nil {
				return err
			}

			if measurement.Ablates != a.plan.Of {
				continue
			}

			if !measurement.Done() {
				return nil
			}

			runs, err := tx.Runs(campaign.Name, id)
			if err != nil {
				return err
			}
			var obs []rules.Observation

			for _, r := range runs {
				if !r.Void {
					obs = append(obs, rules.NewObservation(r, campaign.Program.Metric))
				}
			}
			a.runs.AddJob(measurement.JobStart, obs, measurement.End)
		}

		return nil
	})
}

// recordBegin records what the ablation begins with, once.
func (a *ablator) recordBegin(ctx context.Context) error {
	return a.UpdateCampaign(ctx, a.campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		if err := a.requireSameHead(now); err != nil {
			return err
		}
		_, err := tx.Append(history.Entry{Campaign: now.Name, Session: session, Kind: history.KindAblationStarted,
			Key: a.key, Body: a.plan})

		return err
	})
}

// requireSameHead is an error when the campaign's head or contract is not the one that
// is ablated. Errors: CodeConflict.
func (a *ablator) requireSameHead(now *history.Campaign) error {
	if now.Incumbent != a.plan.Head || now.Digest != a.campaign.Digest {
		return research.Errorf(research.CodeConflict, "ratchet finalize begins again with the new one",
			"another session moved the incumbent meanwhile, or the contract changed")
	}

	return nil
}

// runAblation makes the whole ablation, or what is left of it, and records its end.
// The record is that of ablation.finished.
func (a *ablator) runAblation(ctx context.Context) (end rules.AblationEnd, rec history.Record, err error) {
	if err = a.recordBegin(ctx); err != nil {
		return end, rec, err
	}
	made, last := 0, ""

	for {
		step := a.plan.NextComparison(a.runs.ResultOf)
		if step.Done != nil {
			end = *step.Done
			break
		}
		more, _ := a.plan.ForecastRuns(a.runs.ResultOf)

		if now := fmt.Sprint(step.Compare.Besides, step.Compare.Out); now != last {
			made, last = made+1, now
		}
		a.reportStep("comparison %d of about %d: %s", made, made+more-1, a.describeComparison(*step.Compare))

		if err = a.runComparison(ctx, *step.Compare); err != nil {
			return end, rec, err
		}
	}

	if end.Commit, end.Tree, err = a.versionWithout(ctx, end.DroppedExperiments()); err != nil {
		return end, rec, err
	}
	err = a.UpdateCampaign(ctx, a.campaign.Name,
		func(tx *ledger.Tx, now *history.Campaign, session string) (err error) {
			if err := a.requireSameHead(now); err != nil {
				return err
			}
			rec, err = tx.Append(history.Entry{Campaign: now.Name, Session: session, Kind: history.KindAblationFinished,
				Key: checkout.AblationEndKey(a.plan), Body: end})

			return err
		})

	return end, rec, err
}

// describeComparison is a comparison in words.
func (a *ablator) describeComparison(c rules.Comparison) string {
	words := "without " + listExperiments(c.Out)
	if c.Last {
		words = "the trimmed head against the untrimmed"
	}

	if a.plan.NoiseKind == research.Noisy {
		n := len(a.runs.ResultOf(c.Besides, c.Out).Diffs)
		words += fmt.Sprintf(", pairs %d to %d", n+1, n+c.Pairs)
	}

	return words
}

// listExperiments are numbers as their ids, the first few of many.
func listExperiments(ns []int) string {
	var ids []string
	for _, n := range ns[:min(len(ns), 8)] {
		ids = append(ids, fmt.Sprint("x", n))
	}

	if more := len(ns) - 8; more > 0 {
		ids = append(ids, fmt.Sprintf("%d more", more))
	}

	return strings.Join(ids, ", ")
}

func (a *ablator) reportStep(format string, args ...any) {
	if a.tell != nil {
		a.tell(fmt.Sprintf(format, args...))
	}
}

// runComparison measures the pairs of a comparison in one job, and waits for its end. A
// version that does not work without some change is a result; any other failure is an
// error.
func (a *ablator) runComparison(ctx context.Context, c rules.Comparison) error {
	comparison := rules.JobStart{Ablates: a.plan.Of, Without: uniteExperiments(c.Besides, c.Out), Besides: c.Besides,
		Runs: c.Pairs, Target: "head without " + listExperiments(uniteExperiments(c.Besides, c.Out)), With: "head"}

	var err error
	if comparison.Commit, _, err = a.versionWithout(ctx, comparison.Without); err != nil {
		return err
	}

	if len(c.Besides) > 0 {
		comparison.With += " without " + listExperiments(c.Besides)
	}

	comparison.Check = !a.runs.IsChecked(comparison.Without)
	if a.runs.HasValue(c.Besides) { // deterministic, and known: a run of the other version is enough
		comparison.Besides, comparison.With, comparison.Runs = nil, "", 1
	} else if comparison.Paired, _, err = a.versionWithout(ctx, c.Besides); err != nil {
		return err
	}

	id, err := job.StartJob(ctx, a.Checkout, a.campaign.Name, history.KindMeasurementStarted,
		func(now *history.Campaign) (rules.JobStart, error) {
			if err := a.requireSameHead(now); err != nil {
				return rules.JobStart{}, err
			}

			if len(now.Open) > 0 {
				return rules.JobStart{}, newBusyError(now)
			}
			comparison.Job = research.NewJobID(research.MeasurementJob, now.Measurements+1)

			return comparison, nil
		})
	if err != nil {
		return err
	}

	if _, err := awaitSuccess(ctx, a.Checkout, a.campaign.Name, id, a.watch); err != nil {
		return err
	}

	return a.readEndedJobs(ctx)
}

// versionWithout is the head without the experiments out, as a commit that a ref of the
// campaign protects from git's garbage collection, and its tree. It is the head itself
// when out is empty.
func (a *ablator) versionWithout(ctx context.Context, out []int) (commit, tree string, err error) {
	if len(out) == 0 {
		return a.plan.Head, a.campaign.IncumbentTree, nil
	}

	in := func(i int) bool { return !slices.Contains(out, a.kept[i].N) }
	if tree, err = a.Repo.Woven(ctx, a.weave, a.plan.Head, in); err != nil {
		return "", "", err
	}

	commit, err = a.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{a.plan.Head}, Fixed: true,
		Message: fmt.Sprintf("the head without %s\n\nRatchet-Campaign: %s\n", listExperiments(out), a.campaign.Name)})
	if err != nil {
		return "", "", err
	}

	name := checkout.RefName(a.campaign.Name, "ablation", wording.ShortCommit(commit))
	if was, err := a.Repo.Ref(ctx, name); err != nil || was != "" {
		return commit, tree, err
	}

	return commit, tree, a.Repo.UpdateRefs(ctx, []source.RefUpdate{{Name: name, New: commit}}, "ratchet: ablation")
}

// awaitSuccess waits for a job's end, and gives watch its progress. A job that was lost
// or failed is an error (CodeProgram), unless it found a version unfit.
func awaitSuccess(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, watch func(job.Outcome),
) (*job.Outcome, error) {
	out, err := awaitEnd(ctx, co, campaign, id, watch)
	if err == nil && out.Reason != "" && !out.Unfit {
		err = research.Errorf(research.CodeProgram, "fix it, and call again: what was measured counts", "%s: %s", id,
			out.Reason)
	}

	return out, err
}

// awaitEnd waits for a job's end, however it ends.
func awaitEnd(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, watch func(job.Outcome),
) (*job.Outcome, error) {
	limit := waitStep
	if watch != nil {
		limit = time.Second
	}

	for {
		out, err := job.AwaitJob(ctx, co, campaign, id, limit, nil)
		if err != nil || out.Status != "running" {
			return out, err
		}

		if watch != nil {
			watch(*out)
		}
	}
}

// newBusyError names the job that runs.
func newBusyError(c *history.Campaign) error {
	return research.Errorf(research.CodeBusy, "let it end, or ratchet stop", "%s is running", c.Open[0])
}

// uniteExperiments of two sets of experiments, sorted; nil for none.
func uniteExperiments(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)

	return slices.Compact(all)
}
