package gpu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/queue"
	"ratchet/internal/research"
	"ratchet/sandbox"
)

// Request says what to lease.
type Request struct {
	N       int           // devices: that many or none
	Who     string        // shown to those who wait, one line
	Waiting func(Wait)    // called with how the waiting goes, once and whenever that changes; may be nil
	Settle  time.Duration // how long memory may take to come back after a run; 0: 10 s
	Tick    time.Duration // between looks; 0: 100 ms
}

// Wait is how the waiting for a lease goes.
type Wait struct {
	Position int      // in the queue of the machine; the first, 1, gets the next free devices
	Holders  []string // what those say of themselves who hold devices
}

// Lease is the right to use devices. It excludes every other one on this machine
// that looks in the same sandbox.LockDir and falls with this process.
type Lease struct {
	Devices []Device // in the order of their bus addresses
	dir     string
	settle  time.Duration
	tick    time.Duration
	leased  []leasedDevice
}

// leasedDevice is one device of a lease.
type leasedDevice struct {
	device Device
	lock   *sandbox.Lock
	record record
}

// Acquire leases devices, waiting for its turn as long as ctx lasts. It prefers
// those on which nobody computes, then those with the most free memory. It
// fails with CodeUnsupported when the machine has not that many, or when too
// many of them are in quarantine or do not answer; with the driver's error when that
// fails as a whole; and with ctx's error when ctx ends.
func Acquire(ctx context.Context, d Driver, r Request) (*Lease, error) {
	r.Settle = cmp.Or(r.Settle, 10*time.Second)
	r.Tick = cmp.Or(r.Tick, 100*time.Millisecond)

	if r.N < 1 {
		return nil, research.Errorf(research.CodeBadArgument, "ask for one GPU or more", "no lease can have %d GPUs",
			r.N)
	}

	dir, _, err := sandbox.LockDir()
	if err != nil {
		return nil, err
	}

	// First come, first served, among all processes of the machine: only the
	// first takes devices. Else a request for all of them would wait for ever
	// behind those for one.
	place, err := queue.Join(ctx, filepath.Join(dir, "gpu.queue"), 0o666)
	if err != nil {
		return nil, fmt.Errorf("queue for GPUs: %w", err)
	}
	defer place.Close()

	a := &acquisition{Driver: d, Request: r, dir: dir}

	for {
		position, err := place.Number()
		if err != nil {
			return nil, fmt.Errorf("queue for GPUs: %w", err)
		}

		if position == 1 {
			if l, err := a.tryLease(); l != nil || err != nil {
				return l, err
			}
		}

		if err := a.reportWaiting(position); err != nil {
			return nil, err
		}

		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for GPUs: %w", ctx.Err())
		case <-time.After(r.Tick):
		}
	}
}

// acquisition is the state of one Acquire.
type acquisition struct {
	Driver
	Request
	dir       string
	unsettled int    // devices whose memory ended runs have not given back yet
	reported  string // the last Wait
}

// candidate is a device that might be leased.
type candidate struct {
	device    Device
	order     int    // among all devices, which are in the order of bus addresses
	busy      bool   // leased, or its memory is not back yet
	computing int    // processes
	free      int64  // bytes
	failure   string // why it can't be leased at all
}

// tryLease takes N free devices, or none: a lease is nil when too few are free now.
func (a *acquisition) tryLease() (*Lease, error) {
	candidates, err := a.listCandidates()
	if err != nil {
		return nil, err
	}

	a.unsettled = 0
	lease := &Lease{dir: a.dir, settle: a.Settle, tick: a.Tick}
	order := map[string]int{}

	// Lock the best that can be had.
	for i := range candidates {
		c := &candidates[i]
		order[c.device.UUID] = c.order

		if c.busy || c.failure != "" || len(lease.leased) == a.N {
			continue
		}

		if err := a.lockDevice(lease, c); err != nil {
			return nil, errors.Join(err, lease.dropLocks())
		}
	}

	if len(lease.leased) < a.N {
		return nil, errors.Join(lease.dropLocks(), a.checkPossible(candidates))
	}

	// From here on they are leased.
	for i := range lease.leased {
		if err := a.recordBegin(&lease.leased[i]); err != nil {
			return nil, errors.Join(err, lease.dropLocks())
		}
	}

	slices.SortFunc(lease.leased, func(x, y leasedDevice) int { return order[x.device.UUID] - order[y.device.UUID] })

	for _, leased := range lease.leased {
		lease.Devices = append(lease.Devices, leased.device)
	}

	return lease, nil
}

