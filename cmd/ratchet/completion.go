package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/examples"
	"ratchet/internal/clients"
	"ratchet/internal/plots"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/terminal"
	"ratchet/internal/view"
	"ratchet/internal/wording"
	"ratchet/tools"
)

// complete makes `ratchet completion SHELL` offer what there is: names of
// tools, clients and examples, numbers of experiments, ids of what runs. What can't be
// read offers nothing; nothing is printed.
func complete(cli *app, root *cobra.Command) {
	first := map[string]func(*cobra.Command) []cobra.Completion{
		"call": func(*cobra.Command) []cobra.Completion { return toolCompletions() },
		"show": func(cmd *cobra.Command) []cobra.Completion { return experimentCompletions(cli, cmd) },
		"stop": func(cmd *cobra.Command) []cobra.Completion { return jobCompletions(cli, cmd) },

		"install":   func(*cobra.Command) []cobra.Completion { return clientCompletions() },
		"uninstall": func(*cobra.Command) []cobra.Completion { return clientCompletions() },
	}

	first["plot"] = func(*cobra.Command) []cobra.Completion { return plots.Kinds }
	for _, cmd := range root.Commands() {
		values := first[cmd.Name()]
		cmd.ValidArgsFunction = func(
			cmd *cobra.Command, args []string, _ string,
		) ([]cobra.Completion, cobra.ShellCompDirective) {
			if values == nil || len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}

			return values(cmd), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		}
	}
	_ = root.MarkPersistentFlagDirname("dir") // these flags exist
	_ = root.MarkPersistentFlagFilename("program", "md")
	_ = root.RegisterFlagCompletionFunc("color",
		cobra.FixedCompletions([]string{terminal.ColorAuto, terminal.ColorAlways, terminal.ColorNever},
			cobra.ShellCompDirectiveNoFileComp))
	fixed(root, "init", "better", "lower", "higher")
	fixed(root, "install", "scope", string(clients.User), string(clients.Project))
	fixed(root, "uninstall", "scope", string(clients.User), string(clients.Project))
	fixed(root, "plot", "theme", "light", "dark")
	fixed(root, "demo", "example", examples.Names()...)
}

// fixed gives a command's flag the values that it may have.
func fixed(root *cobra.Command, command, flag string, values ...string) {
	if cmd, _, err := root.Find([]string{command}); err == nil {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

func toolCompletions() (out []cobra.Completion) {
	for _, t := range tools.All() {
		about, _, _ := strings.Cut(t.About, ". ")
		out = append(out, cobra.CompletionWithDesc(t.Name, about))
	}

	return out
}

func clientCompletions() (out []cobra.Completion) {
	for _, c := range clients.AllClients() {
		out = append(out, cobra.CompletionWithDesc(c.ID, c.Name))
	}

	return out
}

// experimentCompletions are the newest experiments, with their hypotheses.
func experimentCompletions(a *app, cmd *cobra.Command) (out []cobra.Completion) {
	co, err := a.lab(cmd.Context())
	if err != nil {
		return nil
	}

	page, err := view.ListExperiments(cmd.Context(), co, view.Query{Limit: 30})
	if err != nil {
		return nil
	}

	for _, experiment := range page.Experiments {
		verdict := "running"
		if experiment.Judgement != nil {
			verdict = string(experiment.Judgement.Verdict)
		}
		words := strings.Join(strings.Fields(render.Clean(experiment.Hypothesis)), " ")
		out = append(out, cobra.CompletionWithDesc(fmt.Sprint(experiment.N), wording.Truncate(verdict+": "+words, 70)))
	}

	return out
}

// jobCompletions are the jobs that run now.
func jobCompletions(a *app, cmd *cobra.Command) (out []cobra.Completion) {
	co, err := a.lab(cmd.Context())
	if err != nil {
		return nil
	}

	brief, err := view.ReadBrief(cmd.Context(), co)
	if err != nil {
		return nil
	}

	for _, j := range brief.Running {
		out = append(out, cobra.CompletionWithDesc(string(j.ID), jobWord(j.ID)+", "+j.Phase))
	}

	return out
}

func jobWord(id research.JobID) string {
	switch id.Kind() {
	case research.CalibrationJob:
		return "calibration"
	case research.MeasurementJob:
		return "measurement"
	case research.CertificateJob:
		return "certificate"
	case research.AuditJob:
		return "audit"
	}

	return "experiment"
}

// buildCommands are the commands that only the build of a release has; see man.go.
var buildCommands = func(*app) []*cobra.Command { return nil }
