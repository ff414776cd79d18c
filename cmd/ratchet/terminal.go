package main

import (
	"os"
	"strconv"

	"golang.org/x/term"

	"ratchet/internal/research"
	"ratchet/internal/screen"
)

// The values of --color.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

// plainWidth is how wide a view is that no terminal shows, unless COLUMNS says.
const plainWidth = 80

// layout says how wide and in which colours something is shown to a person.
type layout struct {
	width int
	pen   screen.Pen
}

// people says whether answers are laid out for a person, and how: on a terminal,
// or where colours are asked for whatever reads (--color=always, CLICOLOR_FORCE).
// Everybody else gets what an agent gets, byte for byte.
func (a *app) people() (layout, bool, error) {
	switch a.Color {
	case "", colorAuto, colorAlways, colorNever:
	default:
		return layout{}, false, research.Errorf(research.CodeBadArgument, "say auto, always or never",
			"--color %q is none of these", a.Color)
	}
	width := terminalWidth(a.Stdout)

	forced := a.Color == colorAlways || a.auto() && os.Getenv("NO_COLOR") == "" && on("CLICOLOR_FORCE")
	if a.JSON || width == 0 && !forced {
		return layout{}, false, nil
	}

	v := layout{width: width, pen: screen.Pen{On: forced || width > 0 && a.Color != colorNever && coloured()}}
	if width == 0 {
		v.width = plainWidth
		if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
			v.width = n
		}
	}

	return v, true, nil
}

func (a *app) auto() bool { return a.Color == "" || a.Color == colorAuto }

// coloured says whether a terminal gets colours, by the usual variables
// (no-color.org, bixense.com/clicolors).
func coloured() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("CLICOLOR") != "0" && os.Getenv("TERM") != "dumb"
}

func on(name string) bool {
	v := os.Getenv(name)
	return v != "" && v != "0"
}

// terminalWidth is how many columns the terminal behind w has, 0 if w is none.
func terminalWidth(w any) int {
	width, _ := terminalSize(w)
	return width
}

// terminalSize is 0, 0 if w is no terminal; one that does not tell counts as 80 by 24.
func terminalSize(w any) (width, height int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, 0
	}

	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 1 {
		width = plainWidth
	}

	if err != nil || height < 1 { // a terminal may know the one and not the other
		height = 24
	}

	return width, height
}
