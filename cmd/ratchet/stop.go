package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func stopCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stop [ID]",
		Short: "stop what runs: it is killed and recorded",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			s, err := l.Stop(cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.emit(s, func(w io.Writer) { fmt.Fprintf(w, "%s %s %s\n", s.Status, s.ID, s.Text) })
		},
	}
}
