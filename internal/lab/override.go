package lab

import (
	"context"
	"strconv"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
)

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