// listCandidates lists the devices, the best first. A lease of several is of
// whole GPUs, since a CUDA process sees only one instance.
func (a *acquisition) listCandidates() ([]candidate, error) {
	devices, err := a.Devices()
	if err != nil {
		return nil, err
	}

	var all []candidate

	for i, d := range devices {
		if a.N > 1 && d.MIG {
			continue
		}

		c := candidate{device: d, order: i}
		if c.busy, err = sandbox.Locked(lockPath(a.dir, d.UUID)); err != nil {
			return nil, err
		}

		if !c.busy { // a look would disturb the measurement of a device's holder
			a.sampleCandidate(&c)
		}

		all = append(all, c)
	}

	if len(all) < a.N {
		return nil, research.Errorf(research.CodeUnsupported, "lower `gpus`, or run on another machine",
			"%d GPUs are asked for, and this machine can lease %d at a time", a.N, len(all))
	}

	// Those on which nobody computes, then those with the most free memory.
	slices.SortStableFunc(all, func(x, y candidate) int {
		return cmp.Or(min(x.computing, 1)-min(y.computing, 1), cmp.Compare(y.free, x.free))
	})

	return all, nil
}

// sampleCandidate looks at a free device.
func (a *acquisition) sampleCandidate(c *candidate) {
	sample, err := a.Sample(c.device.UUID)
	if err == nil {
		c.computing, err = countComputing(a.Driver, c.device.UUID)
	}

	if err != nil {
		c.failure = err.Error()
		return
	}

	if sample.MemoryUsed != Unknown {
		c.free = c.device.Memory - sample.MemoryUsed
	}
}

// lockDevice adds a free device to the lease, unless it is in quarantine or its
// last lease fell and the memory is not back yet.
func (a *acquisition) lockDevice(lease *Lease, c *candidate) error {
	lock, ok, err := sandbox.TryLock(lockPath(a.dir, c.device.UUID))
	if err != nil {
		return err
	}

	if !ok {
		c.busy = true
		return nil
	}

	r, err := a.examineRecord(c)
	if err != nil || r == nil {
		return errors.Join(err, lock.Release())
	}

	lease.leased = append(lease.leased, leasedDevice{c.device, lock, *r})

	return nil
}

// examineRecord reads the record of a device that is locked. It is nil when the
// device can't be leased now, or at all.
func (a *acquisition) examineRecord(c *candidate) (*record, error) {
	uuid := c.device.UUID

	r, err := readRecord(a.dir, uuid)
	if err != nil || !r.Leased && r.Quarantine == nil {
		return &r, err
	}

	settled, used, err := isSettled(a.Driver, uuid, r.Baseline)
	switch {
	case err != nil:
		c.failure = err.Error()
		return nil, nil
	case settled:
		return &record{UUID: uuid}, nil
	case r.Quarantine != nil:
		c.failure = "in quarantine: " + r.Quarantine.Reason
		return nil, nil
	}

	// Its last lease fell and the memory is not back: wait, then quarantine.
	isNew := r.Noticed.IsZero()
	if isNew {
		r.Noticed = time.Now()
	}

	if isNew || time.Since(r.Noticed) < a.Settle {
		c.busy = true
		a.unsettled++
	} else {
		r.Quarantine = &Quarantine{Reason: describeUse(used, r.Baseline, a.Settle), Since: time.Now()}
		c.failure = "in quarantine: " + r.Quarantine.Reason
	}

	return nil, r.write(a.dir)
}

