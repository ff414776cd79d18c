// Package queue has locks between processes that come in the order of arrival.
// A place in a queue is an open file: closing it, or dying, gives it up.
//
// Limits: fair on Linux only; elsewhere it is the platform's lock on a file,
// without order, and without telling how many wait. A queue's file must not be
// removed while somebody waits.
package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

const (
	pollMin  = 100 * time.Microsecond
	pollMax  = 5 * time.Millisecond
	pollStep = 250 * time.Microsecond // for each place ahead
	lateLook = 100 * time.Millisecond // of time in which nobody looked, what counts as waiting

	openTries = 50 // a millisecond apart, of a file that may not be opened yet
)

// Holder is whose turn it is, as far as the file tells. It is a hint.
type Holder struct {
	Ticket int64
	PID    int
}

// Options say how to wait.
type Options struct {
	// Patience is how long one and the same holder is waited for; 0 is for ever.
	// Time in which this process did not come to look does not count: where the
	// whole machine stood still, so did the holder.
	Patience time.Duration
	// Tick is how often to look, 0 for as often as a short turn deserves.
	Tick time.Duration
	// Waiting, if not nil, is told when the number of places ahead changes,
	// the holder's not among them.
	Waiting func(ahead int, h Holder)
	// Mode is that of a file that is made; 0 is 0600.
	Mode os.FileMode
}

// StuckError says that one holder has stayed for longer than the patience.
type StuckError struct {
	PID   int
	Since time.Duration
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("process %d has held the lock for more than %s", e.PID, e.Since)
}

// Place is a position in a queue, for those who do something else while they wait.
type Place struct {
	f *os.File
	p *place
}

// Join takes the last place in the queue of the file path, made with mode
// (0: 0600) if absent. Errors: ctx's, or the file system's.
func Join(ctx context.Context, path string, mode os.FileMode) (*Place, error) {
	f, err := open(path, mode)
	if err != nil {
		return nil, err
	}

	p, err := Options{}.join(ctx, f)
	if err != nil {
		f.Close()
		return nil, err
	}

	return &Place{f, p}, nil
}

// Number is the place's, from 1: that one's turn it is, until it is closed.
func (p *Place) Number() (int, error) {
	ok, h, _, err := p.p.turn()
	switch {
	case err != nil:
		return 0, err
	case ok:
		return 1, nil
	}

	return p.p.ahead(h) + 2, nil
}

// Close gives the place, or the turn, up.
func (p *Place) Close() error { return p.f.Close() }

// Enter waits for its turn in the queue of the file path, made if absent, and
// returns the open file: closing it, or dying, ends the turn. Errors: ctx's,
// a *StuckError, or the file system's.
func Enter(ctx context.Context, path string, o Options) (*os.File, error) {
	f, err := open(path, o.Mode)
	if err != nil {
		return nil, err
	}

	if err := o.await(ctx, f); err != nil {
		f.Close()
		return nil, err
	}

	return f, nil
}

// open opens without making first: in a sticky folder the kernel refuses to
// "make" another user's existing file.
func open(path string, mode os.FileMode) (*os.File, error) {
	for tries := 0; ; tries++ {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrPermission) && tries < openTries { // perhaps just made, its mode not yet set
			time.Sleep(time.Millisecond)
			continue
		}

		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}

		if mode == 0 {
			mode = 0o600
		}

		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if err == nil {
			return f, f.Chmod(mode) // whatever the umask
		}

		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// await takes a place in f's queue and waits until it is the first.
func (o Options) await(ctx context.Context, f *os.File) error {
	p, err := o.join(ctx, f)
	if err != nil {
		return err
	}

	return o.poll(ctx, func() (bool, Holder, int, error) {
		ok, h, ahead, err := p.turn()
		if !ok && err == nil && o.Waiting != nil {
			ahead = p.ahead(h)
		}

		return ok, h, ahead, err
	})
}

// join takes the last place in f's queue.
func (o Options) join(ctx context.Context, f *os.File) (p *place, err error) {
	err = o.poll(ctx, func() (bool, Holder, int, error) {
		p, err = enter(f)
		return p != nil, Holder{}, 0, err
	})

	return p, err
}

// poll calls try until it succeeds. try also tells who holds the lock and how
// many wait before us, which sets the pace.
func (o Options) poll(ctx context.Context, try func() (ok bool, h Holder, ahead int, err error)) error {
	var last Holder
	var waited, pause time.Duration
	var looked time.Time
	told := -1

	for {
		ok, h, ahead, err := try()
		if err != nil || ok {
			return err
		}

		if o.Waiting != nil && ahead != told {
			told = ahead
			o.Waiting(ahead, h)
		}

		now := time.Now()
		if h != last || looked.IsZero() {
			last, waited = h, 0
		} else if waited += min(now.Sub(looked), pause+lateLook); o.Patience > 0 && waited > o.Patience {
			return &StuckError{h.PID, o.Patience}
		}
		looked = now

		pause = o.Tick
		if pause <= 0 {
			pause = min(max(time.Duration(ahead)*pollStep, pollMin), pollMax)
		}

		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
