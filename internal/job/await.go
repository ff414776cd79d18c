package job

import (
	"context"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/research"
)

// ProgressFunc is told, about every five seconds, how a wait goes on. It must not block.
type ProgressFunc func(Outcome)

// WaitRequest waits for a job.
type WaitRequest struct {
	ID   string // "" for the checkout's own latest
	Wait time.Duration
}

// AwaitJob watches a job until it ends or the time is up. A supervisor that dies
// meanwhile is noticed. A cancelled call stops nothing but itself.
func AwaitJob(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, limit time.Duration, progress ProgressFunc,
) (*Outcome, error) {
	begin := time.Now()
	told, looked, pause := begin, begin, 2*time.Millisecond

	for {
		stamp, err := co.Ledger.Stamp()
		if err != nil {
			return nil, err
		}

		out, err := ReadOutcome(ctx, co, campaign, id)
		if err != nil {
			return nil, err
		}

		if out.Status != "running" {
			return out, nil
		}

		for {
			if time.Since(begin) >= checkout.BoundWait(limit) ||
				out.hooked && time.Since(begin) >= checkout.HooksWithin-checkout.CommandLimit {
				return out, nil
			}

			if progress != nil && time.Since(told) >= 5*time.Second {
				told = time.Now()
				progress(*out)
			}

			select {
			case <-ctx.Done():
				return nil, research.Errorf(research.CodeCancelled, "wait_run{id: \""+string(id)+"\"} picks it up",
					"the call was cancelled; %s goes on", id)
			case <-time.After(pause):
			}

			if pause < 25*time.Millisecond {
				pause += pause / 2
			}

			if now, err := co.Ledger.Stamp(); err != nil || now != stamp {
				break
			}

			if time.Since(looked) >= time.Second {
				looked = time.Now()
				break
			}
		}

		if dead, err := workerGone(ctx, co, campaign, id); err == nil && dead {
			if err := RecordLost(ctx, co, campaign, id, "its supervisor died (killed, or the machine went down)",
				nil); err != nil {
				return nil, err
			}
		}
	}
}

// stopWithin is below what clients wait for an answer. A supervisor ends within
// the grace of its run, and a moment; on a busy machine that moment may be long.
const stopWithin = 40 * time.Second

// StopAndWait asks a job's supervisor to end, as soon as there is one, and waits for it.
func StopAndWait(ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID) (*Outcome, error) {
	for asked, until := false, time.Now().Add(stopWithin); ; {
		asked = asked || co.Host.Stop(host.Job{Campaign: campaign, ID: id})

		limit := time.Until(until)
		if !asked {
			limit = min(limit, 100*time.Millisecond)
		}

		out, err := AwaitJob(ctx, co, campaign, id, limit, nil)
		if err != nil || out.Status != "running" {
			return out, err
		}

		if time.Now().After(until) {
			return nil, research.Errorf(research.CodeBusy, "call stop_run again", "%s did not stop within %v", id,
				stopWithin)
		}
	}
}

// Stopped is the answer to stop_run.
type Stopped struct {
	Status string         `json:"status"` // stopped | idle
	ID     research.JobID `json:"id,omitempty"`
	Text   string         `json:"text"`
	Next   string         `json:"next"`
}
