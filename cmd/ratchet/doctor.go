package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"ratchet/internal/clients"
	"ratchet/internal/worker"
)

func doctorCommand(a *app) *cobra.Command {
	var canary, agents bool
	var clear string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "try the program once, and tell what is missing, what this machine confines, how noisy the metric is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clear != "" {
				if err := worker.ClearGPU(clear); err != nil {
					return err
				}

				return a.emit(map[string]string{"cleared": clear}, func(io.Writer) {})
			}

			if agents {
				return a.inspectClients(cmd.Context())
			}

			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}
			p := a.progress("trying the program", "")
			h, err := worker.Doctor(cmd.Context(), l, canary, p.Say)
			p.End()

			if err != nil {
				return err
			}

			err = a.emit(h, func(w io.Writer) { printHealth(w, h) })
			if err == nil && (h.Problem != "" || slices.ContainsFunc(h.Canaries,
				func(k worker.Canary) bool { return !k.Held })) {
				err = silent(exitFailed)
			}

			return err
		},
	}
	cmd.Flags().BoolVar(&canary, "canary", false,
		"also plant candidates that must not pass (a copy, a slowed one, two forgers), and show what the gate says")
	cmd.Flags().BoolVar(&agents, "clients", false,
		"list the coding agents that Ratchet is installed in, and whether it answers there; nothing else")
	cmd.Flags().StringVar(&clear, "clear-gpu", "", "take the GPU of this UUID out of quarantine, and do nothing else")

	return cmd
}

func printHealth(w io.Writer, h *worker.Health) {
	fmt.Fprintf(w, "repository   %s\nprogram      %s\nconfinement  %s\n", h.Repository, h.Program, h.Tier)

	for _, s := range h.Gives {
		fmt.Fprintln(w, "  +", s)
	}

	for _, s := range h.Lacks {
		fmt.Fprintln(w, "  -", s)
	}

	for _, s := range h.Unseen {
		fmt.Fprintln(w, "unseen      ", s)
	}

	if h.Storage != "" {
		fmt.Fprintln(w, "storage     ", h.Storage)
	}

	for _, g := range h.GPUs {
		fmt.Fprintln(w, "gpu         ", g)
	}

	for _, n := range h.Notify {
		fmt.Fprintln(w, "notify      ", n)
	}
	fmt.Fprintf(w, "locks        %s\nruns made    %d\n", h.Locks, h.Runs)

	if h.Problem == "" {
		fmt.Fprintln(w, h.Finding)

		for _, k := range h.Canaries {
			held := "held"
			if !k.Held {
				held = "PASSED THE GATE"
			}
			fmt.Fprintf(w, "canary       %s: %s\n             %s: %s\n", k.Name, k.Planted, held, k.Finding)
		}
		fmt.Fprintln(w, "next: add it to your agent with `ratchet install CLIENT`, and tell it: start the campaign")

		return
	}
	fmt.Fprintf(w, "problem      %s\n", h.Problem)

	if h.Excerpt != "" {
		fmt.Fprintf(w, "what it printed last:\n%s\n", h.Excerpt)
	}
	fmt.Fprintln(w, "next: mend it, and run `ratchet doctor` again")
}

// inspectClients lists where Ratchet is installed, and whether it answers there.
func (a *app) inspectClients(ctx context.Context) error {
	m, err := thisMachine()
	if err != nil {
		return err
	}

	all, err := clients.InspectAll(ctx, m, clients.RepositoryTop(a.Dir))
	if err != nil {
		return err
	}

	err = a.emit(all, func(w io.Writer) { printInspections(w, all, a.Version) })
	if err == nil && slices.ContainsFunc(all, clients.Inspection.HasProblem) {
		err = silent(exitFailed)
	}

	return err
}

func printInspections(w io.Writer, all []clients.Inspection, own string) {
	for _, k := range all {
		if !k.Installed && k.Problem == "" && len(k.Loop) == 0 && (!k.Found || k.Scope == clients.Project) {
			continue
		}

		state := "not installed"
		if k.Installed {
			state = fmt.Sprintf("answers: version %s, %d tools", k.Version, k.Tools)
			if k.Version != own {
				state += ", while this is " + own
			}
		}

		if k.Problem != "" {
			state = "PROBLEM: " + k.Problem
		}

		if k.Disabled {
			state += "; switched off in the client"
		}
		fmt.Fprintf(w, "%-12s %-8s %s\n             %s\n", k.Client, k.Scope, k.File, state)

		if k.Runs != "" {
			fmt.Fprintf(w, "             %s\n", k.Runs)
		}
		printLoopStates(w, k.Loop, own)
	}
	fmt.Fprintln(w,
		"files without Ratchet are left out for clients that are not on this machine, and for projects; `ratchet install` lists all clients")
}

func printLoopStates(w io.Writer, all []clients.LoopState, own string) {
	for _, l := range all {
		state := "there"

		switch {
		case l.Problem != "":
			state = "PROBLEM: " + l.Problem
		case l.Edited:
			state = "edited by hand since version " + l.Version + " wrote it"
		case l.Version != "" && l.Version != own:
			state = "of version " + l.Version + ", while this is " + own + ": install --with-loop again"
		case l.Version != "":
			state = "of version " + l.Version
		}
		fmt.Fprintf(w, "             loop: %s: %s: %s\n", l.About, l.File, state)
	}
}
