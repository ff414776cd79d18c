package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/export"
	"ratchet/internal/terminal"
)

func exportCommand(cli *app) *cobra.Command {
	var (
		options export.Options
		since   string
	)
	cmd := &cobra.Command{
		Use:   "export",
		Short: "write the ledger out: its records (jsonl), the decided experiments (tsv, csv, pi), a folder for MLflow (mlflow), or a file that was imported (imported)",
		Long: "jsonl is lossless: one record a line, exactly as it is stored; `ratchet verify --file` checks the\n" +
			"chain of such a file alone. tsv has the columns of results.tsv, pi is a log.jsonl, csv has more\n" +
			"columns; they hold the experiments that are decided, in order. --since leaves out what is older: a\n" +
			"record's number, a time (2026-11-23T06:00:00Z) or an age (24h); in tsv, csv and pi, the experiments\n" +
			"that have no record since then. imported gives a file that `ratchet import` read back, byte for\n" +
			"byte. mlflow writes a folder for MLflow's local file store (--out mlruns).\n" +
			"--json changes nothing of what is written, and refuses what is not JSON.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if options.From, options.Since, err = export.ParseSince(since, time.Now()); err != nil {
				return err
			}

			return cli.export(cmd.Context(), options)
		},
	}
	cmd.Flags().StringVar(&options.Format, "format", "jsonl", export.FormatNames())
	cmd.Flags().StringVar(&options.Source, "source", "",
		"imported: the file to give back, as `ratchet log --imported` names it")
	cmd.Flags().StringVar(&options.Dir, "out", "", "mlflow: the folder to write, which must not exist")
	cmd.Flags().StringVar(&since, "since", "", "from this record's number, time or age on")
	cmd.Flags().StringVar(&options.Campaign, "campaign", "", "only this campaign (tsv: needed where there are several)")

	return cmd
}

func (a *app) export(ctx context.Context, options export.Options) error {
	options.JSON = a.JSON
	if err := options.Check(); err != nil {
		return err
	}

	a.quiet = options.Dir == "" && terminal.IsTerminal(a.Stdout) // the records themselves are progress enough

	co, err := a.lab(ctx)
	if err != nil {
		return err
	}

	return export.Write(ctx, co, options, a.Stdout)
}
