package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/terminal"
)

func stopCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stop [ID]",
		Short: "stop the loop: what runs is killed and recorded, and nothing starts until `ratchet resume`; with ID, that run only",
		Long: `Without ID the campaign rests: what runs now, of every session, is killed and recorded, agents are refused a new
experiment and are told to report and wait, and hooks that keep them going let them go. Nothing is lost: candidates
stay commits, and what was stopped may be run again. ` + "`ratchet resume`" + ` goes on.
With ID (x7, c1 …) that run alone is stopped, and the loop goes on.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			if len(args) == 0 {
				out, err := lab.StopLoop(cmd.Context(), co, cli.by())
				if err != nil {
					return err
				}

				return cli.emit(out, func(w io.Writer) { printLoop(w, out) })
			}

			s, err := lab.StopJob(cmd.Context(), co, args[0])
			if err != nil {
				return err
			}

			return cli.emit(s, func(w io.Writer) { fmt.Fprintf(w, "%s %s %s\n", s.Status, s.ID, s.Text) })
		},
	}
}

func resumeCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "let a loop that was stopped go on (a person, in a terminal)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !terminal.IsTerminal(cli.Stdin) {
				return research.Errorf(research.CodeStopped, "a person runs it, in a terminal",
					"going on after `ratchet stop` is a person's decision")
			}

			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			out, err := lab.ResumeLoop(cmd.Context(), co, cli.by())
			if err != nil {
				return err
			}

			return cli.emit(out, func(w io.Writer) { printLoop(w, out) })
		},
	}
}

// by is who stops or resumes the loop, as records say it.
func (a *app) by() string {
	if terminal.IsTerminal(a.Stdin) {
		return "terminal"
	}

	return "command"
}

func printLoop(output io.Writer, out *lab.LoopAnswer) {
	for _, s := range out.Stopped {
		fmt.Fprintf(output, "stopped %s %s\n", s.ID, s.Text)
	}

	already := ""
	if !out.Changed {
		already = ", as before"
	}
	fmt.Fprintf(output, "the loop of %s %s%s\nnext: %s\n", out.Campaign, out.Status, already, out.Next)
}
