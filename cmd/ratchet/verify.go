package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

func verifyCommand(a *app) *cobra.Command {
	var recompute, rebuild bool
	var file string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "check the whole ledger: the chain of hashes, its anchor and its indexes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" {
				return a.verifyFile(file)
			}

			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}

			if rebuild {
				if err := l.Ledger.Rebuild(cmd.Context()); err != nil {
					return err
				}
			}

			report, err := l.Ledger.Verify(cmd.Context())
			if err == nil && recompute {
				err = recomputed(cmd.Context(), l.Ledger)
			}

			if err != nil {
				return err
			}

			return a.emit(report, func(w io.Writer) {
				if report.Records == 0 {
					fmt.Fprintln(w, "no ledger here yet: it begins with the first campaign")
					return
				}
				fmt.Fprintf(w,
					"the ledger is whole: %d records, campaigns: %d, head %.12s, anchored at record %d, %d index entries agree\n", report.Records, report.Campaigns, report.Head, report.Anchor, report.Indexed)

				if recompute {
					fmt.Fprintln(w, "every verdict follows from its runs")
				}
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "",
		"check the records of an exported file (jsonl) instead, from the file alone")
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "first derive the indexes anew from the records")
	cmd.Flags().BoolVar(&recompute, "recompute", false, "also derive every verdict again from its runs")
	cmd.MarkFlagsMutuallyExclusive("file", "rebuild")
	cmd.MarkFlagsMutuallyExclusive("file", "recompute")

	return cmd
}

// verifyFile checks what `ratchet export` wrote.
func (a *app) verifyFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return research.Errorf(research.CodeBadArgument, "name a file that `ratchet export` wrote", "can't read it: %w",
			err)
	}
	defer f.Close()

	c, err := ledger.CheckChain(f)
	if err != nil {
		return err
	}

	return a.emit(c, func(w io.Writer) {
		fmt.Fprintf(w, "the file is whole: %d records, %d to %d, head %.12s", c.Records, c.From, c.To, c.Head)

		if c.Gaps > 0 {
			fmt.Fprintf(w, "; records are left out at %d places, so the chain is broken there", c.Gaps)
		}
		fmt.Fprintln(w)
	})
}

// recomputed derives every verdict again.
func recomputed(ctx context.Context, l *ledger.Ledger) error {
	return l.View(ctx, func(tx *ledger.Tx) error {
		var failed error
		err := history.Recompute(func(yield func(history.Record) bool) {
			failed = tx.Records(1, func(r history.Record) error {
				if !yield(r) {
					return ledger.ErrStop
				}

				return nil
			})
		})

		if failed != nil {
			return failed
		}

		return err
	})
}
