package worker

import (
	"fmt"
	"regexp"
	"time"

	"ratchet/sandbox"
)

// sleptReason is why a run does not count, and is made again.
const sleptReason = "void: the machine was suspended during the run"

// sleepTolerance is how much of a run the machine may sleep unnoticed: clocks
// are read one after the other.
const sleepTolerance = 500 * time.Millisecond

// describeFailure says how a command ended badly, "" if it did not.
func describeFailure(spec sandbox.Spec, result sandbox.Result) string {
	switch {
	case result.Cancelled:
		return "stopped by request"
	case result.Slept > sleepTolerance:
		return sleptReason
	case result.Exceeded != "":
		return "exceeded its budget of " + describeLimit(result.Exceeded, spec)
	case len(result.Survivors) > 0:
		return fmt.Sprintf("processes survived the kill: %v", result.Survivors)
	case result.Hidden != "":
		return "void: " + result.Hidden + " (wait for children, or run where Ratchet can make a cgroup)"
	case result.Killed:
		return fmt.Sprintf("timeout: still running at the deadline, %s after its start (wall %s + grace %s)",
			spec.Wall+spec.Grace, spec.Wall, spec.Grace)
	case result.TimedOut && (result.Signal != "" || result.Exit != 0):
		return fmt.Sprintf("timeout: did not end by itself within wall %s", spec.Wall)
	case result.Signal != "":
		return "crashed: " + result.Signal
	case result.Exit == 127:
		return "command not found (exit 127)"
	case result.Exit != 0:
		return fmt.Sprintf("failed: exit code %d", result.Exit)
	case result.Unlisted != "":
		return result.Unlisted
	}

	return ""
}

// describeLimit names a limit with its size.
func describeLimit(limit string, spec sandbox.Spec) string {
	switch limit {
	case "memory":
		return fmt.Sprintf("memory (%d MiB)", spec.Memory>>20)
	case "disk":
		return fmt.Sprintf("disk (%d MiB written, where each file, link and folder counts as 4 KiB at least)",
			spec.Disk>>20)
	case "depth":
		return "depth (its folders are nested too deep)"
	case "processes":
		return fmt.Sprintf("processes (%d at a time)", spec.Processes)
	case "cpu":
		return fmt.Sprintf("CPU time (%s)", spec.CPU)
	}

	return limit
}

// offlineHint is added to the failure of a command that had no network and whose
// output says that it missed one; else "".
func offlineHint(spec sandbox.Spec, result sandbox.Result) string {
	if spec.Network == sandbox.NetworkOn || !noNetwork.Match(result.Output.Text()) {
		return ""
	}

	return fmt.Sprintf(" (it had no network: network is %s; what must be fetched belongs in `setup:`)", spec.Network)
}

// noNetwork is what programs print when they can't reach a host.
var noNetwork = regexp.MustCompile(
	`(?i)network is unreachable|no such host|name resolution|could not resolve|getaddrinfo|EAI_AGAIN|ENOTFOUND|dial tcp`)
