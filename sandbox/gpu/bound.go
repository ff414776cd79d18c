package gpu

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// patience is how long a call of the driver may take: the first one wakes every
// GPU where nothing keeps them awake, at some seconds each.
const patience = 45 * time.Second

// ErrHangs is the error of a driver that did not answer in time.
var ErrHangs = errors.New("the GPU driver hangs")

// Bound makes a driver whose calls take no longer than patience: one that does
// fails with ErrHangs, and so does every later call, at once. The goroutine in
// the call that hangs is left behind. What Open returns is bounded already.
func Bound(d Driver, patience time.Duration) Driver { return &bounded{Driver: d, patience: patience} }

type bounded struct {
	Driver
	patience time.Duration
	hangs    atomic.Bool
}

// within makes a call and waits for it, in vain no longer than patience.
func within[T any](b *bounded, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}

	var none T
	if b.hangs.Load() {
		return none, ErrHangs
	}
	c := make(chan answer, 1)

	go func() {
		value, err := call()
		c <- answer{value, err}
	}()

	timer := time.NewTimer(b.patience)
	defer timer.Stop()

	select {
	case a := <-c:
		return a.value, a.err
	case <-timer.C:
		b.hangs.Store(true)
		return none, fmt.Errorf("%w: no answer within %s", ErrHangs, b.patience)
	}
}

func (b *bounded) Devices() ([]Device, error) { return within(b, b.Driver.Devices) }

func (b *bounded) Sample(uuid string) (Sample, error) {
	return within(b, func() (Sample, error) { return b.Driver.Sample(uuid) })
}

func (b *bounded) Processes(uuid string) ([]Process, error) {
	return within(b, func() ([]Process, error) { return b.Driver.Processes(uuid) })
}

func (b *bounded) Close() error {
	_, err := within(b, func() (struct{}, error) { return struct{}{}, b.Driver.Close() })
	return err
}
