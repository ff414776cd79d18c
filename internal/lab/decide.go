package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// requireDecidable is the experiment that keep is about: judged and not yet decided, or
// kept as the incumbent by a call whose end nobody saw.
// Errors: CodeNotFound, CodeBusy while it runs, CodeVerdict once it was decided.
func requireDecidable(
	ctx context.Context, co *checkout.Checkout, id string,
) (*history.Campaign, *history.Experiment, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, nil, err
	}

	experiment, err := resolveExperiment(ctx, co, campaign, id)
	if err != nil {
		return nil, nil, err
	}

	switch {
	case experiment == nil || experiment.Status == research.Reverted && id == "":
		return nil, nil, research.Errorf(research.CodeNotFound, "run_experiment{hypothesis: \"…\"} first",
			"no experiment waits for a decision")
	case experiment.Status == research.Running:
		return nil, nil, research.Errorf(research.CodeBusy, "wait_run{}", "experiment %d is still running",
			experiment.N)
	case experiment.Status == research.Kept && experiment.Commit != campaign.Incumbent:
		return nil, nil, research.Errorf(research.CodeVerdict, "go on with the next idea",
			"experiment %d is kept already, as %s", experiment.N, wording.ShortCommit(experiment.Commit))
	case experiment.Status == research.Reverted:
		return nil, nil, research.Errorf(research.CodeVerdict, "propose it again with run_experiment if it is worth it",
			"experiment %d was reverted", experiment.N)
	}

	return campaign, experiment, nil
}

// resolveExperiment is the experiment named id; with "" the one that ResolveJob gives,
// else this checkout's latest, nil when there is none.
func resolveExperiment(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, id string,
) (experiment *history.Experiment, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		found, err := co.ResolveJob(tx, campaign, id)
		if err != nil {
			return err
		}

		if found.Kind() == research.ExperimentJob {
			experiment, err = tx.Experiment(campaign.Name, found.N())
			return err
		}

		if id != "" {
			return research.Errorf(research.CodeBadArgument, "name an experiment, such as x7",
				"%s is not an experiment", found)
		}

		if n, ok := tx.Latest(campaign.Name, co.Repo.Root()); ok {
			experiment, err = tx.Experiment(campaign.Name, n)
		}

		return err
	})

	return experiment, err
}

// experimentToRevert is the experiment that revert closes; nil when there is none.
func experimentToRevert(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, id string,
) (*history.Experiment, error) {
	experiment, err := resolveExperiment(ctx, co, c, id)
	if err != nil || experiment == nil {
		return nil, err
	}

	switch {
	case experiment.Status == research.Running:
		return nil, research.Errorf(research.CodeBusy, "wait_run{} or stop_run{}", "experiment %d is still running",
			experiment.N)
	case id == "" && (experiment.Status == research.Kept || experiment.Closed):
		return nil, nil // nothing is open: the file is put back, no more
	case experiment.Status == research.Kept:
		return nil, research.Errorf(research.CodeVerdict, "a person runs `ratchet undo`",
			"experiment %d is kept; revert does not undo a keep", experiment.N)
	}

	return experiment, nil
}

// keepCommitMessage is the keep commit's message; its trailers bind it to the ledger.
func keepCommitMessage(campaign *history.Campaign, experiment *history.Experiment, overridden history.Way) string {
	subject, rest, _ := strings.Cut(wording.StripControls(experiment.Hypothesis), "\n")
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\n", subject)

	if rest = strings.TrimSpace(rest); rest != "" {
		text.WriteString(wording.StripTrailers(rest) + "\n\n")
	}
	fmt.Fprintf(&text, "Ratchet-Experiment: %s/%d\n", campaign.Name, experiment.N)
	fmt.Fprintf(&text, "Ratchet-Verdict: %s\n", experiment.Judgement.Verdict)

	if overridden != "" {
		fmt.Fprintf(&text, "Ratchet-Overridden: by a person (%s)\n", overridden)
	}
	fmt.Fprintf(&text, "Ratchet-Metric: %s %s\n", campaign.Program.Metric.Name,
		experiment.Judgement.Describe(campaign.Program.Metric))
	fmt.Fprintf(&text, "Ratchet-Ledger: %d:%s\n", experiment.JudgedSeq, experiment.JudgedHash)

	return text.String()
}

// Overridable is a judged experiment whose verdict does not allow to keep it,
// for a person to look at.
type Overridable struct {
	Campaign   string
	ID         research.JobID
	Hypothesis string
	Words      string // its judgement
	Why        string // why keep refuses it
	Checkout   string // that proposed it
}

// FindOverridable is the experiment that a person may keep against its verdict, by
// default the checkout's own latest. Keep with KeepRequest.Override does it.
// Errors: CodeVerdict when the verdict allows a keep, or nothing was measured;
// else as Keep's.
func FindOverridable(ctx context.Context, co *checkout.Checkout, id string) (*Overridable, error) {
	campaign, experiment, err := requireDecidable(ctx, co, id)
	if err != nil {
		return nil, err
	}

	ok, _, why := history.Keepable(*experiment)
	switch {
	case ok || experiment.Status == research.Kept:
		return nil, research.Errorf(research.CodeVerdict,
			"keep it: `ratchet call keep '{\"id\":\"x"+strconv.Itoa(experiment.N)+
				"\"}'`", "the verdict of experiment %d needs no override", experiment.N)
	case !hasBaseline(experiment):
		return nil, research.Errorf(research.CodeVerdict, "fix the edit and run it again",
			"no number came out of experiment %d: there is nothing that a person could judge better", experiment.N)
	}

	return &Overridable{Campaign: campaign.Name, ID: experiment.Job(),
			Hypothesis: wording.FirstLine(experiment.Hypothesis),
			Words:      experiment.Judgement.Describe(campaign.Program.Metric), Why: why,
			Checkout: experiment.Checkout},
		nil
}

// hasBaseline says whether a comparable number of the experiment exists.
func hasBaseline(x *history.Experiment) bool {
	j := x.Judgement
	return j != nil && j.Verdict != research.Invalid && j.Value != nil
}
