//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package queue

import (
	"os"

	"golang.org/x/sys/unix"
)

// place is a contender for the file's one lock; there is no order.
type place struct{ f *os.File }

func enter(f *os.File) (*place, error) { return &place{f: f}, nil }

func (p *place) turn() (bool, Holder, int, error) {
	switch err := unix.Flock(int(p.f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
		return true, Holder{}, 0, nil
	case unix.EWOULDBLOCK, unix.EINTR:
		return false, Holder{}, 0, nil
	default:
		return false, Holder{}, 0, err
	}
}

func (*place) ahead(Holder) int { return 0 }
