//go:build unix

package source

import (
	"errors"
	"os/exec"
	"syscall"
)

// endAsGroup gives git a process group of its own, so that a cancelled call
// ends its filters too, and a terminal's interrupt leaves a write whole.
func endAsGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}

// processGone says whether a process has ended; false where that is not certain.
func processGone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
