//go:build unix && !linux

package sandbox

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock if it is free.
func lockFile(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}

	return err == nil, err
}

// isFileLocked takes a shared lock for a moment to see whether it can.
func isFileLocked(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}

	return false, err
}
