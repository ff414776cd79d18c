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
	var format, columns string

	var formats strings.Builder
	for _, f := range foreign.AllFormats() {
		fmt.Fprintf(&formats, "  %-20s %s\n", f.Name, f.About)
	}
	cmd := &cobra.Command{
		Use:   "import FILE|FOLDER",
		Short: "take over the log of another program: each line verbatim, what it says as self-reported",
		Long: "Records every line of the file, or of the files of known formats in the folder, in this checkout's\n" +
			"campaign; before there is one, it keeps them for the next one to start. What they say is shown apart\n" +
			"and pointed out where an idea was tried before; it is not evidence, and counts for no verdict, best\n" +
			"value or budget. A line that was imported is not imported again, so a log that grows can be given\n" +
			"again. Lines that can't be understood are kept and named.\n\n" +
			"Of a table or of JSON lines of your own it finds the columns by their names. Where it can't, it says so,\n" +
			"and proposes --columns metric=COLUMN,status=COLUMN,note=COLUMN,better=lower: names of columns, or their\n" +
			"numbers from 1 where rows don't fit their header; - for none.\n\n" +
			"Formats:\n" + formats.String(),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			if !filepath.IsAbs(path) {
				path = filepath.Join(cli.Dir, path)
			}

			return cli.importLog(cmd.Context(), importer.ImportRequest{Path: path, Format: format, Columns: columns})
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "the format, where it can't be told")
	cmd.Flags().StringVar(&columns, "columns", "", "which column holds what: metric=…,status=…,note=…,better=lower")

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

// These bound what is printed of each list; --json has more.
const (
	importShown    = 20
	importStatuses = 12
)

func printImport(out io.Writer, got *importer.ImportAnswer) {
	into := "into " + got.Campaign
	if got.Waits {
		into = "for the next campaign"
	}
	fmt.Fprintf(out, "%s (%s) %s: %s, %s (%d with a value), %d not understood\n",
		got.Source, got.Format, into, wording.Count(got.Lines, "line"), wording.Count(got.Runs, "run"),
		got.Valued, got.Broken)
	printRuns(out, got)

	if got.Waits {
		fmt.Fprintf(out, "kept %d in the git directory\n", got.Added)
	} else {
		printRecorded(out, got)
	}

	for i, b := range got.Told {
		if i == importShown {
			fmt.Fprintf(out, "  … and %d more: --json\n", got.Broken-i)
			break
		}
		fmt.Fprintf(out, "  %s: kept, not understood: %s: %s\n", b.Place, b.Why, b.Text)
	}

	for i, s := range got.Skipped {
		if i == importShown {
			fmt.Fprintf(out, "  … and %d more files left out: --json\n", len(got.Skipped)-i)
			break
		}
		fmt.Fprintf(out, "  %s: left out: %s\n", s.Path, s.Why)
	}

	if got.Waits {
		fmt.Fprintf(out,
			"next: start_campaign takes it over; `ratchet log --imported` shows it. It is self-reported: try what is worth having again, with run_experiment.\n")
		return
	}
	fmt.Fprintf(out,
		"next: all of it is self-reported; try what is worth having again, with run_experiment. `ratchet log --imported WORDS` finds it\n")
}

// printRuns says how the runs were read: the columns, each metric, the statuses.
func printRuns(out io.Writer, got *importer.ImportAnswer) {
	for i, note := range got.Notes {
		if i == importShown {
			break
		}
		fmt.Fprintf(out, "  %s\n", note)
	}

	for i, m := range got.Metrics {
		if i == importShown {
			fmt.Fprintf(out, "  … and %d more metrics: --json\n", len(got.Metrics)-i)
			break
		}
		fmt.Fprintf(out, "  %s: %s, %d with a value\n", m.Describe("no named metric"), wording.Count(m.Runs, "run"),
			m.Valued)
	}

	var said []string

	for i, s := range got.Statuses {
		if i == importStatuses {
			said = append(said, "…")
			break
		}

		if s.Status != "" {
			said = append(said, fmt.Sprintf("%s %d", wording.PlainLine(s.Status), s.Runs))
		}
	}

	if len(said) > 0 {
		fmt.Fprintf(out, "  statuses: %s\n", strings.Join(said, ", "))
	}

	if got.Other > 0 {
		fmt.Fprintf(out, "  %s without a run: hooks, remarks, blank lines\n", wording.Count(got.Other, "line"))
	}
}

func printRecorded(out io.Writer, got *importer.ImportAnswer) {
	fmt.Fprintf(out, "recorded %d", got.Added)

	if got.Replaced > 0 {
		fmt.Fprintf(out, " (%d of them in place of lines that have changed, or are read otherwise now)", got.Replaced)
	}
	fmt.Fprintf(out, "; %d were recorded before\n", got.Known)
}
