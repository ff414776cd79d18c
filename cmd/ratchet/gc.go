package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ratchet/internal/job"
)

func gcCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "gc",
		Short: "remove the workspaces of campaigns that have ended, and what killed processes left",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}

			removed, err := job.CollectGarbage(cmd.Context(), l)
			if err != nil {
				return err
			}

			return a.emit(removed, func(w io.Writer) {
				for _, dir := range removed {
					fmt.Fprintln(w, "removed", dir)
				}
				fmt.Fprintf(w, "folders removed: %d; records and refs stay\n", len(removed))
			})
		},
	}
}
