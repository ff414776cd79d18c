package lab

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// This file is what stops the loop and what keeps it going:
//
//	StopLoop    a record, then everything that runs is stopped; nothing new starts
//	ResumeLoop  a record, and it goes on where it was
//	Hold        asked by an agent's client when the agent is about to end its turn

// resting is what an agent does while the loop is stopped.
const resting = "tell your human what was found, and end your turn; a person goes on with `ratchet resume` in a terminal"

// StopLoop makes the campaign rest: from its record on no run of an agent
// starts, and what runs now, of all sessions, is stopped and recorded. Keep,
// revert, audit and finalize go on working. by is as in research.LoopChange. It
// may be repeated. Errors: CodeEnded; CodeBusy when a job did not stop within
// 10 s, though the loop rests by then.
func (l *Lab) StopLoop(ctx context.Context, by string) (*LoopAnswer, error) {
	out, err := l.changeLoop(ctx, history.KindLoopStopped, by)
	if err != nil {
		return nil, err
	}
	out.Status, out.Next = "rests", "`ratchet resume` goes on; `ratchet finalize` puts the result on a branch"

	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}

	for _, id := range c.Open {
		l.signalWorker(c.Name, id) // all at once; halt waits for each
	}

	for _, id := range c.Open {
		o, err := l.stopAndDecide(ctx, c.Name, id)
		if err != nil {
			return nil, err
		}

		out.Stopped = append(out.Stopped, Stopped{Status: "stopped", ID: id, Text: o.Reason, Next: o.Next})
	}

	return out, nil
}

// ResumeLoop ends the rest. The next step is the agents': whoever is connected,
// or comes, goes on. It may be repeated. Errors: CodeEnded.
func (l *Lab) ResumeLoop(ctx context.Context, by string) (*LoopAnswer, error) {
	out, err := l.changeLoop(ctx, history.KindLoopResumed, by)
	if err == nil {
		out.Status, out.Next = "goes on", "tell your agent: go on with the campaign"
	}

	return out, err
}

// changeLoop records that the loop stops or goes on, unless it is so already.
func (l *Lab) changeLoop(ctx context.Context, kind history.Kind, by string) (*LoopAnswer, error) {
	c, err := l.currentCampaign(ctx)
	if err != nil {
		return nil, err
	}
	out := &LoopAnswer{Campaign: c.Name}
	err = l.ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := tx.Campaign(c.Name)
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

// stuckAttempts is how often in a row an agent is held that does nothing: one that
// is stuck must be let go.
const stuckAttempts = 3

// stuckState is what was seen when the agent was last held. It is a file of its
// own, not a record: holding an agent is no event of the campaign.
type stuckState struct {
	Record time.Time `json:"record"` // the session's last one
	Call   time.Time `json:"call"`   // its last one
	Held   int       `json:"held"`   // times in a row since either changed
}

// CheckUnfinishedWork says whether an agent that is about to end its turn in this checkout has
// work left: its campaign goes on, has budget, may run, and a server of the very
// client that asks is connected to it. It writes no record. An error means that
// nothing is known: let the agent go.
func (l *Lab) CheckUnfinishedWork(ctx context.Context) (*UnfinishedWork, error) {
	c, err := l.currentCampaign(ctx)
	if err != nil || !l.isCampaignBranch(c, l.repo.Branch(ctx)) || !l.canContinue(c) || !l.isOwnClient() {
		return &UnfinishedWork{}, err
	}
	var last time.Time

	err = l.ledger.View(ctx, func(tx *ledger.Tx) error {
		name, ok := tx.SessionOf(c.Name, l.repo.Root())
		if !ok {
			return research.Errorf(research.CodeNotFound, "start_campaign{}", "this checkout has not joined %q", c.Name)
		}

		s, err := tx.Session(c.Name, name)
		if err == nil {
			last = s.Last
		}

		return err
	})
	if err != nil {
		return nil, err
	}

	return l.decideUnfinished(c, last)
}

// canContinue says whether an experiment could be run, or is running.
func (l *Lab) canContinue(c *history.Campaign) bool {
	return l.requireMeasurable(c) == nil && (!c.Calibrated || c.Plan() != rules.PlanEnd || len(c.Open) > 0)
}

// decideUnfinished counts, and gives the reason or lets go. An agent that calls wait_run
// between its attempts is not stuck while something runs: that ends by itself.
func (l *Lab) decideUnfinished(c *history.Campaign, last time.Time) (*UnfinishedWork, error) {
	var was stuckState
	sum := sha256.Sum256([]byte(l.repo.Root()))

	path := filepath.Join(l.jobsDir(), fmt.Sprintf("held.%x", sum[:8]))
	if b, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(b, &was) // what can't be read is none
	}

	now := stuckState{Record: last, Held: was.Held + 1}
	if info, err := os.Stat(l.attendanceFile()); err == nil {
		now.Call = info.ModTime()
	}

	if !now.Record.Equal(was.Record) || len(c.Open) > 0 && !now.Call.Equal(was.Call) {
		now.Held = 1
	}

	if now.Held > stuckAttempts {
		return &UnfinishedWork{Note: fmt.Sprintf("ratchet let the agent stop, after asking it %d times in a row without any progress; campaign %s has budget left", stuckAttempts, c.Name)}, nil
	}

	b, err := json.Marshal(now)
	if err == nil {
		err = os.WriteFile(path, b, 0o666)
	}

	if err != nil {
		return nil, fmt.Errorf("count: %w", err) // who can't count holds nobody
	}
	left := budgetLeft(c)

	return &UnfinishedWork{Reason: fmt.Sprintf("Ratchet's campaign %s goes on: %s and %s are left. Next: %s. "+
		"Only if your human asked you to stop: run `ratchet stop` in a shell, and end your turn.",
		c.Name, counted(left.Experiments, "experiment"), research.DurationText(left.Hours*3600),
		l.nextForBrief(&Brief{Campaign: *c}))}, nil
}

// isOwnClient says whether the client that started this process is the one whose
// session works in this checkout: that session's server, whose lock on the
// checkout holds, is a child of the client, and the client is an ancestor of
// this process. A server over HTTP is nobody's child; then, and where the
// system tells no parents, being attended is enough.
func (l *Lab) isOwnClient() bool {
	held, err := sandbox.Locked(l.attendanceFile())
	if err != nil || !held {
		return false
	}

	who, err := os.ReadFile(l.attendanceFile())
	if err != nil {
		return false
	}

	var server int
	if _, err := fmt.Sscan(string(who[strings.LastIndexByte(string(who), ' ')+1:]), &server); err != nil {
		return false
	}

	client, ok := parentProcess(server)
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", server)); !ok ||
		err == nil && slices.Contains(strings.Split(string(line), "\x00"), "serve") {
		return true
	}

	for pid := os.Getpid(); ok && pid > 0; pid, ok = parentProcess(pid) {
		if pid == client {
			return true
		}
	}

	return false
}

// parentProcess is a process's parent; false where the system does not tell.
func parentProcess(pid int) (int, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}

	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // a name may hold spaces
	if len(fields) < 2 {
		return 0, false
	}
	var up int
	_, err = fmt.Sscan(fields[1], &up)

	return up, err == nil
}
