package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/terminal"
	"ratchet/internal/view"
	"ratchet/tools"
)

func statusCommand(cli *app) *cobra.Command {
	watch := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show where the campaign stands; --watch goes on showing it",
		Long: "On a terminal it is laid out for a person, elsewhere and with --json it is what an agent gets from\n" +
			"read_log. --watch shows it again when something was recorded, and each second while something runs, until\n" +
			"Ctrl-C; where no terminal is it prints a line for each change, with --json a document for each.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return terminal.Watch(cmd.Context(), cli.terminal(), cli.lab)
			}

			err := cli.readLog(cmd, logQuery{View: "brief"})
			if err == nil && !cli.JSON {
				cli.untold(cmd.Context())
			}

			return err
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, until Ctrl-C")

	return cmd
}

func logCommand(cli *app) *cobra.Command {
	in := logQuery{View: "table", Limit: 20}
	imported := false
	cmd := &cobra.Command{
		Use:   "log [WORDS]",
		Short: "list the experiments, newest first; WORDS search hypotheses and lessons",
		RunE: func(cmd *cobra.Command, args []string) error {
			for i, w := range args {
				if i > 0 {
					in.Query += " "
				}
				in.Query += w
			}

			if imported {
				return cli.logImported(cmd, in)
			}

			return cli.readLog(cmd, in)
		},
	}
	cmd.Flags().IntVarP(&in.Limit, "limit", "n", in.Limit, "how many")
	cmd.Flags().StringVar(&in.Cursor, "cursor", "", "go on from here (printed at the end of a page)")
	cmd.Flags().BoolVar(&imported, "imported", false,
		"list what was imported from other programs' logs instead (see `ratchet import`)")

	return cmd
}

func showCommand(cli *app) *cobra.Command {
	var output bool
	cmd := &cobra.Command{
		Use:   "show N",
		Short: "show experiment N: hypothesis, verdict, runs, diff",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := logQuery{View: "experiment"}
			if output {
				in.View = "output"
			}

			if len(args) == 1 {
				in.Query = args[0]
			}

			return cli.readLog(cmd, in)
		},
	}
	cmd.Flags().BoolVar(&output, "output", false, "show the end of what its last run printed")

	return cmd
}

// logQuery are read_log's arguments.
type logQuery struct {
	View   string `json:"view"`
	Query  string `json:"query,omitempty"`
	Cursor string `json:"cursor,omitempty"`
	Limit  int    `json:"limit,omitempty"`
}

// logImported prints a page of imported lines.
func (a *app) logImported(cmd *cobra.Command, in logQuery) error {
	co, err := a.lab(cmd.Context())
	if err != nil {
		return err
	}

	page, err := view.ListImports(cmd.Context(), co, view.Query{Text: in.Query, Cursor: in.Cursor, Limit: in.Limit})
	if err != nil {
		return err
	}

	v, person, err := a.terminal().Layout()
	if err != nil {
		return err
	}

	if person && len(page.Lines) > 0 {
		a.printf("%s\n", strings.Join(v.RenderImportPage(page), "\n"))
		return nil
	}
	a.print(tools.RenderImports(page))

	return nil
}

// print prints an answer as text, or with --json as JSON.
func (a *app) print(answer render.Answer) {
	if a.JSON {
		a.printf("%s\n", answer.Structured)
		return
	}
	a.printf("%s\n", answer.Text)
}

// readLog prints a view of the ledger: laid out for a person on a terminal, else
// exactly as an agent sees it.
func (a *app) readLog(cmd *cobra.Command, in logQuery) error {
	v, person, err := a.terminal().Layout()
	if err != nil {
		return err
	}

	if person {
		return a.readForPerson(cmd.Context(), v, in)
	}

	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	t, _ := tools.Get("read_log")

	answer, err := t.Call(cmd.Context(), tools.Env{Open: a.lab, Looking: true}, raw)
	if err != nil {
		return err
	}
	a.print(answer)

	return nil
}

// outputShown is how much of an output a person is shown, in bytes.
const outputShown = 64 << 10

// readForPerson prints the same views laid out for a terminal.
func (a *app) readForPerson(ctx context.Context, v terminal.Layout, in logQuery) error {
	if in.Limit < 0 {
		return research.Errorf(research.CodeBadArgument, "leave it out", "--limit can't be negative")
	}

	if in.View == "experiment" && in.Query == "" {
		return research.Errorf(research.CodeBadArgument, "`ratchet log` lists them: ratchet show 7",
			"no experiment is named")
	}

	co, err := a.lab(ctx)
	if err != nil {
		return err
	}
	var lines []string

	switch in.View {
	case "experiment":
		detail, err := view.ReadExperiment(ctx, co, in.Query)
		if err != nil {
			return err
		}
		lines = v.RenderExperiment(detail)
	case "output":
		page, err := view.ReadOutput(ctx, co, in.Query, in.Cursor, outputShown)
		if err != nil {
			return err
		}
		lines = v.RenderOutput(page)
	default:
		brief, err := view.ReadBrief(ctx, co)
		if err != nil {
			return err
		}

		if lines = v.RenderStatus(brief); in.View == "table" {
			p, err := view.ListExperiments(ctx, co, view.Query{Text: in.Query, Cursor: in.Cursor, Limit: in.Limit})
			if err != nil {
				return err
			}
			lines = v.RenderLog(brief, p, in.Query)
		}
	}
	a.printf("%s\n", strings.Join(lines, "\n"))

	return nil
}
