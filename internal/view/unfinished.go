package view

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

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// stuckAttempts is how often in a row an agent is held that makes no progress. After
// that it may end its turn.
const stuckAttempts = 3

// stuckState is what was seen when the agent was last held. It is a file of its
// own, not a record: holding an agent is not an event of the campaign.
type stuckState struct {
	Record time.Time `json:"record"` // the session's last one
	Call   time.Time `json:"call"`   // its last one
	Held   int       `json:"held"`   // times in a row since either changed
}

// CheckUnfinishedWork says whether an agent that is about to end its turn in this
// checkout has work left: its campaign goes on, has budget, may run, and the client
// that asks has a server here. It writes no record. After an error nothing is known,
// and the caller lets the agent end.
func CheckUnfinishedWork(ctx context.Context, co *checkout.Checkout) (*UnfinishedWork, error) {
	campaign, err := co.CurrentCampaign(ctx)
	if err != nil || !co.IsCampaignBranch(campaign, co.Repo.Branch(ctx)) || !canContinue(co, campaign) ||
		!isOwnClient(co) {
		return &UnfinishedWork{}, err
	}
	var last time.Time

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		name, ok := tx.SessionOf(campaign.Name, co.Repo.Root())
		if !ok {
			return research.Errorf(research.CodeNotFound, "start_campaign{}", "this checkout has not joined %q",
				campaign.Name)
		}

		s, err := tx.Session(campaign.Name, name)
		if err == nil {
			last = s.Last
		}

		return err
	})
	if err != nil {
		return nil, err
	}

	return decideUnfinished(co, campaign, last)
}

// canContinue says whether an experiment could be run, or is running.
func canContinue(co *checkout.Checkout, c *history.Campaign) bool {
	return job.RequireMeasurable(co, c) == nil && (!c.Calibrated || c.Plan() != rules.PlanEnd || len(c.Open) > 0)
}

// decideUnfinished counts the attempts to end without progress, and returns a reason to
// go on until there are too many. A call between attempts is progress while a job
// runs, since the job ends by itself.
func decideUnfinished(co *checkout.Checkout, campaign *history.Campaign, last time.Time) (*UnfinishedWork, error) {
	var was stuckState
	sum := sha256.Sum256([]byte(co.Repo.Root()))

	path := filepath.Join(co.JobsDir(), fmt.Sprintf("held.%x", sum[:8]))
	if b, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(b, &was) // an unreadable count begins again
	}

	now := stuckState{Record: last, Held: was.Held + 1}
	if info, err := os.Stat(co.AttendanceFile()); err == nil {
		now.Call = info.ModTime()
	}

	if !now.Record.Equal(was.Record) || len(campaign.Open) > 0 && !now.Call.Equal(was.Call) {
		now.Held = 1
	}

	if now.Held > stuckAttempts {
		return &UnfinishedWork{Note: fmt.Sprintf("ratchet let the agent stop, after asking it %d times in a row without any progress; campaign %s has budget left", stuckAttempts, campaign.Name)}, nil
	}

	b, err := json.Marshal(now)
	if err == nil {
		err = os.WriteFile(path, b, 0o666)
	}

	if err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	left := checkout.BudgetLeft(campaign)

	return &UnfinishedWork{Reason: fmt.Sprintf("Ratchet's campaign %s goes on: %s and %s are left. Next: %s. "+
		"Only if your human asked you to stop: run `ratchet stop` in a shell, and end your turn.",
		campaign.Name, wording.Count(left.Experiments, "experiment"), wording.FormatDuration(left.Hours*3600),
		nextForBrief(co, &Brief{Campaign: *campaign}))}, nil
}

// isOwnClient says whether the client that started this process has the session which
// works in this checkout: the server that holds the checkout's lock is a child of the
// client, and the client is an ancestor of this process. A server over HTTP is no
// client's child; for it, and where the system names no parents, a held lock is enough.
func isOwnClient(co *checkout.Checkout) bool {
	held, err := sandbox.Locked(co.AttendanceFile())
	if err != nil || !held {
		return false
	}

	who, err := os.ReadFile(co.AttendanceFile())
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
