package sandbox

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ratchet/internal/research"
	"ratchet/sandbox/stage"
)

// makeResult puts together what is known once the stage is gone; state is the
// stage's own. It fails when the run could not be made.
func (r *activeRun) makeResult(state *os.ProcessState) (Result, error) {
	if r.failure != nil {
		return Result{}, stageError(r.failure)
	}

	if r.report == nil && r.started.IsZero() && !r.cancelled {
		return Result{}, fmt.Errorf("start the run's command: its first process ended early: %v", state)
	}

	result := Result{Output: r.kept.output(), SinkErr: r.sinkErr, Cancelled: r.cancelled, Survivors: r.survivors,
		Enforced: r.listEnforced()}

	if r.report != nil {
		r.addReport(&result, r.report)
	} else {
		r.addDeadStage(&result, state)
	}

	return result, nil
}

// listEnforced lists what is known to be enforced while the run lives.
func (r *activeRun) listEnforced() map[string]string {
	enforced := map[string]string{}

	if r.spec.Wall > 0 {
		enforced["deadline"] = "enforced by timers of the run's first process and of its worker"
	}

	if r.spec.Network != "" && r.spec.Network != NetworkOn {
		enforced["network"] = r.network
	}

	// The stage knows better.
	for i := 0; i+1 < len(r.enforced); i += 2 {
		enforced[r.enforced[i]] = r.enforced[i+1]
	}

	return enforced
}

// addReport adds what the stage reported.
func (r *activeRun) addReport(result *Result, message *stage.Message) {
	result.Wall, result.CPU = message.Wall, message.CPU
	result.MaxRSS, result.MaxTree = message.MaxRSS, message.MaxTree
	result.DiskRead, result.MajorFaults = &message.DiskRead, &message.Faults
	result.TimedOut = message.TimedOut || r.late
	result.Killed = message.Killed
	result.Cancelled = r.cancelled && message.Killed
	result.Exceeded = message.Exceeded
	result.Survivors = message.Survivors

	if message.Ignored != "" {
		result.Hidden = "ignored SIGCHLD, so what its children used was not counted: " + message.Ignored
	}

	result.Exit = message.Status.ExitStatus()
	if message.Status.Signaled() {
		result.Signal = unix.SignalName(message.Status.Signal())
	}
}

// addDeadStage adds what can be said of a run whose stage died before it could report.
func (r *activeRun) addDeadStage(result *Result, state *os.ProcessState) {
	result.Enforced["stage"] = "not enforced: it died before it could report"
	result.Exit, result.Signal = -1, "SIGKILL"
	result.Killed, result.TimedOut = true, r.late
	result.CPU = state.UserTime() + state.SystemTime()

	if r.started.IsZero() {
		return
	}

	result.Wall = time.Since(r.started) // a moment too long: the end is noticed late
	if ru, ok := state.SysUsage().(*syscall.Rusage); ok {
		result.MaxRSS = ru.Maxrss << 10
	}
}

// addFinalUse adds what is known only now that all is dead: what the group
// used, and a limit that was exceeded between the last look and the end.
func (r *activeRun) addFinalUse(result *Result) {
	if result.Exceeded == "" {
		result.Exceeded = r.exceeded
	}

	if result.Exceeded == "" {
		result.Exceeded = r.meter.GroupExceeded()
	}

	if result.Exceeded == "" {
		result.Exceeded = r.meter.DiskExceeded()
	}

	if result.Exceeded == "" && r.spec.MaxOutput > 0 && r.kept.bytes > r.spec.MaxOutput {
		result.Exceeded = "output" // its last part was read when the run was over
	}

	if r.group == nil {
		return
	}

	result.CPU = max(result.CPU, r.group.CPU())
	if r.spec.Memory > 0 {
		result.MaxTree = max(result.MaxTree, r.meter.MaxTree(), result.MaxRSS)
	}
}

// stageError is why a run could not be made.
func stageError(message *stage.Message) error {
	err := &os.PathError{Op: message.Step, Path: message.Path, Err: message.Errno}

	switch {
	case message.Step == "enter" && (message.Errno == syscall.ENOENT || message.Errno == syscall.ENOTDIR):
		return research.Errorf(research.CodeNotFound, "check that this folder is committed",
			"the command's folder is missing: %w", err)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS):
		return research.Errorf(research.CodeStorage, "free some space and try again", "can't prepare the run: %w", err)
	}

	return research.Errorf(research.CodeUnsupported, "run `ratchet doctor`, or set "+TierVariable+"=copies",
		"can't prepare the run: %w", err)
}
