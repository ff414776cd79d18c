package terminal_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"

	"ratchet/internal/checkout"
	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/terminal"
)

// openTerminal is both ends of a terminal with that many columns.
func openTerminal(t *testing.T, columns uint16) (reader, out *os.File) {
	t.Helper()

	reader, out, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); out.Close() })

	if err := pty.Setsize(reader, &pty.Winsize{Rows: 12, Cols: columns}); err != nil {
		t.Fatal(err)
	}

	for _, variable := range []string{"NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR"} {
		t.Setenv(variable, "")
	}
	t.Setenv("TERM", "xterm")

	return reader, out
}

// TestColoursChangeNothingElse: what a terminal without colours shows is what it
// shows with them, at its own width.
func TestColoursChangeNothingElse(t *testing.T) {
	for _, width := range []uint16{40, 80, 120} {
		_, out := openTerminal(t, width)
		want := colored(t, int(width)).RenderStatus(brief())

		t.Setenv("COLUMNS", "77") // says nothing where the terminal knows
		for environ, isColored := range map[string]bool{"": true, "NO_COLOR=1": false, "CLICOLOR=0": false,
			"TERM=dumb": false} {
			if name, value, ok := strings.Cut(environ, "="); ok {
				before := os.Getenv(name)
				t.Setenv(name, value)
				checkColours(t, out, want, isColored, environ)
				t.Setenv(name, before)
			} else {
				checkColours(t, out, want, isColored, environ)
			}
		}

		v, person, err := terminal.Options{Out: out, Color: terminal.ColorNever}.Layout()
		if got := strings.Join(v.RenderStatus(brief()), "\n") + "\n"; err != nil || !person || got != plain(want) {
			t.Errorf("%v: --color=never shows\n%q", err, got)
		}
	}
}

func checkColours(t *testing.T, out *os.File, want []string, isColored bool, environ string) {
	t.Helper()

	v, person, err := terminal.Options{Out: out}.Layout()
	got := v.RenderStatus(brief())

	if err != nil || !person || plain(got) != plain(want) || slices.Equal(got, want) != isColored {
		t.Errorf("%v: with %q a terminal shows\n%q\nwant %q, colours %t", err, environ, got, want, isColored)
	}
}

func TestSize(t *testing.T) {
	_, out := openTerminal(t, 50)
	if width, height := terminal.Size(out); width != 50 || height != 12 || !terminal.IsTerminal(out) {
		t.Errorf("the size is %d by %d", width, height)
	}

	_, out = openTerminal(t, 0)
	if width, height := terminal.Size(out); width != 80 || height != 12 {
		t.Errorf("the size of a terminal that does not know its width is %d by %d", width, height)
	}

	if width, height := terminal.Size(&bytes.Buffer{}); width != 0 || height != 0 || terminal.IsTerminal(out.Name()) {
		t.Errorf("the size of no terminal is %d by %d", width, height)
	}
}

// TestProgressOnATerminal: short work shows nothing; a line rewrites itself within
// the terminal's width, and is away at the end.
func TestProgressOnATerminal(t *testing.T) {
	reader, out := openTerminal(t, 40)

	synctest.Test(t, func(t *testing.T) {
		terminal.StartProgress(out, false, "short", "").End()

		p := terminal.StartProgress(out, false, "export", "records")
		p.Step(50, 200)
		time.Sleep(700 * time.Millisecond)
		synctest.Wait()
		p.End()
	})

	want := "\rexport  25%, 50 of 200 records, 125 a…\x1b[K" +
		"\rexport  25%, 50 of 200 records, 83 a s…\x1b[K" + "\r\x1b[K"

	got := make([]byte, len(want))

	n, err := io.ReadFull(reader, got) // what a terminal hands over comes in pieces
	if err != nil || string(got[:n]) != want {
		t.Errorf("%v: the terminal got %q, want %q", err, got[:n], want)
	}
}

// TestWatchOnATerminal: the picture is on the other screen, within the terminal's
// height, and at the end the status stands on the first one.
func TestWatchOnATerminal(t *testing.T) {
	reader, out := openTerminal(t, 60)
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	ctx, cancel := context.WithCancel(t.Context())
	shown := make(chan string)

	go func() {
		var all []byte
		buffer := make([]byte, 4096)

		for {
			n, err := reader.Read(buffer)
			all = append(all, buffer[:n]...)

			if err != nil {
				shown <- string(all)
				return
			}

			if bytes.Contains(all, []byte("\x1b[J")) { // the picture is whole
				cancel()
			}
		}
	}()

	err := terminal.Watch(ctx, terminal.Options{Out: out},
		func(context.Context) (*checkout.Checkout, error) { return b.Checkout, nil })
	out.Close()

	picture, rest, left := strings.Cut(<-shown, "\x1b[?25h\x1b[?1049l")
	if err != nil || !left || !strings.HasPrefix(picture, "\x1b[?1049h\x1b[?25l\x1b[H") {
		t.Fatalf("%v: the other screen is not taken and left: %q", err, picture)
	}

	if lines := strings.Count(picture, "\n") + 1; lines > 12 || !strings.Contains(picture, "ratchet status --watch") ||
		!strings.Contains(picture, "size, lower is better, in bytes") {
		t.Errorf("the picture of %d lines is %q", lines, picture)
	}

	if strings.Contains(rest, "--watch") || !strings.Contains(plain([]string{rest}), "metric") {
		t.Errorf("what stays on the terminal is %q", rest)
	}
}