// recordBegin writes that the device is leased, and what it holds before.
func (a *acquisition) recordBegin(leased *leasedDevice) error {
	sample, err := a.Sample(leased.device.UUID)
	if err != nil {
		return err
	}

	leased.record = record{UUID: leased.device.UUID, Leased: true, Baseline: sample.MemoryUsed}
	if err := leased.record.write(a.dir); err != nil {
		return err
	}

	return leased.lock.Write([]byte(a.Who))
}

// checkPossible says why waiting would not help; nil when it may.
func (a *acquisition) checkPossible(candidates []candidate) error {
	usable := 0
	var why []string

	for _, c := range candidates {
		if c.failure == "" {
			usable++
		} else {
			why = append(why, c.device.UUID+": "+c.failure)
		}
	}

	if usable >= a.N {
		return nil
	}

	return research.Errorf(research.CodeUnsupported, "see `ratchet doctor`; it says how to clear a quarantine",
		"%d GPUs are asked for, and %d can be leased (%s)", a.N, usable, strings.Join(why, "; "))
}

// reportWaiting reports how the waiting goes if that has changed.
func (a *acquisition) reportWaiting(position int) error {
	if a.Waiting == nil {
		return nil
	}

	devices, err := a.Devices()
	if err != nil {
		return err
	}

	wait := Wait{Position: position}

	for _, d := range devices {
		locked, err := sandbox.Locked(lockPath(a.dir, d.UUID))
		if err != nil {
			return err
		}

		if locked {
			wait.Holders = append(wait.Holders, cmp.Or(readHolder(a.dir, d.UUID), "another run"))
		}
	}

	if a.unsettled > 0 {
		wait.Holders = append(wait.Holders, "an ended run, whose memory is not back yet")
	}

	slices.Sort(wait.Holders)
	wait.Holders = slices.Compact(wait.Holders)

	if now := fmt.Sprint(wait); now != a.reported {
		a.reported = now
		a.Waiting(wait)
	}

	return nil
}

// dropLocks gives the locks back and leaves the records as they are: a device
// that is marked as leased is looked at before it is leased again.
func (l *Lease) dropLocks() error {
	var errs []error
	for _, leased := range l.leased {
		errs = append(errs, leased.lock.Release())
	}

	l.leased = nil

	return errors.Join(errs...)
}

// UUIDs lists the leased devices.
func (l *Lease) UUIDs() []string {
	list := make([]string, len(l.Devices))
	for i, d := range l.Devices {
		list[i] = d.UUID
	}

	return list
}

// Release gives the devices back when the run's processes are dead. It waits
// until their memory is back where it was; a device whose memory does not come
// back in time goes to quarantine, and the reasons are returned by UUID. When
// ctx ends, or the driver does not answer any more, the next holder looks
// instead; a nil driver says that it does not. A second Release does nothing.
func (l *Lease) Release(ctx context.Context, d Driver) (quarantined map[string]string, err error) {
	if d == nil {
		return nil, l.dropLocks()
	}

	until := time.Now().Add(l.settle)
	var errs []error

	for _, leased := range l.leased {
		reason, err := l.recordEnd(ctx, d, leased, until)
		if reason != "" {
			if quarantined == nil {
				quarantined = map[string]string{}
			}

			quarantined[leased.device.UUID] = reason
		}

		errs = append(errs, err, leased.lock.Release())
	}

	l.leased = nil

	return quarantined, errors.Join(errs...)
}

// recordEnd waits until the memory of a device is back and writes how the lease
// on it ended. The reason is that of a quarantine; "" when there is none.
func (l *Lease) recordEnd(
	ctx context.Context, d Driver, leased leasedDevice, until time.Time,
) (reason string, err error) {
	for {
		settled, used, err := isSettled(d, leased.device.UUID, leased.record.Baseline)
		switch {
		case err != nil:
			return "", err
		case settled:
			return "", record{UUID: leased.device.UUID}.write(l.dir)
		case !time.Now().Before(until):
			reason := describeUse(used, leased.record.Baseline, l.settle)
			leased.record.Quarantine = &Quarantine{Reason: reason, Since: time.Now()}

			return reason, leased.record.write(l.dir)
		}

		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for the memory of a GPU: %w", ctx.Err())
		case <-time.After(l.tick):
		}
	}
}
