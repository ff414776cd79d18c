package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/lab"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

func measureCommand(cli *app) *cobra.Command {
	var runs int
	var with, record string

	cmd := &cobra.Command{
		Use:   "measure [TARGET]",
		Short: "run a version of the campaign several times for its value and noise, or two for their difference",
		Long: `Runs a version (incumbent, which is the default, start, an experiment as x7, or a commit) several times for its value and
noise, or two in interleaved pairs for their difference. It takes run time of the campaign's hours, and changes no
verdict. --record writes the values of the version to a file, for "ratchet simulate --streams".`,
		Example: `  ratchet measure start --runs 50 --record streams/start.tsv`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			request := lab.MeasureRequest{With: with, Runs: runs, Target: "incumbent"}
			if len(args) > 0 {
				request.Target = args[0]
			}

			outcome, err := lab.Measure(cmd.Context(), co, request, nil) // follow shows how it goes on
			if outcome, err = cli.follow(cmd.Context(), co, outcome, err); err != nil {
				return err
			}

			if record != "" && outcome.ID != "" {
				stream, err := cli.readStream(cmd.Context(), co, outcome)
				if err == nil {
					err = writeFile(record, []byte(stream))
				}

				if err != nil {
					return err
				}
			}

			return cli.emit(outcome, func(w io.Writer) { fmt.Fprintln(w, cmp.Or(outcome.Finding, string(outcome.Status))) })
		},
	}
	cmd.Flags().IntVar(&runs, "runs", 5, "of each version, up to 100; 0 tells what more of them could show")
	cmd.Flags().StringVar(&with, "paired-with", "", "a version to compare it with, interleaved")
	cmd.Flags().StringVar(&record, "record", "", "write the values of the runs to this file")

	return cmd
}

// readStream is the stream of a measurement's runs of the version that was measured.
func (a *app) readStream(ctx context.Context, co *checkout.Checkout, outcome *job.Outcome) (stream string, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		campaign, err := tx.Campaign(outcome.Campaign)
		if err != nil {
			return err
		}

		runs, err := tx.Runs(campaign.Name, outcome.ID)
		measured := slices.DeleteFunc(runs, func(run rules.Run) bool { return run.Side != rules.Candidate })
		stream = history.FormatStream(measured, campaign.Program.Metric.Name)

		return err
	})

	return stream, err
}
