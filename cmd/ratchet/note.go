package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/lab"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/terminal"
)

func noteCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "note TEXT",
		Short: "say something to the agents (a person, in a terminal): every session of the campaign is told, once, with its next answer",
		Long: `Records a note of at most 2,000 bytes. Every session of the campaign is told: in the next answer of run_experiment,
wait_run, keep or revert, and in read_log's brief. That it was told is recorded. A note is a word, and no evidence: it
changes no verdict, budget or contract.`,
		Example: `  ratchet note "the cache is warm now: leave the loader alone, and try the batch size"`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !terminal.IsTerminal(cli.Stdin) { // agents are told that their human says it
				return research.Errorf(research.CodeBadArgument,
					"a person runs it, in a terminal, or writes it in the dashboard; sessions tell each other things with share", "a note is a person's word")
			}

			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			n, err := lab.AddNote(cmd.Context(), co, render.Clean(strings.Join(args, " ")), cli.by())
			if err != nil {
				return err
			}

			return cli.emit(map[string]int{"note": n}, func(w io.Writer) {
				fmt.Fprintf(w, "note %d is recorded; every session is told with its next answer\n", n)
			})
		},
	}
}
