package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ratchet/internal/lab"
)

func undoCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "undo",
		Short: "take the last keep back, by a new commit",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}

			u, err := lab.Undo(cmd.Context(), l)
			if err != nil {
				return err
			}

			return a.emit(u, func(w io.Writer) {
				fmt.Fprintf(w, "experiment %d is undone by commit %s\n", u.Experiment, u.Commit)

				for _, n := range u.Notes {
					fmt.Fprintln(w, n)
				}
			})
		},
	}
}
