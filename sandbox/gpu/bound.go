package gpu

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// callLimit is how long a call of the driver may take: the first one wakes every
// GPU where nothing keeps them awake, at some seconds each.
const callLimit = 45 * time.Second

// ErrHangs is the error of a driver that did not answer in time.
var ErrHangs = errors.New("the GPU driver hangs")

// Bound makes a driver whose calls take no longer than limit: one that does
// fails with ErrHangs, and so does every later call, at once. The goroutine in
// the call that hangs is left behind. What Open returns is bounded already.
func Bound(d Driver, limit time.Duration) Driver { return &boundDriver{Driver: d, limit: limit} }

type boundDriver struct {
	Driver
	limit time.Duration
	hangs atomic.Bool
}

// callWithin makes a call and waits for its answer, no longer than the limit.
func callWithin[T any](b *boundDriver, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}

	var none T
	if b.hangs.Load() {
		return none, ErrHangs
	}

	answers := make(chan answer, 1)

	go func() {
		value, err := call()
		answers <- answer{value, err}
	}()

	timer := time.NewTimer(b.limit)
	defer timer.Stop()

	select {
	case a := <-answers:
		return a.value, a.err
	case <-timer.C:
		b.hangs.Store(true)
		return none, fmt.Errorf("%w: no answer within %s", ErrHangs, b.limit)
	}
}

func (b *boundDriver) Devices() ([]Device, error) { return callWithin(b, b.Driver.Devices) }

func (b *boundDriver) Sample(uuid string) (Sample, error) {
	return callWithin(b, func() (Sample, error) { return b.Driver.Sample(uuid) })
}

func (b *boundDriver) Processes(uuid string) ([]Process, error) {
	return callWithin(b, func() ([]Process, error) { return b.Driver.Processes(uuid) })
}

func (b *boundDriver) Close() error {
	_, err := callWithin(b, func() (struct{}, error) { return struct{}{}, b.Driver.Close() })
	return err
}
