// Package terminal is what a person sees on a terminal: where a campaign stands,
// its experiments, one experiment, and how far long work has come. Everybody else
// gets what an agent gets, byte for byte, which this package does not write.
//
// Texts of agents and programs are cleaned of control characters before they are
// shown (tools.Line, tools.Clean).
package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"ratchet/internal/research"
	"ratchet/internal/screen"
)

// The values of --color.
const (
	ColorAuto   = "auto"
	ColorAlways = "always"
	ColorNever  = "never"
)

// plainWidth is how wide a view is that no terminal shows, unless COLUMNS says.
const plainWidth = 80

// Layout says how wide and in which colours something is shown to a person.
type Layout struct {
	width int
	pen   screen.Pen
}

// Options say who reads what is written to Out.
type Options struct {
	Out   io.Writer
	JSON  bool   // a program does
	Color string // auto, always or never; "" is auto
}

// Layout returns how answers are laid out, and whether a person reads them: on a
// terminal, or where colours are asked for (--color=always, CLICOLOR_FORCE). It
// fails with research.CodeBadArgument if Color is none of the three.
func (o Options) Layout() (Layout, bool, error) {
	switch o.Color {
	case "", ColorAuto, ColorAlways, ColorNever:
	default:
		return Layout{}, false, research.Errorf(research.CodeBadArgument, "say auto, always or never",
			"--color %q is none of these", o.Color)
	}

	width, forced := Width(o.Out), o.forcesColor()
	if o.JSON || width == 0 && !forced {
		return Layout{}, false, nil
	}

	colored := forced || width > 0 && o.Color != ColorNever && wantsColor()
	if width == 0 {
		width = plainWidth
		if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
			width = n
		}
	}

	return Layout{width: width, pen: screen.Pen{On: colored}}, true, nil
}

// forcesColor says whether colours are asked for wherever the output goes.
func (o Options) forcesColor() bool {
	if o.Color == ColorAlways {
		return true
	}

	auto := o.Color == "" || o.Color == ColorAuto

	return auto && os.Getenv("NO_COLOR") == "" && isEnvSet("CLICOLOR_FORCE")
}

// wantsColor says whether a terminal gets colours, by the usual variables
// (no-color.org, bixense.com/clicolors).
func wantsColor() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("CLICOLOR") != "0" && os.Getenv("TERM") != "dumb"
}

// isEnvSet says whether an environment variable is neither empty nor 0.
func isEnvSet(name string) bool {
	v := os.Getenv(name)
	return v != "" && v != "0"
}

// IsTerminal says whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ReadSecret asks on out and reads a line from the terminal in without an echo. It fails
// with research.CodeLocked where in is not a terminal.
func ReadSecret(in any, out io.Writer, ask string) (string, error) {
	if !IsTerminal(in) {
		return "", research.Errorf(research.CodeLocked, "run it yourself, in a terminal",
			"a passphrase is typed in a terminal, and read from nowhere else")
	}
	fmt.Fprint(out, ask)

	secret, err := term.ReadPassword(int(in.(*os.File).Fd()))
	fmt.Fprintln(out)

	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}

	return string(secret), nil
}

// Width is how many columns the terminal behind a stream has, 0 if it is none.
func Width(stream any) int {
	width, _ := Size(stream)
	return width
}

// Size is 0, 0 if the stream is not a terminal; a terminal that does not know its
// size counts as 80 by 24.
func Size(stream any) (width, height int) {
	if !IsTerminal(stream) {
		return 0, 0
	}

	width, height, err := term.GetSize(int(stream.(*os.File).Fd()))
	if err != nil || width < 1 {
		width = plainWidth
	}

	if err != nil || height < 1 { // a terminal may know the one and not the other
		height = 24
	}

	return width, height
}
