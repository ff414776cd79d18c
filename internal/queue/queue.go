// Package queue has locks between processes that are given in the order of
// arrival. A place in a queue is an open file: closing it, or dying, gives it up.
//
// Limits: fair on Linux only; elsewhere it is the platform's lock on a file,
// without order, and nobody is counted as waiting. A queue's file must not be
// removed while a process waits.
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
	lateLook = 100 * time.Millisecond // how much later than planned a look may come and all of it count as waiting

	openTries = 50 // a millisecond apart, of a file that may not be opened yet
)

// Holder is the process whose turn it is, as far as the file tells. It is a hint.
type Holder struct {
	Ticket int64
	PID    int
}

// Options say how to wait.
type Options struct {
	// Patience is how long one and the same holder is waited for; 0 is for ever.
	// Time in which this process did not run does not count: where the whole
	// machine stood still, so did the holder.
	Patience time.Duration
	// Tick is the time between two looks; 0 is up to 5 ms, by the number of
	// places ahead.
	Tick time.Duration
	// Waiting, if not nil, is called first and when the number of places ahead
	// changes, the holder's not among them.
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

// Place is a position in a queue, for a caller that does something else while
// it waits.
type Place struct {
	file  *os.File
	place *place
}

// Join takes the last place in the queue of the file path, made with mode
// (0: 0600) if absent. Errors: ctx's, or the file system's.
func Join(ctx context.Context, path string, mode os.FileMode) (*Place, error) {
	file, err := openQueue(path, mode)
	if err != nil {
		return nil, err
	}

	place, err := Options{}.takePlace(ctx, file)
	if err != nil {
		file.Close()
		return nil, err
	}

	return &Place{file, place}, nil
}

// Number is the place's number, from 1, which means that it is this place's
// turn until it is closed.
func (p *Place) Number() (int, error) {
	isFirst, holder, _, err := p.place.tryTurn()
	if err != nil {
		return 0, err
	}

	if isFirst {
		return 1, nil
	}

	return p.place.countAhead(holder) + 2, nil // behind them and the first
}

// Close gives up the place, or the turn.
func (p *Place) Close() error { return p.file.Close() }

// Enter waits for its turn in the queue of the file path, made if absent, and
// returns the open file: closing it, or dying, ends the turn. Errors: ctx's,
// a *StuckError, or the file system's.
func Enter(ctx context.Context, path string, o Options) (*os.File, error) {
	file, err := openQueue(path, o.Mode)
	if err != nil {
		return nil, err
	}

	if err := o.awaitTurn(ctx, file); err != nil {
		file.Close()
		return nil, err
	}

	return file, nil
}

// openQueue opens a queue's file, made if absent. It opens without making first:
// in a sticky folder the kernel refuses to "make" another user's existing file.
func openQueue(path string, mode os.FileMode) (*os.File, error) {
	if mode == 0 {
		mode = 0o600
	}

	for tries := 0; ; tries++ {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrPermission) && tries < openTries { // perhaps just made, its mode not yet set
			time.Sleep(time.Millisecond)
			continue
		}

		if !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}

		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if err == nil {
			return file, file.Chmod(mode) // whatever the umask is
		}

		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// awaitTurn takes a place in f's queue and waits until it is the first.
func (o Options) awaitTurn(ctx context.Context, f *os.File) error {
	place, err := o.takePlace(ctx, f)
	if err != nil {
		return err
	}

	return o.pollUntil(ctx, func() (bool, Holder, int, error) {
		isFirst, holder, ahead, err := place.tryTurn()
		if !isFirst && err == nil && o.Waiting != nil {
			ahead = place.countAhead(holder) // exact, which costs more
		}

		return isFirst, holder, ahead, err
	})
}

// takePlace takes the last place in f's queue.
func (o Options) takePlace(ctx context.Context, f *os.File) (taken *place, err error) {
	err = o.pollUntil(ctx, func() (bool, Holder, int, error) {
		taken, err = tryPlace(f)
		return taken != nil, Holder{}, 0, err
	})

	return taken, err
}

// pollUntil calls try until it succeeds. try also returns who has the turn and how
// many wait before us, which sets the pace.
func (o Options) pollUntil(ctx context.Context, try func() (ok bool, holder Holder, ahead int, err error)) error {
	var lastHolder Holder
	var lastLook time.Time
	var waited, pause time.Duration // waited for lastHolder
	lastAhead := -1

	for {
		ok, holder, ahead, err := try()
		if err != nil || ok {
			return err
		}

		if o.Waiting != nil && ahead != lastAhead {
			lastAhead = ahead
			o.Waiting(ahead, holder)
		}

		now := time.Now()
		if holder != lastHolder || lastLook.IsZero() {
			lastHolder, waited = holder, 0
		} else {
			waited += min(now.Sub(lastLook), pause+lateLook)
		}

		if o.Patience > 0 && waited > o.Patience {
			return &StuckError{holder.PID, o.Patience}
		}

		lastLook = now

		pause = o.Tick
		if pause <= 0 {
			pause = min(max(time.Duration(ahead)*pollStep, pollMin), pollMax)
		}

		if err := sleepFor(ctx, pause); err != nil {
			return err
		}
	}
}

// sleepFor waits, or fails with ctx's error when ctx ends first.
func sleepFor(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
