package main

import "github.com/spf13/cobra"

func statusCommand(a *app) *cobra.Command {
	watch := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show where the campaign stands; --watch goes on showing it",
		Long: "On a terminal it is laid out for a person, elsewhere and with --json it is what an agent gets from\n" +
			"read_log. --watch shows it anew when something was recorded, and each second while something runs, until\n" +
			"Ctrl-C; where no terminal is it prints a line for each change, with --json a document for each.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return a.watch(cmd.Context())
			}

			err := a.readLog(cmd, logQuery{View: "brief"})
			if err == nil && !a.JSON {
				a.untold(cmd.Context())
			}

			return err
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, until Ctrl-C")

	return cmd
}
