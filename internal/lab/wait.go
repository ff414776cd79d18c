package lab

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/ledger"
)

// Wait waits at most req.Wait for a job's end, and tells what is known then.
func Wait(
	ctx context.Context, co *checkout.Checkout, req job.WaitRequest, progress job.ProgressFunc,
) (*job.Outcome, error) {
	out, err := waitForJob(ctx, co, req, progress)
	return attachNote(ctx, co, out), err
}

func waitForJob(
	ctx context.Context, co *checkout.Checkout, req job.WaitRequest, progress job.ProgressFunc,
) (*job.Outcome, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	var id research.JobID

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		id, err = co.ResolveJob(tx, campaign, req.ID)
		return err
	})
	if err != nil {
		return nil, err
	}

	if id == "" {
		b := checkout.BudgetLeft(campaign)
		return &job.Outcome{Status: "idle", Left: &b, Next: job.NextAfterDecision(campaign), Campaign: campaign.Name,
			Unheard: campaign.Unheard}, nil
	}

	return awaitAndDecide(ctx, co, campaign.Name, id, req.Wait, progress)
}

// awaitAndDecide waits for a job as awaitJob does, then keeps or reverts an experiment
// that ended, where the program says `decide: auto`.
func awaitAndDecide(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, limit time.Duration,
	progress job.ProgressFunc,
) (*job.Outcome, error) {
	began := time.Now()

	out, err := job.AwaitJob(ctx, co, campaign, id, limit, progress)
	if err != nil {
		return nil, err
	}

	return decideAutomatically(ctx, co, out, began)
}

// stopAndDecide stops a job as stopAndWait does, then decides as awaitAndDecide does.
func stopAndDecide(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID,
) (*job.Outcome, error) {
	began := time.Now()

	out, err := job.StopAndWait(ctx, co, campaign, id)
	if err != nil {
		return nil, err
	}

	return decideAutomatically(ctx, co, out, began)
}

// decideAutomatically keeps or reverts by the verdict where the program says
// `decide: auto`, and adds to the outcome what came of it. The hooks must have
// ended HooksWithin after began.
func decideAutomatically(
	ctx context.Context, co *checkout.Checkout, out *job.Outcome, began time.Time,
) (*job.Outcome, error) {
	if out.Status == "running" || out.Experiment == 0 || !out.Decide {
		return out, nil
	}
	until := began.Add(checkout.HooksWithin)

	if out.Verdict == research.Improved || out.Verdict == research.Provisional {
		kept, err := Keep(ctx, co, KeepRequest{ID: string(out.ID), until: until})
		if err != nil {
			return nil, err
		}

		out.Decided, out.Left, out.Next = "kept", &kept.Left, kept.Next
		out.Notes = append(out.Notes, kept.Notes...)
		out.Human, out.Hooks = kept.Human, kept.Hooks

		return out, nil
	}

	reverted, err := Revert(ctx, co, RevertRequest{ID: string(out.ID), until: until})
	if err != nil {
		return nil, err
	}

	out.Decided, out.Left, out.Next = "reverted", &reverted.Left, reverted.Next
	out.Notes = append(out.Notes, reverted.Notes...)
	out.Human, out.Hooks = reverted.Human, reverted.Hooks

	if reverted.SavedAs != "" {
		out.Notes = append(out.Notes, "your edits since then are saved as "+reverted.SavedAs)
	}

	return out, nil
}

// StopJob stops a job: its run is killed and recorded, and it ends invalid with
// that reason. Nothing to stop is not an error.
func StopJob(ctx context.Context, co *checkout.Checkout, name string) (*job.Stopped, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	var id research.JobID

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		id, err = co.ResolveJob(tx, campaign, name)
		return err
	})
	if err != nil {
		return nil, err
	}

	if !slices.Contains(campaign.Open, id) {
		return &job.Stopped{Status: "idle", ID: id, Text: "nothing is running", Next: "run_experiment{hypothesis}"}, nil
	}

	out, err := stopAndDecide(ctx, co, campaign.Name, id)
	if err != nil {
		return nil, err
	}

	return &job.Stopped{Status: "stopped", ID: id, Text: cmp.Or(out.Finding, out.Reason), Next: out.Next}, nil
}
