package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"ratchet/internal/wording"
)

// demoView prints the demo: on a terminal with a last line that says what goes
// on now, elsewhere plain lines only.
type demoView struct {
	out   io.Writer
	width int // of the terminal, 0 if it is none
	idea  int // of the column of hypotheses
	steps []stepLine
}

func newDemoView(out io.Writer) *demoView {
	v := &demoView{out: out, idea: 46}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		v.width = 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			v.width = w
		}
		v.idea = min(v.idea, v.width/3)
	}

	return v
}

// line prints a line for good.
func (v *demoView) line(format string, args ...any) {
	v.clear()
	fmt.Fprintf(v.out, format+"\n", args...)
}

// now shows a line until the next one. Nothing where there is no terminal.
func (v *demoView) now(format string, args ...any) {
	if v.width > 0 {
		v.clear()
		fmt.Fprint(v.out, wording.Truncate("    "+fmt.Sprintf(format, args...), v.width-1))
	}
}

func (v *demoView) clear() {
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

func (v *demoView) columns() {
	v.line("%3s  %-*s %-9s %6s  %s", "n", v.idea, "hypothesis", "then", "time", "verdict")
}

// step prints one experiment, as one line.
func (v *demoView) step(s stepLine) {
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
	v.line("%s", line)
}

// finish shows what the campaign left: the table, the ledger's state, the
// commits, and how to go on.
func (d *demo) finish(ctx context.Context, started outcome) error {
	_, table, err := d.must("read_log", map[string]any{"view": "table", "limit": 40})
	if err != nil {
		return err
	}
	d.view.line("\nthe ledger, newest first (read_log{view:\"table\"}):\n%s", indent(table))

	report, err := output(d.command(ctx, "verify"))
	if err != nil {
		d.wrong = append(d.wrong, err.Error())
	}
	d.view.line("\nratchet verify:\n%s", indent(report))
	branch := strings.TrimPrefix(started.Branch, "refs/heads/")

	commits, err := output(gitIn(ctx, d.dir, "log", "--oneline", "--no-decorate", branch))
	if err != nil {
		return err
	}
	d.view.line("\ngit log --oneline %s:\n%s", branch, indent(commits))
	d.view.line("\n%d experiments and %d refusals in %.0f s. Add Ratchet to your agent, in your own repository:\n%s",
		d.judged, d.refused, time.Since(d.began).Seconds(), indent(clientLines))

	return nil
}

// clientLines are the commands that come next.
const clientLines = `ratchet init             # writes program.md
ratchet install          # lists the agents on this machine
ratchet install CLIENT   # claude-code, codex, cursor, gemini, …`

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
