//go:build faults

// Package fault, as the tests of the crash campaign build it. A process reads
// one fault from
//
//	RATCHET_FAULT=[command/]point:when:what[:nth]
//
// command, if given, must be the process's first argument ("supervise", "call");
// when is before or after the step takes effect; what is kill (SIGKILL to itself),
// hang (the step never ends), error (the step reports one) or skip (the step is not
// done, but reported as done); nth counts the point's steps in this process from 1,
// without it every one is meant. A fault that can't be read ends the process. One
// that is met leaves a file at RATCHET_FAULT_MET.
package fault

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// plan is the fault of this process; its zero value is none.
var plan = parseFault(os.Getenv("RATCHET_FAULT"), os.Args)

type fault struct {
	point, when, what string
	nth               int64
}

var steps atomic.Int64 // of the plan's point so far

// parseFault reads the fault that text describes, none if it is for another command.
func parseFault(text string, args []string) fault {
	if text == "" {
		return fault{}
	}
	if command, rest, ok := strings.Cut(text, "/"); ok {
		if len(args) < 2 || args[1] != command {
			return fault{}
		}
		text = rest
	}

	parts := append(strings.Split(text, ":"), "0") // nth, where it is not given
	nth, err := strconv.ParseInt(parts[min(3, len(parts)-1)], 10, 64)
	f := fault{nth: nth}
	if err == nil && len(parts) >= 4 {
		f.point, f.when, f.what = parts[0], parts[1], parts[2]
	}

	known := (f.when == "before" || f.when == "after") && slices.Contains([]string{"kill", "hang", "error", "skip"},
		f.what)
	if !known || len(parts) > 5 {
		fmt.Fprintf(os.Stderr, "RATCHET_FAULT=%s can't be read\n", text)
		os.Exit(2)
	}
	return f
}

// At does the step, or what the fault says.
func At(point string, step func() error) error {
	if !Hit(point) {
		return step()
	}
	if plan.what == "skip" {
		return nil
	}
	if plan.when == "after" {
		if err := step(); err != nil {
			return err
		}
	}
	if plan.what == "kill" {
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
		select {}
	}
	if plan.what == "hang" {
		select {}
	}
	return fmt.Errorf("injected fault %s %s", plan.when, point)
}

// Hit says whether this is the step that the fault means, and counts it.
func Hit(point string) bool {
	if point != plan.point {
		return false
	}
	n := steps.Add(1)
	if plan.nth != 0 && plan.nth != n {
		return false
	}
	if met := os.Getenv("RATCHET_FAULT_MET"); met != "" {
		_ = os.WriteFile(met, []byte(point+"\n"), 0o666)
	}
	return true
}
