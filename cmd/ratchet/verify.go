package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func verifyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "check the whole ledger: the chain of hashes, its anchor and its indexes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}
			report, err := l.Ledger().Verify(cmd.Context())
			if err != nil {
				return err
			}
			return a.emit(report, func(w io.Writer) { fmt.Fprintln(w, report) })
		},
	}
}
