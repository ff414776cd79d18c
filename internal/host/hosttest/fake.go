// Package hosttest has the contract that every host keeps (TestHost) and a host
// in memory, for tests of what uses one (Fake).
package hosttest

import (
	"context"
	"sync"

	"ratchet/internal/host"
	"ratchet/internal/research"
)

// Fake is a host without processes: a worker is a value, and what it does is a
// function of the test. Its methods may be called by any number of goroutines.
type Fake struct {
	// Work is the life of a worker: Start calls it once the worker has announced
	// itself, and returns after it. A worker that Work does not Finish or Release
	// lives on. nil: every worker lives until it is stopped.
	Work func(l host.Launch, p host.Presence)
	// OnStop is called for a living worker that is asked to end; nil: it finishes.
	OnStop func(job host.Job, p host.Presence)
	// StartError is returned by Start, which starts nothing then.
	StartError error
	// StatusError is returned by Status.
	StatusError error

	mu       sync.Mutex
	workers  map[host.Job]*fakePresence
	launches []host.Launch
	stops    []host.Job
}

// Start is host.Host's.
func (f *Fake) Start(_ context.Context, l host.Launch) error {
	if f.StartError != nil {
		return f.StartError
	}

	p, err := f.Announce(l.Job)
	if err != nil {
		return err
	}

	f.mu.Lock()
	f.launches = append(f.launches, l)
	f.mu.Unlock()

	if f.Work != nil {
		f.Work(l, p)
	}

	return nil
}

// Status is host.Host's.
func (f *Fake) Status(job host.Job) (host.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	p := f.workers[job]
	switch {
	case p == nil:
		return host.Status{Phase: "starting"}, f.StatusError
	case p.released:
		return host.Status{State: host.Gone, Phase: p.phase}, f.StatusError
	}

	return host.Status{State: host.Alive, Phase: p.phase}, f.StatusError
}

// Stop is host.Host's.
func (f *Fake) Stop(job host.Job) (asked bool) {
	f.mu.Lock()
	p := f.workers[job]
	asked = p != nil && !p.released
	if asked {
		f.stops = append(f.stops, job)
	}
	f.mu.Unlock()

	switch {
	case asked && f.OnStop != nil:
		f.OnStop(job, p)
	case asked:
		_ = p.Finish()
	}

	return asked
}

// Announce is host.Host's.
func (f *Fake) Announce(job host.Job) (host.Presence, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if p := f.workers[job]; p != nil && !p.released {
		return nil, research.Errorf(research.CodeBusy, "wait_run{}", "%s has a worker already", job.ID)
	}

	if f.workers == nil {
		f.workers = map[host.Job]*fakePresence{}
	}
	p := &fakePresence{host: f, job: job}
	f.workers[job] = p

	return p, nil
}

// Kill ends a job's worker as a SIGKILL does. It is nothing for a job without one.
func (f *Fake) Kill(job host.Job) {
	f.mu.Lock()
	p := f.workers[job]
	f.mu.Unlock()

	if p != nil {
		p.Release()
	}
}

// Launches are the workers that were started, oldest first.
func (f *Fake) Launches() []host.Launch {
	f.mu.Lock()
	defer f.mu.Unlock()

	return append([]host.Launch(nil), f.launches...)
}

// Stops are the jobs whose worker was asked to end, oldest first.
func (f *Fake) Stops() []host.Job {
	f.mu.Lock()
	defer f.mu.Unlock()

	return append([]host.Job(nil), f.stops...)
}

type fakePresence struct {
	host     *Fake
	job      host.Job
	phase    string
	released bool
}

// Report is host.Presence's.
func (p *fakePresence) Report(phase string) {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	p.phase = phase
}

// Finish is host.Presence's.
func (p *fakePresence) Finish() error {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	p.released = true

	if p.host.workers[p.job] == p {
		delete(p.host.workers, p.job)
	}

	return nil
}

// Release is host.Presence's.
func (p *fakePresence) Release() {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	p.released = true
}
