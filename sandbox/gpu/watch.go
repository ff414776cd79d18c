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
	Foreign              // it does not
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
	w.setDefaults()

	m := newMeter(w)

	// The driver may be slow, so another goroutine asks it.
	asks, answers := make(chan bool), make(chan error)
	go func() {
		defer close(answers)

		for last := range asks {
			answers <- m.readCounters(last)
		}
	}()

	loop := watchLoop{Watch: w, meter: m, asks: asks, answers: answers}
	loop.watchUntilEnd(ctx)
	close(asks)
	<-answers

	return m.makeEvidence(), loop.lost
}

func (w *Watch) setDefaults() {
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

// watchLoop is the state of one Run. The meter belongs to the goroutine that is
// asked between an ask and its answer, else to this one.
type watchLoop struct {
	Watch
	meter    *meter
	asks     chan<- bool // whether it is the last look
	answers  <-chan error
	lost     error // why nothing is asked any more
	reported bool  // Exceeded was called
}

// watchUntilEnd looks every tick until ctx ends, and reports when the budget is exceeded.
func (w *watchLoop) watchUntilEnd(ctx context.Context) {
	ticker := time.NewTicker(w.Every)
	defer ticker.Stop()
	w.checkBudget(false)

	for {
		select {
		case <-ctx.Done():
			w.checkBudget(true)
			return
		case <-w.deadline():
			w.reportExceeded()
		case <-ticker.C:
			w.checkBudget(false)
		}
	}
}

// deadline fires when the budget is exceeded; nil when that was reported already.
func (w *watchLoop) deadline() <-chan time.Time {
	at, ok := w.Budget.Deadline()
	if !ok || w.reported {
		return nil
	}

	return time.After(time.Until(at))
}

func (w *watchLoop) reportExceeded() {
	w.reported = true

	if w.Exceeded != nil {
		w.Exceeded()
	}
}

// checkBudget asks once, and goes on enforcing the budget until the answer comes,
// which a slow driver may take a while for.
func (w *watchLoop) checkBudget(last bool) {
	if w.lost != nil {
		return
	}

	w.asks <- last

	for waiting := true; waiting; {
		select {
		case w.lost = <-w.answers:
			waiting = false
		case <-w.deadline():
			w.reportExceeded()
		}
	}

	// Where no use can be seen any more, the clock of a first use starts now.
	w.Budget.Used = w.meter.firstUse
	if w.lost != nil && w.Budget.Used.IsZero() {
		w.Budget.Used = time.Now()
	}
}
