package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/report"
	"ratchet/internal/research"
	"ratchet/internal/view"
)

func reportCommand(cli *app) *cobra.Command {
	var out, format, check string
	var recompute bool
	cmd := &cobra.Command{
		Use:   "report",
		Short: "write the campaign's report: what is true and how sure, what to review first, what it cost",
		Long: `Writes the report of the campaign as Markdown, or as one HTML file. Every figure in it is bound to a record of the
ledger, and checked against it before anything is written. --check reads a written report again: a figure that was
changed, added or removed, or a record that was, is named with its line.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check != "" {
				return cli.checkReport(cmd, check, recompute)
			}

			if recompute {
				return research.Errorf(research.CodeBadArgument, "ratchet report --check FILE --recompute",
					"--recompute belongs to --check")
			}

			return cli.writeReport(cmd, out, format)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "write it to this file; a name that ends in .html or .htm makes it HTML")
	f.StringVar(&format, "format", "", "md or html (default: by the name of the file, else md)")
	f.StringVar(&check, "check", "", "check this report against the ledger instead; - reads standard input")
	f.BoolVar(&recompute, "recompute", false,
		"with --check: derive the campaign's state again from the records, as is always done when the ledger has grown since")
	cmd.MarkFlagsMutuallyExclusive("check", "output")
	cmd.MarkFlagsMutuallyExclusive("check", "format")

	return cmd
}

func (a *app) writeReport(cmd *cobra.Command, out, format string) error {
	if format == "" {
		format = "md"
		if ext := strings.ToLower(filepath.Ext(out)); ext == ".html" || ext == ".htm" {
			format = "html"
		}
	}

	if format != "md" && format != "html" {
		return research.Errorf(research.CodeBadArgument, "--format md or --format html", "%q is not a report's format",
			format)
	}

	co, err := a.lab(cmd.Context())
	if err != nil {
		return err
	}

	w, err := view.WriteReport(cmd.Context(), co, report.FullSize(), format == "html")
	if err != nil {
		return err
	}

	if out == "" || out == "-" {
		if a.JSON {
			return a.emit(map[string]any{"format": format, "text": string(w.Text), "checked": w.Checked}, nil)
		}
		_, err := a.Stdout.Write(w.Text)

		return err
	}

	if err := writeFile(out, w.Text); err != nil {
		return err
	}

	return a.emit(w.Checked, func(to io.Writer) {
		fmt.Fprintf(to, "%s: %d figures, names and quotations, each checked against the ledger at record %d\n", out,
			w.Checked.Figures, w.Checked.Seq)
	})
}

func (a *app) checkReport(cmd *cobra.Command, file string, recompute bool) error {
	var written []byte

	var err error
	if file == "-" {
		written, err = io.ReadAll(a.Stdin)
	} else {
		written, err = os.ReadFile(file)
	}

	if err != nil {
		return research.Errorf(research.CodeBadArgument, "name a file that `ratchet report` wrote", "can't read it: %w",
			err)
	}

	co, err := a.lab(cmd.Context())
	if err != nil {
		return err
	}

	c, err := view.CheckReport(cmd.Context(), co, written, recompute)
	if err != nil {
		return err
	}

	return a.emit(c, func(to io.Writer) {
		fmt.Fprintf(to,
			"the report says what the ledger said at record %d: %d figures, names and quotations agree, %d records were read for them, and its words are this version's\n", c.Seq, c.Figures, c.Records)

		if c.Since > 0 {
			fmt.Fprintf(to, "the ledger has grown by %d records since\n", c.Since)
		}
	})
}
