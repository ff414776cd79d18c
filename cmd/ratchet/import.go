package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/foreign"
	"ratchet/internal/importer"
	"ratchet/internal/wording"
)

func importCommand(cli *app) *cobra.Command {
	var format string

	var formats strings.Builder
	for _, f := range foreign.AllFormats() {
		fmt.Fprintf(&formats, "  %-20s %s\n", f.Name, f.About)
	}
	cmd := &cobra.Command{
		Use:   "import FILE|FOLDER",
		Short: "take over the log of another program: each line verbatim, what it says as self-reported",
		Long: "Records every line of the file, or of the files of known formats in the folder, in this checkout's\n" +
			"campaign. What they say is shown apart and pointed out where an idea was tried before; it is no\n" +
			"evidence, and counts for no verdict, best value or budget. A line that was imported is not imported\n" +
			"again, so a log that grows can be given again. Lines that can't be understood are kept and named.\n\n" +
			"Formats:\n" + formats.String(),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			if !filepath.IsAbs(path) {
				path = filepath.Join(cli.Dir, path)
			}

			return cli.importLog(cmd.Context(), importer.ImportRequest{Path: path, Format: format})
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "the format, where it can't be told")

	return cmd
}

func (a *app) importLog(ctx context.Context, req importer.ImportRequest) error {
	co, err := a.lab(ctx)
	if err != nil {
		return err
	}
	p := a.progress("importing", "lines")
	req.Seen = func(lines int) { p.Step(lines, 0) }
	got, err := importer.Import(ctx, co, req)
	p.End()

	if err != nil {
		return err
	}

	return a.emit(got, func(w io.Writer) { printImport(w, got) })
}

// importShown bounds what is printed of each list; --json has more.
const importShown = 20

func printImport(out io.Writer, got *importer.ImportAnswer) {
	fmt.Fprintf(out, "%s (%s) into %s: %s, %s (%d with a value), %d not understood\n",
		got.Source, got.Format, got.Campaign, wording.Count(got.Lines, "line"), wording.Count(got.Runs, "run"),
		got.Valued, got.Broken)
	fmt.Fprintf(out, "recorded %d", got.Added)

	if got.Replaced > 0 {
		fmt.Fprintf(out, " (%d of them in place of lines that have changed)", got.Replaced)
	}
	fmt.Fprintf(out, "; %d were recorded before\n", got.Known)

	for i, b := range got.Told {
		if i == importShown {
			fmt.Fprintf(out, "  … and %d more: `ratchet log --imported`\n", got.Broken-i)
			break
		}
		fmt.Fprintf(out, "  %s: kept, not understood: %s\n", b.Place, b.Why)
	}

	for i, s := range got.Skipped {
		if i == importShown {
			fmt.Fprintf(out, "  … and %d more files left out: --json\n", len(got.Skipped)-i)
			break
		}
		fmt.Fprintf(out, "  %s: left out: %s\n", s.Path, s.Why)
	}
	fmt.Fprintf(out,
		"next: all of it is self-reported; what is worth having, measure again. `ratchet log --imported WORDS` finds it\n")
}
