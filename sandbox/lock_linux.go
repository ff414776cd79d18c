package sandbox

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Locks on Linux are open-file-description locks: like flock they belong to
// the open file and fall with it, and unlike flock they can be asked for
// without being taken.

// lockFile takes the lock if it is free.
func lockFile(file *os.File) (bool, error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK}

	err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &lock)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}

	return err == nil, err
}

// isFileLocked asks whether the lock is taken.
func isFileLocked(f *os.File) (bool, error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock)

	return lock.Type != unix.F_UNLCK, err
}
