package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/research"
)

func backupCommand(a *app) *cobra.Command {
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
			return a.backup(cmd, args[0], outputs)
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

	l, err := a.lab(cmd.Context())
	if err != nil {
		return err
	}

	report, err := l.Ledger.Backup(cmd.Context(), file)
	if err != nil {
		return err
	}

	s := saved{File: file, Anchor: strings.TrimSuffix(file, ".db") + ".head", Records: report.Records,
		Head: report.Head}
	if info, err := os.Stat(file); err == nil {
		s.Bytes = info.Size()
	}

	if outputs {
		if s.Outputs, s.Left, err = l.Ledger.BackupOutputs(file); err != nil {
			return err
		}
	}

	return a.emit(s, func(w io.Writer) {
		fmt.Fprintf(w, "backed up and verified: %d records, head %.12s\n%s (%d bytes), %s\n", s.Records, s.Head, s.File,
			s.Bytes, s.Anchor)

		if outputs {
			fmt.Fprintf(w, "outputs copied: %d, left out: %d\n", s.Outputs, s.Left)
		}
	})
}
