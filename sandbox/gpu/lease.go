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
	N       int           // devices, all or none
	Who     string        // shown to those who wait, one line
	Waiting func(Wait)    // told how the waiting goes, once and whenever that changes; may be nil
	Settle  time.Duration // how long memory may take to come back after a run; 0: 10 s
	Tick    time.Duration // between looks; 0: 100 ms
}

// Wait is how the waiting for a lease goes.
type Wait struct {
	Position int      // in the queue of the machine; the first, 1, gets the next free devices
	Holders  []string // what those say of themselves who hold devices
}

// Lease is a hold on devices. It excludes every other one on this machine that
// looks in the same sandbox.LockDir and falls with this process.
type Lease struct {
	Devices []Device // in the order of their bus addresses
	dir     string
	settle  time.Duration
	tick    time.Duration
	held    []held
}

// held is one device of a lease.
type held struct {
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
	r.Settle, r.Tick = cmp.Or(r.Settle, 10*time.Second), cmp.Or(r.Tick, 100*time.Millisecond)
	if r.N < 1 {
		return nil, research.Errorf(research.CodeBadArgument, "ask for one GPU or more", "no lease can have %d GPUs",
			r.N)
	}

	dir, _, err := sandbox.LockDir()
	if err != nil {
		return nil, err
	}
	// First come, first served, among all processes of the machine: only the
	// first takes devices. Else one who needs all of them would wait for ever
	// behind those who need one.
	p, err := queue.Join(ctx, filepath.Join(dir, "gpu.queue"), 0o666)
	if err != nil {
		return nil, fmt.Errorf("queue for GPUs: %w", err)
	}
	defer p.Close()
	a := &acquisition{Driver: d, Request: r, dir: dir}

	for {
		position, err := p.Number()
		if err != nil {
			return nil, fmt.Errorf("queue for GPUs: %w", err)
		}

		if position == 1 {
			if l, err := a.try(); l != nil || err != nil {
				return l, err
			}
		}

		if err := a.tell(position); err != nil {
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
	dir  string
	left int // devices that ended runs have not given back yet
	told string
}

// candidate is a device that might be leased.
type candidate struct {
	device    Device
	order     int // among all devices
	held      bool
	computing int
	free      int64
	failure   string // why it can't be leased at all
}

// try takes N free devices, or none: a lease is nil when too few are free now.
func (a *acquisition) try() (*Lease, error) {
	all, err := a.candidates()
	if err != nil {
		return nil, err
	}
	a.left = 0
	l := &Lease{dir: a.dir, settle: a.Settle, tick: a.Tick}

	for i := range all {
		c := &all[i]
		if c.held || c.failure != "" || len(l.held) == a.N {
			continue
		}

		if err := a.take(l, c); err != nil {
			return nil, errors.Join(err, l.drop())
		}
	}

	if len(l.held) < a.N {
		return nil, errors.Join(l.drop(), a.possible(all))
	}

	for i := range l.held {
		if err := a.begin(&l.held[i]); err != nil {
			return nil, errors.Join(err, l.drop())
		}
	}
	order := func(x held) int {
		return slices.IndexFunc(all, func(c candidate) bool { return c.device.UUID == x.device.UUID })
	}
	slices.SortFunc(l.held, func(x, y held) int { return all[order(x)].order - all[order(y)].order })

	for _, h := range l.held {
		l.Devices = append(l.Devices, h.device)
	}

	return l, nil
}

// candidates lists the devices, the best first. A lease of several is of whole
// GPUs, since a CUDA process sees only one instance.
func (a *acquisition) candidates() ([]candidate, error) {
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
		if c.held, err = sandbox.Locked(lockPath(a.dir, d.UUID)); err != nil {
			return nil, err
		}

		if !c.held { // a holder's measurement is not disturbed
			a.look(&c)
		}
		all = append(all, c)
	}

	if len(all) < a.N {
		return nil, research.Errorf(research.CodeUnsupported, "lower `gpus`, or run on another machine",
			"%d GPUs are asked for, and this machine can lease %d at a time", a.N, len(all))
	}
	slices.SortStableFunc(all, func(x, y candidate) int {
		return cmp.Or(min(x.computing, 1)-min(y.computing, 1), cmp.Compare(y.free, x.free))
	})

	return all, nil
}

func (a *acquisition) look(c *candidate) {
	s, err := a.Sample(c.device.UUID)
	if err == nil {
		c.computing, err = computing(a.Driver, c.device.UUID)
	}

	if err != nil {
		c.failure = err.Error()
		return
	}

	if s.MemoryUsed != Unknown {
		c.free = c.device.Memory - s.MemoryUsed
	}
}

// take locks a free device, unless it is in quarantine or its last lease fell
// and the memory is not back yet.
func (a *acquisition) take(l *Lease, c *candidate) error {
	lock, ok, err := sandbox.TryLock(lockPath(a.dir, c.device.UUID))
	if err != nil {
		return err
	}

	if !ok {
		c.held = true
		return nil
	}

	r, err := a.examine(c)
	if err != nil || r == nil {
		return errors.Join(err, lock.Release())
	}
	l.held = append(l.held, held{c.device, lock, *r})

	return nil
}

// examine reads the record of a device that is locked. No record: it is not to
// be leased now, or at all.
func (a *acquisition) examine(c *candidate) (*record, error) {
	uuid := c.device.UUID

	r, err := readRecord(a.dir, uuid)
	if err != nil || !r.Leased && r.Quarantine == nil {
		return &r, err
	}

	ok, used, err := settled(a.Driver, uuid, r.Baseline)
	switch {
	case err != nil:
		c.failure = err.Error()
		return nil, nil
	case ok:
		return &record{UUID: uuid}, nil
	case r.Quarantine != nil:
		c.failure = "in quarantine: " + r.Quarantine.Reason
		return nil, nil
	}
	c.held = true // by what is left of its last run

	a.left++
	if r.Noticed.IsZero() {
		r.Noticed = time.Now()
	} else if time.Since(r.Noticed) >= a.Settle {
		r.Quarantine = &Quarantine{Reason: notBack(used, r.Baseline, a.Settle), Since: time.Now()}
		c.held, c.failure = false, "in quarantine: "+r.Quarantine.Reason
		a.left--
	}

	return nil, r.write(a.dir)
}

// begin writes that the device is leased, and what it holds before.
func (a *acquisition) begin(h *held) error {
	s, err := a.Sample(h.device.UUID)
	if err != nil {
		return err
	}

	h.record = record{UUID: h.device.UUID, Leased: true, Baseline: s.MemoryUsed}
	if err := h.record.write(a.dir); err != nil {
		return err
	}

	return h.lock.Write([]byte(a.Who))
}

// possible says why waiting would not help, nil when it may.
func (a *acquisition) possible(all []candidate) error {
	usable, why := 0, []string{}

	for _, c := range all {
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

// tell reports the waiting if it has changed.
func (a *acquisition) tell(position int) error {
	if a.Waiting == nil {
		return nil
	}

	devices, err := a.Devices()
	if err != nil {
		return err
	}
	w := Wait{Position: position}

	for _, d := range devices {
		if held, err := sandbox.Locked(lockPath(a.dir, d.UUID)); err != nil {
			return err
		} else if held {
			w.Holders = append(w.Holders, cmp.Or(holder(a.dir, d.UUID), "another run"))
		}
	}

	if a.left > 0 {
		w.Holders = append(w.Holders, "an ended run, whose memory is not back yet")
	}
	slices.Sort(w.Holders)

	w.Holders = slices.Compact(w.Holders)
	if now := fmt.Sprint(w); now != a.told {
		a.told = now
		a.Waiting(w)
	}

	return nil
}

// drop gives locks back without a word about the devices. What was begun stays
// marked, so that the next one looks first.
func (l *Lease) drop() error {
	var errs []error
	for _, h := range l.held {
		errs = append(errs, h.lock.Release())
	}
	l.held = nil

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
		return nil, l.drop()
	}
	until := time.Now().Add(l.settle)
	var errs []error

	for _, h := range l.held {
		reason, err := l.end(ctx, d, h, until)
		if reason != "" {
			if quarantined == nil {
				quarantined = map[string]string{}
			}
			quarantined[h.device.UUID] = reason
		}

		errs = append(errs, err, h.lock.Release())
	}
	l.held = nil

	return quarantined, errors.Join(errs...)
}

// end writes how the lease on one device ended.
func (l *Lease) end(ctx context.Context, d Driver, h held, until time.Time) (reason string, err error) {
	for {
		ok, used, err := settled(d, h.device.UUID, h.record.Baseline)
		switch {
		case err != nil:
			return "", err
		case ok:
			return "", record{UUID: h.device.UUID}.write(l.dir)
		case !time.Now().Before(until):
			h.record.Quarantine = &Quarantine{Reason: notBack(used, h.record.Baseline, l.settle), Since: time.Now()}
			return h.record.Quarantine.Reason, h.record.write(l.dir)
		}

		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for the memory of a GPU: %w", ctx.Err())
		case <-time.After(l.tick):
		}
	}
}
