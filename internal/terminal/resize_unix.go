//go:build unix

package terminal

import (
	"os"
	"syscall"
)

// resizeSignal tells that the terminal has another size.
var resizeSignal os.Signal = syscall.SIGWINCH
