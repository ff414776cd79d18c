package terminal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/screen"
	"ratchet/internal/view"
	"ratchet/ledger"
	"ratchet/tools"
)

const (
	watchLooks = 100 * time.Millisecond // at the ledger's anchor, which costs microseconds
	watchTicks = time.Second            // while something runs, whose time goes on
)

// Watch shows where the campaign stands, again whenever the ledger changes or the
// terminal's size does, and each second while something runs, until ctx ends,
// which is not an error. Where no person reads it prints a line for each change.
func Watch(ctx context.Context, o Options, open func(context.Context) (*checkout.Checkout, error)) error {
	_, person, err := o.Layout()
	if err != nil {
		return err
	}

	co, err := open(ctx)
	if err != nil {
		return err
	}

	w := &watcher{Options: o, co: co}
	if _, height := Size(o.Out); person && height > 0 && os.Getenv("TERM") != "dumb" {
		w.screen = &altScreen{out: o.Out}
		defer w.restoreScreen()
	}

	for {
		valid, err := w.refreshView(ctx)
		if ctx.Err() != nil {
			return nil
		}

		if err != nil {
			return err
		}

		if err := w.awaitChange(ctx, valid); err != nil {
			return nil
		}
	}
}

// watcher is one `status --watch`.
type watcher struct {
	Options
	co     *checkout.Checkout
	screen *altScreen  // nil where nothing can be redrawn
	brief  *view.Brief // the last one
	last   string      // line that was printed
	stamp  ledger.Stamp
}

// refreshView reads the campaign and shows it, and returns how long that is true unless
// the ledger changes; 0: for ever.
func (w *watcher) refreshView(ctx context.Context) (time.Duration, error) {
	var err error
	if w.stamp, err = w.co.Ledger.Stamp(); err != nil {
		return 0, err
	}

	if w.brief, err = view.ReadBrief(ctx, w.co); err != nil {
		return 0, err
	}

	wait := time.Duration(0)
	if len(w.brief.Running) > 0 {
		wait = watchTicks
	}

	if w.screen == nil {
		return wait, w.printLine()
	}

	v, _, err := w.Layout()
	if err != nil {
		return 0, err
	}
	_, height := Size(w.Out)
	head := v.pen.Paint(screen.Faint, screen.CutText("ratchet status --watch, "+time.Now().Format("15:04:05")+
		"; Ctrl-C ends it, the campaign goes on", v.width))
	w.screen.drawLines(append([]string{head, ""}, v.RenderStatus(w.brief)...), v.width, height)

	return wait, nil
}

// printLine prints one line, if it differs from the last: elapsed times are left
// out, so that it differs only when something has happened.
func (w *watcher) printLine() error {
	line := campaignLine(w.brief)
	if line == w.last {
		return nil
	}

	w.last = line
	if !w.JSON {
		_, err := fmt.Fprintln(w.Out, line)
		return err
	}
	var one strings.Builder

	enc := json.NewEncoder(&one)
	if err := enc.Encode(json.RawMessage(tools.RenderBrief(w.brief).Structured)); err != nil {
		return err
	}
	_, err := io.WriteString(w.Out, one.String())

	return err
}

// campaignLine is a campaign in one line.
func campaignLine(brief *view.Brief) string {
	facts := tools.FactsOfBrief(brief)

	parts := []string{tools.Line(brief.Campaign.Name), facts.Counts}
	if facts.Best != "" {
		parts = append(parts, "best "+facts.Best)
	}

	if brief.Standing != "" {
		parts = append(parts, tools.Line(brief.Standing))
	}

	for _, j := range brief.Running {
		parts = append(parts, fmt.Sprintf("running %s, %s", j.ID, tools.Line(j.Phase)))
	}

	switch {
	case brief.Campaign.Ended != "":
		parts = append(parts, "ended: "+tools.Line(brief.Campaign.Ended))
	case facts.Rests != "":
		parts = append(parts, "rests")
	}

	if len(brief.Recent) > 0 && brief.Recent[0].Status != research.Running {
		x := tools.FactsOfRow(&brief.Recent[0], brief.Campaign.Program.Metric)
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("last x%d %s %s, %s", brief.Recent[0].N,
			x.Verdict, x.Status, x.Result)))
	}

	return strings.Join(parts, " · ")
}

// awaitChange waits for an append, a new size or the time. It returns ctx's end.
func (w *watcher) awaitChange(ctx context.Context, wait time.Duration) error {
	resized := make(chan os.Signal, 1)
	if w.screen != nil && resizeSignal != nil {
		signal.Notify(resized, resizeSignal)
		defer signal.Stop(resized)
	}

	var expired <-chan time.Time
	if wait > 0 {
		expired = time.After(wait)
	}

	tick := time.NewTicker(watchLooks)
	defer tick.Stop()

	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-resized:
			return nil
		case <-expired:
			return nil
		case <-tick.C:
			if now, err := w.co.Ledger.Stamp(); err != nil || now != w.stamp {
				return nil
			}
		}
	}
}

// restoreScreen gives the terminal back as it was, with the last picture on it.
func (w *watcher) restoreScreen() {
	w.screen.restoreScreen()

	if v, person, err := w.Layout(); person && err == nil && w.brief != nil {
		fmt.Fprintln(w.Out, strings.Join(v.RenderStatus(w.brief), "\n"))
	}
}

// altScreen draws pictures on the terminal's other screen, which most have; what
// was on the terminal is there again after leave.
type altScreen struct {
	out   io.Writer
	drawn bool
}

// drawLines replaces the picture; lines beyond the terminal's size are cut.
func (s *altScreen) drawLines(lines []string, width, height int) {
	out := bufio.NewWriter(s.out)
	if !s.drawn {
		s.drawn = true
		fmt.Fprint(out, "\x1b[?1049h\x1b[?25l") // the other screen, without a cursor
	}
	fmt.Fprint(out, "\x1b[H")

	if len(lines) > height {
		lines = lines[:height]
	}

	for i, line := range lines {
		if i > 0 {
			fmt.Fprint(out, "\r\n")
		}

		if screen.TextWidth(line) > width {
			line = screen.CutText(line, width)
			if strings.Contains(line, "\x1b") {
				line += "\x1b[0m" // what was cut may have ended a colour
			}
		}
		fmt.Fprint(out, line, "\x1b[K")
	}
	fmt.Fprint(out, "\x1b[J")
	out.Flush()
}

func (s *altScreen) restoreScreen() {
	if s.drawn {
		fmt.Fprint(s.out, "\x1b[?25h\x1b[?1049l")
	}
}
