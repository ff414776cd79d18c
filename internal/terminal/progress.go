package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"

	"ratchet/internal/job"
	"ratchet/internal/screen"
	"ratchet/tools"
)

const (
	progressAfter = 400 * time.Millisecond // work that is over by then shows none
	progressEvery = 200 * time.Millisecond
	progressLines = 15 * time.Second // where there is no terminal: no work is silent for longer
	verboseLines  = 5 * time.Second  // the same with --verbose
)

// recordsUnit is the unit of work that reads the ledger.
const recordsUnit = "records"

// Progress shows on stderr how far long work has come: a line of the terminal
// that rewrites itself, or where there is none a line now and then. All methods are
// safe for several goroutines, and do nothing on a nil Progress.
type Progress struct {
	out     io.Writer
	every   time.Duration // between lines where there is no terminal; 0 on one
	verbose bool
	mu      sync.Mutex
	at      screen.Progress
	began   time.Time
	ended   bool
	drawn   bool
	stop    chan struct{}
	stopped chan struct{}
}

// StartProgress begins to show some work on out, counted in unit ("records"; ""
// where nothing is counted), until its End. Where out is not a terminal there is a line
// every 15 seconds, or every five and one at the end if verbose.
func StartProgress(out io.Writer, verbose bool, what, unit string) *Progress {
	p := &Progress{out: out, verbose: verbose, at: screen.Progress{What: what, Unit: unit}, began: time.Now(),
		stop: make(chan struct{}), stopped: make(chan struct{})}

	switch {
	case Width(out) > 0:
	case verbose:
		p.every = verboseLines
	default:
		p.every = progressLines
	}
	go p.redrawUntilEnd()

	return p
}

// Step tells how much is done, of how much; total 0 is for not known.
func (p *Progress) Step(done, total int) {
	if p != nil {
		p.mu.Lock()
		p.at.Done, p.at.Total = int64(done), int64(total)
		p.mu.Unlock()
	}
}

// Say tells what is done now.
func (p *Progress) Say(note string) {
	if p != nil {
		p.mu.Lock()
		p.at.Note = tools.Line(note)
		p.mu.Unlock()
	}
}

// ShowJob tells how a job of the campaign goes on: for calls that wait for one.
func (p *Progress) ShowJob(o job.Outcome) {
	p.Say(o.Phase)
	p.Step(o.RunsDone, 0)
}

// End takes the line away. A second End does nothing.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.mu.Lock()
	again := p.ended
	p.ended = true
	p.mu.Unlock()

	if again {
		return
	}
	close(p.stop)
	<-p.stopped

	switch {
	case p.every > 0 && (p.verbose || p.drawn):
		p.drawLine()
	case p.every > 0:
	case p.drawn:
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// HasEnded says whether End was called; true of a nil Progress.
func (p *Progress) HasEnded() bool {
	if p == nil {
		return true
	}

	p.mu.Lock()
	defer p.mu.Unlock()

	return p.ended
}

// redrawUntilEnd draws until End.
func (p *Progress) redrawUntilEnd() {
	defer close(p.stopped)

	every, wait := progressEvery, progressAfter
	if p.every > 0 {
		every, wait = p.every, p.every
	}

	next := time.NewTimer(wait)
	defer next.Stop()

	for {
		select {
		case <-p.stop:
			return
		case <-next.C:
			p.drawLine()
			next.Reset(every)
		}
	}
}

func (p *Progress) drawLine() {
	p.mu.Lock()
	at := p.at
	p.mu.Unlock()

	at.Took = time.Since(p.began)
	p.drawn = true

	if p.every > 0 {
		fmt.Fprintln(p.out, at.FormatLine(1<<10))
		return
	}
	fmt.Fprintf(p.out, "\r%s\x1b[K", at.FormatLine(Width(p.out)-1))
}

// Advance tells how far the reading of the ledger's records has come. It changes
// nothing if something else is counted.
func (p *Progress) Advance(what string, done, total uint64) {
	if p == nil {
		return
	}

	p.mu.Lock()
	defer p.mu.Unlock()

	if p.at.Unit == recordsUnit {
		p.at.What, p.at.Done, p.at.Total = what, int64(done), int64(total)
	}
}
