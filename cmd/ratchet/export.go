package main

import (
	"bufio"
	"context"
	"errors"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

func exportCommand(a *app) *cobra.Command {
	x := export{app: a}
	var since string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "write the ledger out: its records (jsonl), the decided experiments (tsv, csv, pi), a folder for MLflow or W&B (mlflow, wandb), or a file that was imported (imported)",
		Long: "jsonl is lossless: one record a line, exactly as it is stored; `ratchet verify --file` checks the\n" +
			"chain of such a file alone. tsv has the columns of results.tsv, pi is a log.jsonl, csv has more\n" +
			"columns; they hold the experiments that are decided, in order. --since leaves out what is older: a\n" +
			"record's number, a time (2026-11-23T06:00:00Z) or an age (24h); of tsv, csv and pi, the experiments\n" +
			"that no record from there on concerns. imported gives a file that `ratchet import` read back, byte for\n" +
			"byte. mlflow writes a folder for MLflow's local file store (--out mlruns), wandb one that holds an\n" +
			"offline run of Weights & Biases for each campaign (--out wandb): `wandb sync` uploads them.\n" +
			"--json changes nothing of what is written, and refuses what is no JSON.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if x.from, x.since, err = parseSince(since, time.Now()); err != nil {
				return err
			}

			return x.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&x.format, "format", "jsonl", "jsonl, tsv, csv, pi, imported, mlflow or wandb")
	cmd.Flags().StringVar(&x.source, "source", "",
		"imported: the file to give back, as `ratchet log --imported` names it")
	cmd.Flags().StringVar(&x.dir, "out", "", "mlflow and wandb: the folder to write, which must not exist")
	cmd.Flags().StringVar(&since, "since", "", "from this record's number, time or age on")
	cmd.Flags().StringVar(&x.campaign, "campaign", "", "only this campaign (tsv: needed where there are several)")

	return cmd
}

// export is one call of the command.
type export struct {
	*app
	format   string
	campaign string
	source   string    // imported
	dir      string    // mlflow, wandb
	from     uint64    // first record's sequence, 0: all
	since    time.Time // of the first record, zero: all

	in     *checkout.Checkout
	ledger *ledger.Ledger
	out    *bufio.Writer
}

// parseSince reads --since.
func parseSince(s string, now time.Time) (from uint64, at time.Time, err error) {
	if s == "" {
		return 0, at, nil
	}

	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, at, nil
	}

	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return 0, at, nil
		}
	}

	days, isDays := strings.CutSuffix(s, "d")
	if n, err := strconv.ParseUint(days, 10, 16); err == nil && isDays {
		return 0, now.AddDate(0, 0, -int(n)), nil
	}

	if age, err := time.ParseDuration(s); err == nil && age >= 0 {
		return 0, now.Add(-age), nil
	}

	return 0, at, research.Errorf(research.CodeBadArgument,
		"give a record's number (120), a time (2026-11-23T06:00:00Z or 2026-11-23) or an age (24h, 7d)",
		"--since %q is none of these", s)
}

func (x *export) run(ctx context.Context) error {
	write := map[string]func(context.Context) error{"jsonl": x.lines, "tsv": x.tsv, "csv": x.csv, "pi": x.pi,
		"imported": x.imported, "mlflow": x.mlflow, "wandb": x.wandb}[x.format]
	if write == nil {
		return research.Errorf(research.CodeBadArgument, "use jsonl, tsv, csv, pi, imported, mlflow or wandb",
			"--format %q is unknown", x.format)
	}

	if x.JSON && (x.format == "tsv" || x.format == "csv" || x.format == "imported") {
		return research.Errorf(research.CodeBadArgument, "leave --json out, or --format", "%s is no JSON", x.format)
	}
	x.unshown = terminalWidth(x.Stdout) > 0 && x.dir == "" // the records themselves are progress enough

	l, err := x.lab(ctx)
	if err != nil {
		return err
	}

	x.in, x.ledger, x.out = l, l.Ledger, bufio.NewWriterSize(x.Stdout, 1<<16)
	if x.campaign != "" {
		if err := x.ledger.View(ctx, func(tx *ledger.Tx) error {
			_, err := tx.Campaign(x.campaign)
			return err
		}); err != nil {
			return err
		}
	}

	err = write(ctx)
	if ferr := x.out.Flush(); err == nil {
		err = ferr
	}

	if errors.Is(err, syscall.EPIPE) { // the reader has seen enough
		return nil
	}

	return err
}

// records calls f with what --since and --campaign select.
func (x *export) records(ctx context.Context, f func(rec history.Record, stored []byte) error) error {
	begun := x.since.IsZero()

	return x.ledger.Stream(ctx, x.from, func(rec history.Record, stored []byte) error {
		begun = begun || !rec.Time.Before(x.since)
		if !begun || x.campaign != "" && rec.Campaign != x.campaign {
			return nil
		}

		return f(rec, stored)
	})
}

func (x *export) lines(ctx context.Context) error {
	return x.records(ctx, func(_ history.Record, stored []byte) error {
		_, err := x.out.Write(append(stored, '\n'))
		return err
	})
}
