package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ratchet/internal/lab"
)

func abandonCommand(a *app) *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "abandon",
		Short: "end the campaign; its records stay",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}

			lines, err := lab.Abandon(cmd.Context(), l, remove)
			if err != nil {
				return err
			}

			return a.emit(lines, func(w io.Writer) {
				for _, s := range lines {
					fmt.Fprintln(w, s)
				}
			})
		},
	}
	cmd.Flags().BoolVar(&remove, "remove-refs", false,
		"also remove the refs below refs/ratchet/<name>: candidates that were not kept may then be collected by git")

	return cmd
}
