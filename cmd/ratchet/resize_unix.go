//go:build unix

package main

import (
	"os"
	"syscall"
)

// resizeSignal tells that the terminal has another size.
var resizeSignal os.Signal = syscall.SIGWINCH
