package queue

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// place is a contender for the file's one lock; there is no order.
type place struct{ f *os.File }

// tryPlace takes a place, which is never refused here.
func tryPlace(f *os.File) (*place, error) { return &place{f: f}, nil }

// tryTurn takes the lock if it is free.
func (p *place) tryTurn() (bool, Holder, int, error) {
	err := windows.LockFileEx(windows.Handle(p.f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, Holder{}, 0, nil
	}

	return err == nil, Holder{}, 0, err
}

// countAhead knows of nobody who waits.
func (*place) countAhead(Holder) int { return 0 }
