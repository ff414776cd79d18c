package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

func verifyCommand(cli *app) *cobra.Command {
	var recompute, rebuild bool
	var file string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "check the whole ledger: the chain of hashes, its anchor and its indexes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" {
				return cli.verifyFile(file)
			}

			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			if rebuild {
				if err := co.Ledger.Rebuild(cmd.Context()); err != nil {
					return err
				}
			}

			report, err := co.Ledger.Verify(cmd.Context())
			if err == nil && recompute {
				err = recomputed(cmd.Context(), co.Ledger)
			}

			if err != nil {
				return err
			}

			return cli.emit(report, func(out io.Writer) {
				if report.Records == 0 {
					fmt.Fprintln(out, "no ledger here yet: it begins with the first campaign")
					return
				}
				fmt.Fprintf(out,
					"the ledger is whole: %d records, campaigns: %d, head %.12s, anchored at record %d, %d index entries agree\n", report.Records, report.Campaigns, report.Head, report.Anchor, report.Indexed)

				if recompute {
					fmt.Fprintln(out, "every verdict follows from its runs")
				}
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "",
		"check the records of an exported file (jsonl) instead, from the file alone")
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "first derive the indexes again from the records")
	cmd.Flags().BoolVar(&recompute, "recompute", false, "also derive every verdict again from its runs")
	cmd.MarkFlagsMutuallyExclusive("file", "rebuild")
	cmd.MarkFlagsMutuallyExclusive("file", "recompute")

	return cmd
}

// verifyFile checks what `ratchet export` wrote.
func (a *app) verifyFile(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return research.Errorf(research.CodeBadArgument, "name a file that `ratchet export` wrote", "can't read it: %w",
			err)
	}
	defer file.Close()

	c, err := ledger.CheckChain(file)
	if err != nil {
		return err
	}

	return a.emit(c, func(out io.Writer) {
		fmt.Fprintf(out, "the file is whole: %d records, %d to %d, head %.12s", c.Records, c.From, c.To, c.Head)

		if c.Gaps > 0 {
			fmt.Fprintf(out, "; records are left out at %d places, so the chain is broken there", c.Gaps)
		}
		fmt.Fprintln(out)
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

func backupCommand(cli *app) *cobra.Command {
	var outputs bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "copy the ledger to FILE (NAME.db) and its anchor to NAME.head, while others use it",
		Long: "The copy is consistent, checked as `ratchet verify` does, and appears only when it is complete; it is\n" +
			"itself a ledger: `ratchet --ledger FILE log` reads it, `ratchet --ledger FILE verify` checks it.\n" +
			"An existing file is never overwritten.\n\n" +
			"To restore: end what uses the ledger, move ledger.db and ledger.head in the folder `ratchet` of the git\n" +
			"directory (git rev-parse --git-common-dir) away, copy FILE there as ledger.db and NAME.head as\n" +
			"ledger.head, and run `ratchet verify`. Both must come from one backup.",
		Example: "  ratchet backup ~/backups/sort-2026-11-23.db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cli.backup(cmd, args[0], outputs)
		},
	}
	cmd.Flags().BoolVar(&outputs, "outputs", false,
		"also copy what runs printed, to the folder outputs beside FILE, which backups share")

	return cmd
}

// saved is what backup made.
type saved struct {
	File    string `json:"file"`
	Anchor  string `json:"anchor"`
	Bytes   int64  `json:"bytes"`
	Records uint64 `json:"records"`
	Head    string `json:"head"`
	Outputs int    `json:"outputs"`      // copied by this backup
	Left    int    `json:"outputs_left"` // gone or altered, and so left out
}

func (a *app) backup(cmd *cobra.Command, file string, outputs bool) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("find %s: %w", file, err)
	}

	if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
		return research.Errorf(research.CodeBadArgument, "create it, or name another", "there is no folder %s",
			filepath.Dir(file))
	}

	co, err := a.lab(cmd.Context())
	if err != nil {
		return err
	}

	report, err := co.Ledger.Backup(cmd.Context(), file)
	if err != nil {
		return err
	}

	s := saved{File: file, Anchor: strings.TrimSuffix(file, ".db") + ".head", Records: report.Records,
		Head: report.Head}
	if info, err := os.Stat(file); err == nil {
		s.Bytes = info.Size()
	}

	if outputs {
		if s.Outputs, s.Left, err = co.Ledger.BackupOutputs(file); err != nil {
			return err
		}
	}

	return a.emit(s, func(out io.Writer) {
		fmt.Fprintf(out, "backed up and verified: %d records, head %.12s\n%s (%d bytes), %s\n", s.Records, s.Head,
			s.File, s.Bytes, s.Anchor)

		if outputs {
			fmt.Fprintf(out, "outputs copied: %d, left out: %d\n", s.Outputs, s.Left)
		}
	})
}

func gcCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "gc",
		Short: "remove the workspaces of campaigns that have ended, and what killed processes left",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			removed, err := job.CollectGarbage(cmd.Context(), co)
			if err != nil {
				return err
			}

			return cli.emit(removed, func(out io.Writer) {
				for _, dir := range removed {
					fmt.Fprintln(out, "removed", dir)
				}
				fmt.Fprintf(out, "folders removed: %d; records and refs stay\n", len(removed))
			})
		},
	}
}
