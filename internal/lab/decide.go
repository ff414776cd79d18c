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
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, nil, err
	}

	x, err := resolveExperiment(ctx, co, c, id)
	if err != nil {
		return nil, nil, err
	}

	switch {
	case x == nil || x.Status == research.Reverted && id == "":
		return nil, nil, research.Errorf(research.CodeNotFound, "run_experiment{hypothesis: \"…\"} first",
			"no experiment waits for a decision")
	case x.Status == research.Running:
		return nil, nil, research.Errorf(research.CodeBusy, "wait_run{}", "experiment %d is still running", x.N)
	case x.Status == research.Kept && x.Commit != c.Incumbent:
		return nil, nil, research.Errorf(research.CodeVerdict, "go on with the next idea",
			"experiment %d is kept already, as %s", x.N, wording.ShortCommit(x.Commit))
	case x.Status == research.Reverted:
		return nil, nil, research.Errorf(research.CodeVerdict, "propose it again with run_experiment if it is worth it",
			"experiment %d was reverted", x.N)
	}

	return c, x, nil
}

// resolveExperiment is the experiment named id; with "" the one that ResolveJob gives,
// else this checkout's latest, nil when there is none.
func resolveExperiment(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, id string,
) (x *history.Experiment, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		found, err := co.ResolveJob(tx, c, id)
		if err != nil {
			return err
		}

		if found.Kind() == research.ExperimentJob {
			x, err = tx.Experiment(c.Name, found.N())
			return err
		}

		if id != "" {
			return research.Errorf(research.CodeBadArgument, "name an experiment, such as x7",
				"%s is not an experiment", found)
		}

		if n, ok := tx.Latest(c.Name, co.Repo.Root()); ok {
			x, err = tx.Experiment(c.Name, n)
		}

		return err
	})

	return x, err
}

// experimentToRevert is the experiment that revert closes; nil when there is none.
func experimentToRevert(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, id string,
) (*history.Experiment, error) {
	x, err := resolveExperiment(ctx, co, c, id)
	if err != nil || x == nil {
		return nil, err
	}

	switch {
	case x.Status == research.Running:
		return nil, research.Errorf(research.CodeBusy, "wait_run{} or stop_run{}", "experiment %d is still running",
			x.N)
	case id == "" && (x.Status == research.Kept || x.Closed):
		return nil, nil // nothing is open: the file is put back, no more
	case x.Status == research.Kept:
		return nil, research.Errorf(research.CodeVerdict, "a person runs `ratchet undo`",
			"experiment %d is kept; revert does not undo a keep", x.N)
	}

	return x, nil
}

// keepCommitMessage is the keep commit's message; its trailers bind it to the ledger.
func keepCommitMessage(c *history.Campaign, x *history.Experiment, overridden history.Way) string {
	subject, rest, _ := strings.Cut(wording.StripControls(x.Hypothesis), "\n")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", subject)

	if rest = strings.TrimSpace(rest); rest != "" {
		b.WriteString(wording.StripTrailers(rest) + "\n\n")
	}
	fmt.Fprintf(&b, "Ratchet-Experiment: %s/%d\n", c.Name, x.N)
	fmt.Fprintf(&b, "Ratchet-Verdict: %s\n", x.Judgement.Verdict)

	if overridden != "" {
		fmt.Fprintf(&b, "Ratchet-Overridden: by a person (%s)\n", overridden)
	}
	fmt.Fprintf(&b, "Ratchet-Metric: %s %s\n", c.Program.Metric.Name, x.Judgement.Describe(c.Program.Metric))
	fmt.Fprintf(&b, "Ratchet-Ledger: %d:%s\n", x.JudgedSeq, x.JudgedHash)

	return b.String()
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
	c, x, err := requireDecidable(ctx, co, id)
	if err != nil {
		return nil, err
	}

	ok, _, why := history.Keepable(*x)
	switch {
	case ok || x.Status == research.Kept:
		return nil, research.Errorf(research.CodeVerdict, "keep it: `ratchet call keep '{\"id\":\"x"+strconv.Itoa(x.N)+
			"\"}'`", "the verdict of experiment %d needs no override", x.N)
	case !hasBaseline(x):
		return nil, research.Errorf(research.CodeVerdict, "mend the edit and run it again",
			"no number came out of experiment %d: there is nothing that a person could judge better", x.N)
	}

	return &Overridable{Campaign: c.Name, ID: x.Job(), Hypothesis: wording.FirstLine(x.Hypothesis),
		Words: x.Judgement.Describe(c.Program.Metric), Why: why, Checkout: x.Checkout}, nil
}

// hasBaseline says whether a comparable number of x exists.
func hasBaseline(x *history.Experiment) bool {
	j := x.Judgement
	return j != nil && j.Verdict != research.Invalid && j.Value != nil
}
