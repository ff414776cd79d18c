package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ratchet/internal/lab"
)

func doctorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "try the program once, and tell what is missing, what this machine confines, how noisy the metric is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}
			h, err := l.Doctor(cmd.Context(), func(phase string) { fmt.Fprintln(a.Stderr, "…", phase) })
			if err != nil {
				return err
			}
			if err := a.emit(h, func(w io.Writer) { printHealth(w, h) }); err != nil || h.Problem == "" {
				return err
			}
			return silent(exitFailed)
		},
	}
}

func printHealth(w io.Writer, h *lab.Health) {
	fmt.Fprintf(w, "repository   %s\nprogram      %s\nconfinement  %s\n", h.Repository, h.Program, h.Tier)
	for _, s := range h.Gives {
		fmt.Fprintln(w, "  +", s)
	}
	for _, s := range h.Lacks {
		fmt.Fprintln(w, "  -", s)
	}
	fmt.Fprintf(w, "locks        %s\nruns made    %d\n", h.Locks, h.Runs)
	if h.Problem == "" {
		fmt.Fprintln(w, h.Finding)
		fmt.Fprintln(w, "next: add `ratchet mcp` to your agent and tell it: start the campaign")
		return
	}
	fmt.Fprintf(w, "problem      %s\n", h.Problem)
	if h.Excerpt != "" {
		fmt.Fprintf(w, "what it printed last:\n%s\n", h.Excerpt)
	}
	fmt.Fprintln(w, "next: mend it, and run `ratchet doctor` again")
}
