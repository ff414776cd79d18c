package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/worker"
	"ratchet/sandbox"
)

// superviseCommand is the worker's process: `run_experiment` starts it,
// nobody types it.
func superviseCommand(cli *app) *cobra.Command {
	var first host.Job
	var standby string
	cmd := &cobra.Command{
		Use:    "supervise",
		Short:  "do a job of a campaign, and those that are handed over after it (started by Ratchet itself)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Getenv("GOGC") == "" { // a job leaves little: most end before they would collect
				debug.SetGCPercent(400)
			}

			co, err := cli.labFor(cmd.Context(), checkout.Client{Name: "supervisor", Version: cli.Version})
			if err == nil {
				err = superviseJobs(cmd.Context(), co, first, standby)
			}
			sandbox.Ready(err) // a refusal; after an acknowledgement it does nothing

			return err
		},
	}
	cmd.Flags().StringVar(&first.Campaign, "campaign", "", "the campaign's name")
	cmd.Flags().StringVar((*string)(&first.ID), "job", "", "the job's id")
	cmd.Flags().StringVar(&standby, "standby", "", "the key under which it takes more jobs")
	cmd.Flags().StringVar(&cli.gitDir, "git-dir", "",
		"the checkout's git directory, with --common-dir: git is not asked")
	cmd.Flags().StringVar(&cli.commonDir, "common-dir", "", "the git directory that all checkouts share")

	return cmd
}

// idleVariable is how long a worker waits for another job before it exits.
const idleVariable = "RATCHET_WORKER_IDLE"

// defaultIdle is its default: long enough for an agent to think of the next edit.
const defaultIdle = time.Minute

// superviseJobs does the first job, and more while they come.
func superviseJobs(ctx context.Context, co *checkout.Checkout, first host.Job, standby string) error {
	idle := defaultIdle

	if text := os.Getenv(idleVariable); text != "" {
		var err error
		if idle, err = time.ParseDuration(text); err != nil || idle < 0 {
			return research.Errorf(research.CodeBadArgument,
				"set it to a duration, such as 90s or 5m, or to 0s for a new process each time",
				"%s=%s is not a duration", idleVariable, text)
		}
	}

	return worker.RunWorker(ctx, co, first, standby, idle)
}
