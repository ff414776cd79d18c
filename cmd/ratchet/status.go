package main

import "github.com/spf13/cobra"

func statusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "show where the campaign stands: what an agent gets from read_log",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.readLog(cmd, logQuery{View: "brief"})
			if err == nil && !a.JSON {
				a.untold(cmd.Context())
			}
			return err
		},
	}
}
