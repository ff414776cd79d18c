//go:build unix

package worker

import "syscall"

// openNonblocking opens a pipe or a device without waiting for it.
const openNonblocking = syscall.O_NONBLOCK
