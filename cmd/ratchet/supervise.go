package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/worker"
	"ratchet/sandbox"
)

// superviseCommand is the worker's process: `run_experiment` starts it,
// nobody types it.
func superviseCommand(cli *app) *cobra.Command {
	var campaign, job string
	cmd := &cobra.Command{
		Use:    "supervise",
		Short:  "do one job of a campaign (started by Ratchet itself)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Getenv("GOGC") == "" { // it lives for one job and leaves little: most end before they would collect
				debug.SetGCPercent(400)
			}

			l, err := cli.labFor(cmd.Context(), checkout.Client{Name: "supervisor", Version: cli.Version})
			if err == nil {
				err = worker.RunWorker(cmd.Context(), l, campaign, job)
			}
			sandbox.Ready(err) // a refusal; after an acknowledgement it does nothing

			return err
		},
	}
	cmd.Flags().StringVar(&campaign, "campaign", "", "the campaign's name")
	cmd.Flags().StringVar(&job, "job", "", "the job's id")
	cmd.Flags().StringVar(&cli.gitDir, "git-dir", "",
		"the checkout's git directory, with --common-dir: git is not asked")
	cmd.Flags().StringVar(&cli.commonDir, "common-dir", "", "the git directory that all checkouts share")

	return cmd
}
