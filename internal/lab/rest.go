package lab

import (
	"context"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// StopLoop makes the campaign rest: from its record on no run of an agent
// starts, and what runs now, of all sessions, is stopped and recorded. Keep,
// revert, audit and finalize go on working. by is as in history.LoopChange. It
// may be repeated. Errors: CodeEnded; CodeBusy when a job did not stop in time,
// though the loop rests by then.
func StopLoop(ctx context.Context, co *checkout.Checkout, by string) (*LoopAnswer, error) {
	out, err := changeLoop(ctx, co, history.KindLoopStopped, by)
	if err != nil {
		return nil, err
	}
	out.Status, out.Next = "rests", "`ratchet resume` goes on; `ratchet finalize` puts the result on a branch"

	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	// All are asked at once, then each is waited for.
	for _, id := range campaign.Open {
		co.Host.Stop(host.Job{Campaign: campaign.Name, ID: id})
	}

	for _, id := range campaign.Open {
		ended, err := stopAndDecide(ctx, co, campaign.Name, id)
		if err != nil {
			return nil, err
		}
		out.Stopped = append(out.Stopped, job.Stopped{Status: "stopped", ID: id, Text: ended.Reason, Next: ended.Next})
	}
	co.Host.Stop(host.Job{Campaign: campaign.Name}) // the workers that stay

	return out, nil
}

// ResumeLoop ends the rest. The next step is the agents': who is connected, or
// comes, goes on. It may be repeated. Errors: CodeEnded.
func ResumeLoop(ctx context.Context, co *checkout.Checkout, by string) (*LoopAnswer, error) {
	out, err := changeLoop(ctx, co, history.KindLoopResumed, by)
	if err == nil {
		out.Status, out.Next = "goes on", "tell your agent: go on with the campaign"
	}

	return out, err
}

// changeLoop records that the loop stops or goes on, unless it is so already.
func changeLoop(ctx context.Context, co *checkout.Checkout, kind history.Kind, by string) (*LoopAnswer, error) {
	campaign, err := co.CurrentCampaign(ctx)
	if err != nil {
		return nil, err
	}
	out := &LoopAnswer{Campaign: campaign.Name}
	err = co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := tx.Campaign(campaign.Name)
		if err != nil {
			return err
		}

		if now.Ended != "" {
			return research.Errorf(research.CodeEnded, "nothing is left to do", "the campaign %q has ended: %s",
				now.Name, now.Ended)
		}

		if out.Changed = (now.Rests == nil) == (kind == history.KindLoopStopped); !out.Changed {
			return nil
		}
		_, err = tx.Append(history.Entry{Campaign: now.Name, Kind: kind, Body: history.LoopChange{By: by}})

		return err
	})

	return out, err
}

// LoopAnswer is the answer to stopping or resuming the loop.
type LoopAnswer struct {
	Campaign string        `json:"campaign"`
	Status   string        `json:"status"`  // rests | goes on
	Changed  bool          `json:"changed"` // false: it was so already
	Stopped  []job.Stopped `json:"stopped,omitempty"`
	Next     string        `json:"next"`
}
