package source

import "os/exec"

// endAsGroup leaves git to exec's own way of ending it: Windows has no SIGTERM,
// and a filter outlives a cancelled call.
func endAsGroup(*exec.Cmd) {}

// processGone says that a process does not exist any more; in doubt it does.
func processGone(pid int) bool { return false }
