package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/chart"
	"ratchet/internal/plots"
	"ratchet/internal/research"
)

// plotting is what the command was asked for.
type plotting struct {
	out, theme   string
	size, pixels int
}

func plotCommand(cli *app) *cobra.Command {
	in := plotting{}
	cmd := &cobra.Command{
		Use:   "plot [KIND]",
		Short: "draw " + strings.Join(plots.Kinds, ", ") + ": in characters, or with -o as PNG or SVG",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := plots.Kinds[0]
			if len(args) == 1 {
				kind = args[0]
			}

			return cli.plot(cmd, kind, in)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&in.out, "output", "o", "", "write an image: FILE.png or FILE.svg")
	f.StringVar(&in.theme, "theme", "light", "the image's ground: light or dark")
	f.IntVarP(&in.size, "limit", "n", 200, "how many of the newest experiments (of runs: five times as many)")
	f.IntVar(&in.pixels, "width", 0, "of the image, in pixels, 400 to 3200 (default: 800, of a PNG 1600)")

	return cmd
}

// plot draws one kind, into a file or in characters; --json gives the whole series.
func (a *app) plot(cmd *cobra.Command, kind string, in plotting) error {
	options, err := in.options()
	if err != nil {
		return err
	}

	_, person, err := a.terminal().Layout()
	if err != nil {
		return err
	}

	if !slices.Contains(plots.Kinds, kind) {
		return research.Errorf(research.CodeBadArgument, "use one of "+strings.Join(plots.Kinds, ", "),
			"there is no plot of %q", kind)
	}

	co, err := a.lab(cmd.Context())
	if err != nil {
		return err
	}

	p, err := plots.ReadPlot(cmd.Context(), co, kind, in.size)
	if err != nil {
		return err
	}

	if in.out != "" {
		if err := writePlot(p, options, in.out); err != nil {
			return err
		}
	}

	if person && in.out == "" {
		a.printf("%s\n", p.Answer.ForPerson())

		if p.Figure.Empty == "" {
			a.printf("`ratchet plot %s -o %s.png` draws it, `ratchet log` lists the experiments\n", kind, kind)
		}

		return nil
	}

	return a.tellPlot(p, in.out)
}

// tellPlot prints what a script or an agent gets.
func (a *app) tellPlot(p *plots.Plot, file string) error {
	switch {
	case a.JSON:
		return a.emit(p.Numbers, nil)
	case file == "":
		a.print(p.Answer)
	case p.Figure.Empty != "":
		a.printf("%s: %s\n", file, p.Figure.Empty)
	case strings.EqualFold(filepath.Ext(file), ".png") && chart.LacksLetters(p.Figure):
		a.printf("%s: in it … stands for letters that its font lacks; a name that ends in .svg keeps them\n", file)
	default:
		a.printf("%s\n", file)
	}

	return nil
}

// options are the image's, from the file's name and the flags.
func (in plotting) options() (chart.Options, error) {
	o := chart.Options{Theme: chart.Theme(in.theme), Width: in.pixels}
	if o.Theme != chart.Light && o.Theme != chart.Dark {
		return o, research.Errorf(research.CodeBadArgument, "use light or dark", "there is no theme %q", in.theme)
	}

	if in.size < 1 || in.size > 10_000 {
		return o, research.Errorf(research.CodeBadArgument, "give 1 to 10000", "--limit can't be %d", in.size)
	}

	if o.Width != 0 && (o.Width < 400 || o.Width > 3200) {
		return o, research.Errorf(research.CodeBadArgument, "give 400 to 3200", "--width can't be %d", o.Width)
	}

	switch ext := strings.ToLower(filepath.Ext(in.out)); {
	case in.out == "":
	case ext == ".svg":
		o.Format = chart.SVG
	case ext == ".png":
		if o.Format = chart.PNG; o.Width == 0 {
			o.Width = 1600 // sharp on any screen
		}
	default:
		return o, research.Errorf(research.CodeBadArgument, "end its name in .png or .svg",
			"%q is neither a PNG nor an SVG", in.out)
	}

	return o, nil
}

// writePlot writes the image whole or not at all.
func writePlot(p *plots.Plot, o chart.Options, path string) error {
	img, err := chart.Draw(p.Figure, o)
	if err != nil {
		return err
	}

	return writeFile(path, img)
}
