package job

import (
	"context"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/ledger"
)

// ProgressFunc is told, about every five seconds, how a wait goes on. It must not block.
type ProgressFunc func(Outcome)

// WaitRequest waits for a job.
type WaitRequest struct {
	ID   string // "" for the checkout's own latest
	Wait time.Duration
}

// AwaitJob waits for a job's end, at most limit (which is bounded by
// checkout.BoundWait), and returns what is known then. A worker that dies meanwhile is
// noticed within a second or so, and its job recorded as lost. A cancelled call
// stops nothing but itself: CodeCancelled.
func AwaitJob(
	ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID, limit time.Duration,
	progress ProgressFunc,
) (*Outcome, error) {
	w := waiter{co: co, id: id, progress: progress, began: time.Now(), pause: 2 * time.Millisecond}
	w.reported, w.looked = w.began, w.began
	limit = checkout.BoundWait(limit)

	for {
		// The stamp is of before the reading: what is appended in between is news.
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

		// The hooks that run after the job need their share of the call's time.
		within := limit
		if out.hooked {
			within = min(within, checkout.HooksWithin-checkout.CommandLimit)
		}

		inTime, err := w.awaitNews(ctx, out, stamp, within)
		if err != nil {
			return nil, err
		}

		if !inTime {
			return out, nil
		}

		gone, err := workerGone(ctx, co, campaign, id)
		if err != nil || !gone {
			continue // in doubt the worker lives
		}

		if err := RecordLost(ctx, co, campaign, id, workerDied, nil); err != nil {
			return nil, err
		}
	}
}

// stopWithin is below what clients wait for an answer. A worker ends within
// the grace of its run, and a moment; on a busy machine that moment may be long.
const stopWithin = 40 * time.Second

// StopAndWait asks a job's worker to end, as soon as there is one, and waits for
// the job's end. CodeBusy where it has not ended after stopWithin.
func StopAndWait(ctx context.Context, co *checkout.Checkout, campaign string, id research.JobID) (*Outcome, error) {
	until := time.Now().Add(stopWithin)

	for asked := false; ; {
		if !asked {
			asked = co.Host.Stop(host.Job{Campaign: campaign, ID: id})
		}

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

// waiter is one call that waits.
type waiter struct {
	co       *checkout.Checkout
	id       research.JobID
	progress ProgressFunc // may be nil
	began    time.Time
	reported time.Time     // to progress
	looked   time.Time     // after the worker, without news
	pause    time.Duration // between two looks at the ledger; it grows to 25 ms
}

// awaitNews returns when the ledger is another than at stamp, or a second has passed
// since the last look; inTime is false once the call has taken as long as within.
func (w *waiter) awaitNews(
	ctx context.Context, out *Outcome, stamp ledger.Stamp, within time.Duration,
) (inTime bool, err error) {
	for {
		if time.Since(w.began) >= within {
			return false, nil
		}

		if w.progress != nil && time.Since(w.reported) >= 5*time.Second {
			w.reported = time.Now()
			w.progress(*out)
		}

		select {
		case <-ctx.Done():
			return false, research.Errorf(research.CodeCancelled, "wait_run{id: \""+string(w.id)+"\"} picks it up",
				"the call was cancelled; %s goes on", w.id)
		case <-time.After(w.pause):
		}

		if w.pause < 25*time.Millisecond {
			w.pause += w.pause / 2
		}

		if now, err := w.co.Ledger.Stamp(); err != nil || now != stamp {
			return true, nil
		}

		if time.Since(w.looked) >= time.Second {
			w.looked = time.Now()
			return true, nil
		}
	}
}
