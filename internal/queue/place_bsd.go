//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package queue

import (
	"os"

	"golang.org/x/sys/unix"
)

// place is a contender for the file's one lock; there is no order.
type place struct{ f *os.File }

// tryPlace takes a place, which is never refused here.
func tryPlace(f *os.File) (*place, error) { return &place{f: f}, nil }

// tryTurn takes the lock if it is free.
func (p *place) tryTurn() (bool, Holder, int, error) {
	switch err := unix.Flock(int(p.f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
		return true, Holder{}, 0, nil
	case unix.EWOULDBLOCK, unix.EINTR:
		return false, Holder{}, 0, nil
	default:
		return false, Holder{}, 0, err
	}
}

// countAhead knows of nobody who waits.
func (*place) countAhead(Holder) int { return 0 }
