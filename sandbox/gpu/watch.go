package gpu

import (
	"context"
	"os"
	"time"
)

// Owner says whose a process is.
type Owner int

// Whose processes are.
const (
	Ours    Owner = iota // it belongs to the run
	Foreign              // it is somebody else's
	Unseen               // there is no such process here: it has just ended, or lives in another namespace
)

// Watch looks at the devices of one run while that runs.
type Watch struct {
	Driver  Driver
	Devices []Device
	Whose   func(pid int) Owner // nil: Tree of this process
	Every   time.Duration       // between looks; 0: half a second
	Start   time.Time           // of the run's process; zero: now
	Budget  Budget              // GPUs, Start and Used are filled in

	// Exceeded is called once, when the budget is, at the deadline itself and
	// not at the next look; it should have the run killed. It must not block. May be nil.
	Exceeded func()
}

// Run looks until ctx ends, which is when the run has ended, and then once
// more for the energy. Begin it before the run: what the devices hold at the first look
// is not the run's. A driver that fails in between ends the looking, never the
// watching: the budget is enforced all the same, and where its clock waits for
// a first use it starts then, since no use can be seen any more. The evidence
// is what was seen until then; an error is the driver's.
func (w Watch) Run(ctx context.Context) (Evidence, error) {
	w.defaults()
	m := newMeter(w)

	asks, answers := make(chan bool), make(chan error)
	go func() {
		defer close(answers)

		for last := range asks {
			answers <- m.look(last)
		}
	}()
	loop := watching{Watch: w, meter: m, asks: asks, answers: answers}
	loop.run(ctx)
	close(asks)
	<-answers

	return m.evidence(), loop.lost
}

func (w *Watch) defaults() {
	if w.Every <= 0 {
		w.Every = 500 * time.Millisecond
	}

	if w.Whose == nil {
		w.Whose = Tree(os.Getpid())
	}

	if w.Start.IsZero() {
		w.Start = time.Now()
	}
	w.Budget.GPUs, w.Budget.Start = len(w.Devices), w.Start
}

// watching is the state of one Run. The meter belongs to the goroutine that is
// asked between an ask and its answer, else to this one.
type watching struct {
	Watch
	meter   *meter
	asks    chan<- bool
	answers <-chan error
	lost    error // why nothing is asked any more
	told    bool  // Exceeded was called
}

func (w *watching) run(ctx context.Context) {
	ticker := time.NewTicker(w.Every)
	defer ticker.Stop()
	w.look(false)

	for {
		select {
		case <-ctx.Done():
			w.look(true)
			return
		case <-w.deadline():
			w.exceeded()
		case <-ticker.C:
			w.look(false)
		}
	}
}

// deadline fires when the budget is exceeded, unless that was told already.
func (w *watching) deadline() <-chan time.Time {
	at, ok := w.Budget.Deadline()
	if !ok || w.told {
		return nil
	}

	return time.After(time.Until(at))
}

func (w *watching) exceeded() {
	w.told = true
	if w.Exceeded != nil {
		w.Exceeded()
	}
}

// look asks once, and goes on enforcing the budget until the answer comes,
// which a slow driver may take a while for.
func (w *watching) look(last bool) {
	if w.lost != nil {
		return
	}

	w.asks <- last

	for waiting := true; waiting; {
		select {
		case w.lost = <-w.answers:
			waiting = false
		case <-w.deadline():
			w.exceeded()
		}
	}

	w.Budget.Used = w.meter.used
	if w.lost != nil && w.Budget.Used.IsZero() {
		w.Budget.Used = time.Now()
	}
}
