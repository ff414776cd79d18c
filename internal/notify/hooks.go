package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ratchet/internal/atomicfile"
	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// runRoundHooks runs the scripts for after the experiment, if it was decided just now,
// and those for before the next one, and returns what they printed, for the agent.
// It is the last experiment, nil before the first. Of a hook that fails, hangs or is
// missing the text says so, and nothing else changes: the decision is recorded
// already. Hooks run unconfined in the program's folder.
func runRoundHooks(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, experiment *history.Experiment,
	decided bool, until time.Time,
) string {
	before, after := campaign.Program.HookPaths(contract.HookBefore), campaign.Program.HookPaths(contract.HookAfter)
	if !decided {
		after = nil
	}

	if len(before)+len(after) == 0 {
		return ""
	}

	if why := MissingAllowance(co, campaign.ProgramPath, campaign.Program); why != "" {
		return "[no hook was run: " + why + "]"
	}
	var session piSession
	var run *PiRun

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		now, err := tx.Campaign(campaign.Name)
		if err == nil {
			session, run, err = readPiState(tx, now, experiment)
		}

		return err
	})
	if err != nil {
		return "[hooks were not run: " + wording.ErrorLine(err) + "]"
	}
	dir := programDir(co, campaign.ProgramPath)

	var parts []string
	for _, path := range after {
		parts = append(parts, runHook(ctx, co, campaign, path, dir,
			piPayload{Event: contract.HookAfter, Cwd: dir, RunEntry: run, Session: session}, until))
	}

	next := piPayload{Event: contract.HookBefore, Cwd: dir, NextRun: session.RunCount + 1,
		LastRun: json.RawMessage("null"), Session: session}
	if run != nil {
		next.LastRun = run
	}

	for _, path := range before {
		parts = append(parts, runHook(ctx, co, campaign, path, dir, next, until))
	}

	said := wording.JoinParts(parts)
	if said != "" && os.MkdirAll(notifierDir(co), 0o700) == nil {
		// For read_log; the answer has its beginning.
		_ = atomicfile.Write(NotifierFile(co, campaign.Name, "hooks"), []byte(said+"\n"),
			atomicfile.Options{Perm: 0o600})
	}

	return said
}

// RunDecisionHooks runs the hooks around the experiment, which this call has kept or
// reverted. until is when the call must end, zero where it has begun just now.
func RunDecisionHooks(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, experiment *history.Experiment,
	now research.Status, until time.Time,
) string {
	if until.IsZero() {
		until = time.Now().Add(checkout.HooksWithin)
	}

	as := *experiment
	if as.Status != research.Voided {
		as.Status = now
	}

	return runRoundHooks(ctx, co, campaign, &as, true, until)
}

// IsUndecided says whether x waits to be kept, reverted or left behind.
func IsUndecided(x *history.Experiment) bool {
	return x != nil && (x.Status == research.Unresolved || x.Status == research.Voided && !x.Closed)
}

// RunClosingHooks runs the hooks around this checkout's last experiment, if that is
// undecided: the one that is about to be proposed reverts it. They run before the
// proposal, so that nothing is measured meanwhile.
func RunClosingHooks(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, began time.Time,
) (string, error) {
	if len(campaign.Program.Notify) == 0 {
		return "", nil
	}
	var experiment *history.Experiment

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if n, ok := tx.Latest(campaign.Name, co.Repo.Root()); ok {
			experiment, err = tx.Experiment(campaign.Name, n)
		}

		return err
	})
	if err != nil || !IsUndecided(experiment) {
		return "", err
	}

	return RunDecisionHooks(ctx, co, campaign, experiment, research.Reverted, began.Add(checkout.HooksWithin)), nil
}

// RunStartHooks runs the hooks before the session's first experiment.
func RunStartHooks(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign) string {
	var last *history.Experiment

	if len(campaign.Program.HookPaths(contract.HookBefore)) > 0 && campaign.Experiments > 0 {
		_ = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { // without it, hooks are told of none
			last, err = tx.Experiment(campaign.Name, campaign.Experiments)
			return err
		})
	}

	return runRoundHooks(ctx, co, campaign, last, false, time.Now().Add(checkout.CommandLimit))
}

// runHook runs one hook and returns what it printed, and how it failed; "" for
// nothing.
func runHook(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, path, dir string,
	p piPayload, until time.Time,
) string {
	if why := hookProblem(filepath.Join(dir, filepath.FromSlash(path))); why != "" {
		return fmt.Sprintf("[%s was not run: %s]", path, why)
	}

	ran, err := executeHook(ctx, path, dir, p, remainingTime(checkout.CommandLimit, until))
	if err != nil {
		return fmt.Sprintf("[%s was not run: %s]", path, wording.ErrorLine(err))
	}

	said := strings.TrimSpace(ran.stdout)
	if ran.stdoutBytes > int64(len(ran.stdout)) {
		said += "\n[cut at 8 KiB]"
	}

	why := ran.describeFailure()
	if why == "" {
		return said
	}
	logDelivery(co, campaign.Name, "hook "+path+" "+why)

	return strings.TrimSpace(fmt.Sprintf("[%s %s]\n%s", path, why, said))
}

// executeHook runs a hook with p on its standard input. The error says why it was not
// run; a hook that ran and failed is not an error.
func executeHook(ctx context.Context, path, dir string, p piPayload, limit time.Duration) (*commandResult, error) {
	if limit < time.Second {
		return nil, errors.New("no time was left in this call")
	}

	in, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode a hook's input: %w", err)
	}
	// The path stands in a variable, so that no character of it means anything to the shell.
	return execute(ctx, `exec "./$RATCHET_HOOK"`, dir, []string{"RATCHET_HOOK=" + path}, append(in, '\n'), limit)
}

// hookProblem says why a hook can't run, "" if it can.
func hookProblem(file string) string {
	info, err := os.Stat(file)
	switch {
	case err != nil || !info.Mode().IsRegular():
		return "there is no such file"
	case info.Mode().Perm()&0o111 == 0:
		return "it is not executable (chmod +x)"
	}

	return ""
}

// tryHook runs a hook as if around experiment 1, whose numbers are made up.
func tryHook(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, path string,
	event contract.Event, dir string,
) (string, error) {
	if why := hookProblem(filepath.Join(dir, filepath.FromSlash(path))); why != "" {
		return "", errors.New(why)
	}
	metric := campaign.Program.Metric
	one := 1.
	run := &PiRun{Run: 2, Commit: "0000000", Metric: one, Metrics: map[string]float64{}, Status: "discard",
		Description: "a test of `ratchet notify test`: nothing happened", Timestamp: time.Now().UnixMilli(),
		ASI: map[string]any{"hypothesis": "a test"}}

	p := piPayload{Event: event, Cwd: dir, Session: piSession{MetricName: metric.Name, MetricUnit: metric.Unit,
		Direction: string(metric.Better), Baseline: &one, RunCount: 2, Goal: campaign.Name}}
	if event == contract.HookAfter {
		p.RunEntry = run
	} else {
		p.NextRun, p.LastRun = 3, run
	}

	ran, err := executeHook(ctx, path, dir, p, checkout.CommandLimit)
	if err != nil {
		return "", err
	}

	if why := ran.describeFailure(); why != "" {
		return "", errors.New("it " + why)
	}

	return strings.TrimSpace(ran.stdout), nil
}
