package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"ratchet/internal/wording"
)

// view prints the demo: on a terminal with a last line that shows what is being
// done, elsewhere plain lines only.
type view struct {
	out   io.Writer
	width int // of the terminal, 0 if it is none
	idea  int // of the column of hypotheses
	steps []stepLine
}

// newView prints to out; width is that of the terminal, 0 if out is none.
func newView(out io.Writer, width int) *view {
	v := &view{out: out, idea: 46}
	if width > 0 {
		v.width = width
		if width <= 20 { // it does not know its size
			v.width = 80
		}

		v.idea = min(v.idea, v.width/3)
	}

	return v
}

// printLine prints a line that stays.
func (v *view) printLine(format string, args ...any) {
	v.clearLine()
	fmt.Fprintf(v.out, format+"\n", args...)
}

// showNow shows a line until the next one. Nothing where there is no terminal.
func (v *view) showNow(format string, args ...any) {
	if v.width > 0 {
		v.clearLine()
		fmt.Fprint(v.out, wording.Truncate("    "+fmt.Sprintf(format, args...), v.width-1))
	}
}

func (v *view) clearLine() {
	if v.width > 0 {
		fmt.Fprint(v.out, "\r\x1b[K")
	}
}

// stepLine is what the demo shows of one experiment.
type stepLine struct {
	number     int // 0 when it was refused
	hypothesis string
	answer     string
	words      string
	then       string
	right      bool
	took       time.Duration
}

func (v *view) printHead() {
	v.printLine("%3s  %-*s %-9s %6s  %s", "n", v.idea, "hypothesis", "then", "time", "verdict")
}

// printStep prints one experiment, as one line.
func (v *view) printStep(s stepLine) {
	v.steps = append(v.steps, s)

	number := "-"
	if s.number > 0 {
		number = fmt.Sprint(s.number)
	}

	words := strings.Join(strings.Fields(s.words), " ")
	if s.then == "refused" {
		words = s.answer + ": " + words
	}

	if !s.right {
		words = "UNEXPECTED " + words
	}

	line := fmt.Sprintf("%3s  %-*s %-9s %5.1fs  %s", number, v.idea, wording.Truncate(s.hypothesis, v.idea), s.then,
		s.took.Seconds(), wording.Truncate(words, 160))
	if v.width > 0 {
		line = wording.Truncate(line, v.width-1)
	}
	v.printLine("%s", line)
}
