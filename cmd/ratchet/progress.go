package main

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
	progressLines = 5 * time.Second // with --verbose, where there is no terminal
)

// progress shows on stderr how far long work has come: a line of the terminal
// that rewrites itself, or with --verbose lines; else nothing. All methods are
// safe for several goroutines, and do nothing on a nil progress.
type progress struct {
	out     io.Writer
	lines   bool // --verbose without a terminal
	mu      sync.Mutex
	at      screen.Progress
	began   time.Time
	ended   bool
	drawn   bool
	stop    chan struct{}
	stopped chan struct{}
}

// progress begins to show some work, counted in unit ("records"; "" where
// nothing is counted), until its End. One is shown at a time: a second one,
// begun while the first has not ended, is nil, and its work stays the first's.
func (a *app) progress(what, unit string) *progress {
	terminal := terminalWidth(a.Stderr) > 0
	if a.unshown || a.shown != nil && !a.shown.over() || !terminal && !a.Verbose {
		return nil
	}
	p := &progress{out: a.Stderr, lines: !terminal, at: screen.Progress{What: what, Unit: unit}, began: time.Now(),
		stop: make(chan struct{}), stopped: make(chan struct{})}

	a.shown = p
	go p.show()

	return p
}

// Step tells how much is done, of how much; total 0 is for not known.
func (p *progress) Step(done, total int) {
	if p != nil {
		p.mu.Lock()
		p.at.Done, p.at.Total = int64(done), int64(total)
		p.mu.Unlock()
	}
}

// Say tells what is done now.
func (p *progress) Say(note string) {
	if p != nil {
		p.mu.Lock()
		p.at.Note = tools.Line(note)
		p.mu.Unlock()
	}
}

// Job tells how a job of the campaign goes on: for calls that wait for one.
func (p *progress) Job(o job.Outcome) {
	p.Say(o.Phase)
	p.Step(o.RunsDone, 0)
}

// End takes the line away. A second End does nothing.
func (p *progress) End() {
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
	case p.lines:
		p.draw()
	case p.drawn:
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.ended
}

// show draws until End.
func (p *progress) show() {
	defer close(p.stopped)

	every, wait := progressEvery, progressAfter
	if p.lines {
		every, wait = progressLines, progressLines
	}

	next := time.NewTimer(wait)
	defer next.Stop()

	for {
		select {
		case <-p.stop:
			return
		case <-next.C:
			p.draw()
			next.Reset(every)
		}
	}
}

func (p *progress) draw() {
	p.mu.Lock()
	at := p.at
	p.mu.Unlock()

	at.Took = time.Since(p.began)
	if p.lines {
		fmt.Fprintln(p.out, at.Line(1<<10))
		return
	}
	p.drawn = true
	fmt.Fprintf(p.out, "\r%s\x1b[K", at.Line(terminalWidth(p.out)-1))
}

// advance shows how far the ledger has come with many records: it is what the
// ledger tells of every long reading, whoever asked for it.
func (a *app) advance(what string, done, total uint64) {
	if a.shown == nil || a.shown.over() {
		a.progress(what, "records")
	}

	if p := a.shown; p != nil {
		p.mu.Lock()
		if p.at.Unit == "records" {
			p.at.What, p.at.Done, p.at.Total = what, int64(done), int64(total)
		}
		p.mu.Unlock()
	}
}
