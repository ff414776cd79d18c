package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/clients"
	"ratchet/internal/scaffold"
	"ratchet/internal/worker"
)

func doctorCommand(cli *app) *cobra.Command {
	var canary, agents bool
	var clear, record string
	var runs int
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "try the program once, and tell what is missing, what this machine confines, how noisy the metric is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clear != "" {
				if err := worker.ClearGPU(clear); err != nil {
					return err
				}

				return cli.emit(map[string]string{"cleared": clear}, func(io.Writer) {})
			}

			if agents {
				return cli.inspectClients(cmd.Context())
			}

			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}
			p := cli.progress("trying the program", "")
			request := worker.DoctorRequest{Canary: canary, Say: p.Say}
			if record != "" {
				request.Record = runs
			}
			health, err := worker.Doctor(cmd.Context(), co, request)
			p.End()

			if err != nil {
				return err
			}

			if health.Problem != "" {
				health.Paste = adviseProgram(co, health)
			}

			if health.Stream != "" {
				if err := writeFile(record, []byte(health.Stream)); err != nil {
					return err
				}
			}

			err = cli.emit(health, func(w io.Writer) { printHealth(w, health) })
			if err == nil && (health.Problem != "" || slices.ContainsFunc(health.Canaries,
				func(k worker.Canary) bool { return !k.Held })) {
				err = silent(exitFailed)
			}

			return err
		},
	}
	cmd.Flags().BoolVar(&canary, "canary", false,
		"also try edits that must not be accepted (a copy, a slower one, two that forge the number), and show the verdicts")
	cmd.Flags().StringVar(&record, "record", "",
		"also make --runs runs, and write their values to this file, for `ratchet simulate --streams`")
	cmd.Flags().IntVar(&runs, "runs", 100, "how many runs --record makes")
	cmd.Flags().BoolVar(&agents, "clients", false,
		"list the coding agents that Ratchet is installed in, and whether it answers there; nothing else")
	cmd.Flags().StringVar(&clear, "clear-gpu", "", "take the GPU of this UUID out of quarantine, and do nothing else")

	return cmd
}

func printHealth(out io.Writer, health *worker.Health) {
	fmt.Fprintf(out, "repository   %s\nprogram      %s\nconfinement  %s\n", health.Repository, health.Program,
		health.Tier)

	for _, s := range health.Gives {
		fmt.Fprintln(out, "  +", s)
	}

	for _, s := range health.Lacks {
		fmt.Fprintln(out, "  -", s)
	}

	if len(health.Sees) > 0 {
		fmt.Fprintln(out, "runs see    ", strings.Join(health.Sees, ", "))
	}

	for _, s := range health.Unseen {
		fmt.Fprintln(out, "unseen      ", s)
	}

	if health.Storage != "" {
		fmt.Fprintln(out, "storage     ", health.Storage)
	}

	for _, g := range health.GPUs {
		fmt.Fprintln(out, "gpu         ", g)
	}

	for _, n := range health.Notify {
		fmt.Fprintln(out, "notify      ", n)
	}
	fmt.Fprintf(out, "locks        %s\nruns made    %d\n", health.Locks, health.Runs)

	if health.Problem == "" {
		fmt.Fprintln(out, health.Finding)

		if health.Advice != "" {
			fmt.Fprintln(out, health.Advice)
		}

		if health.Takes != "" {
			fmt.Fprintln(out, health.Takes)
		}

		for _, k := range health.Canaries {
			held := "not accepted, as it should be"
			if !k.Held {
				held = "WRONGLY ACCEPTED"
			}
			fmt.Fprintf(out, "canary       %s: %s\n             %s: %s\n", k.Name, k.Planted, held, k.Finding)
		}
		fmt.Fprintln(out, "next: add it to your agent with `ratchet install CLIENT`, and tell it: start the campaign")

		return
	}
	fmt.Fprintf(out, "problem      %s\n", health.Problem)

	if health.Excerpt != "" {
		fmt.Fprintf(out, "what it printed last:\n%s\n", health.Excerpt)
	}

	if len(health.Paste) > 0 {
		fmt.Fprintf(out, "what helps, in program.md or here:\n  %s\n", strings.Join(health.Paste, "\n  "))
	}
	fmt.Fprintln(out, "next: fix it, and run `ratchet doctor` again")
}

// adviseProgram is what helps against the problem that doctor found.
func adviseProgram(co *checkout.Checkout, health *worker.Health) []string {
	doc, err := co.ReadProgram("")
	if err != nil {
		return nil
	}

	output := health.Output
	if len(output) == 0 {
		output = []byte(health.Excerpt)
	}

	return scaffold.Advise(doc.Program, health.Problem, doc.Program.Name, output)
}

// inspectClients lists where Ratchet is installed, and whether it answers there.
func (a *app) inspectClients(ctx context.Context) error {
	machine, err := thisMachine()
	if err != nil {
		return err
	}

	all, err := clients.InspectAll(ctx, machine, clients.FindRepositoryTop(a.Dir))
	if err != nil {
		return err
	}

	err = a.emit(all, func(w io.Writer) { printInspections(w, all, a.Version) })
	if err == nil && slices.ContainsFunc(all, clients.Inspection.HasProblem) {
		err = silent(exitFailed)
	}

	return err
}

func printInspections(out io.Writer, all []clients.Inspection, own string) {
	for _, inspection := range all {
		if !inspection.Installed && inspection.Problem == "" && len(inspection.Loop) == 0 &&
			(!inspection.Found || inspection.Scope == clients.Project) {
			continue
		}

		state := "not installed"
		if inspection.Installed {
			state = fmt.Sprintf("answers: version %s, %d tools", inspection.Version, inspection.Tools)
			if inspection.Version != own {
				state += ", while this is " + own
			}
		}

		if inspection.Problem != "" {
			state = "PROBLEM: " + inspection.Problem
		}

		if inspection.Disabled {
			state += "; switched off in the client"
		}
		fmt.Fprintf(out, "%-12s %-8s %s\n             %s\n", inspection.Client, inspection.Scope, inspection.File,
			state)

		if inspection.Runs != "" {
			fmt.Fprintf(out, "             %s\n", inspection.Runs)
		}
		printLoopStates(out, inspection.Loop, own)
	}
	fmt.Fprintln(out,
		"files without Ratchet are left out for clients that are not on this machine, and for projects; `ratchet install` lists all clients")
}

func printLoopStates(out io.Writer, all []clients.LoopState, own string) {
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
		fmt.Fprintf(out, "             loop: %s: %s: %s\n", l.About, l.File, state)
	}
}
