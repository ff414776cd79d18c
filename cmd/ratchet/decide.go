package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/lab"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/terminal"
	"ratchet/tools"
)

func overrideCommand(cli *app) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "override [EXPERIMENT]",
		Short: "keep an experiment against its verdict (a person, in a terminal)",
		Long: "Keeps a judged experiment whose verdict does not allow that: the latest one of this checkout, or the one\n" +
			"named (x7). It is recorded as a person's decision, proves nothing, and no view counts it as a gain that was shown.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			found, err := lab.FindOverridable(cmd.Context(), co, strings.Join(args, ""))
			if err != nil {
				return err
			}

			if !terminal.IsTerminal(cli.Stdin) {
				return research.Errorf(research.CodeVerdict, "run it yourself, in a terminal",
					"keeping against the verdict is a person's decision")
			}
			fmt.Fprintf(cli.talk(),
				"%s: %s\n%s\nkeep refuses it: %s\n", found.ID, notify.Visible(found.Hypothesis),
				notify.Visible(found.Words), notify.Visible(found.Why))

			if err := cli.typed(found.Campaign, "keep it nevertheless"); err != nil {
				return err
			}

			word, err := askWord(cli, co)
			if err != nil {
				return err
			}

			kept, err := lab.Keep(cmd.Context(), co, lab.KeepRequest{ID: string(found.ID), Note: note,
				Override: word})
			if err != nil {
				return err
			}
			cli.print(tools.RenderKept(kept))

			return nil
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for the record")

	return cmd
}

func undoCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "undo",
		Short: "take the last keep back, by a new commit",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			u, err := lab.Undo(cmd.Context(), co)
			if err != nil {
				return err
			}

			return cli.emit(u, func(out io.Writer) {
				fmt.Fprintf(out, "experiment %d is undone by commit %s\n", u.Experiment, u.Commit)

				for _, n := range u.Notes {
					fmt.Fprintln(out, n)
				}
			})
		},
	}
}

func abandonCommand(cli *app) *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "abandon",
		Short: "end the campaign; its records stay",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			lines, err := lab.Abandon(cmd.Context(), co, remove)
			if err != nil {
				return err
			}

			return cli.emit(lines, func(w io.Writer) {
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
