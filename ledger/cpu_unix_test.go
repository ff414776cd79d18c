//go:build unix

package ledger_test

import (
	"syscall"
	"testing"
)

// cpu is the process's CPU time so far, in nanoseconds.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}

	return u.Utime.Nano() + u.Stime.Nano()
}
