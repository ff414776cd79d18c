package lab

import (
	"cmp"
	"context"
	"slices"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/ledger"
)

// StopJob stops a job: its run is killed and recorded, and it ends invalid with
// that reason. Nothing to stop is no error.
func StopJob(ctx context.Context, co *checkout.Checkout, name string) (*job.Stopped, error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	var id research.JobID

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		id, err = co.ResolveJob(tx, c, name)
		return err
	})
	if err != nil {
		return nil, err
	}

	if !slices.Contains(c.Open, id) {
		return &job.Stopped{Status: "idle", ID: id, Text: "nothing is running", Next: "run_experiment{hypothesis}"}, nil
	}

	out, err := stopAndDecide(ctx, co, c.Name, id)
	if err != nil {
		return nil, err
	}

	return &job.Stopped{Status: "stopped", ID: id, Text: cmp.Or(out.Finding, out.Reason), Next: out.Next}, nil
}
