package main

import "github.com/spf13/cobra"

func rootCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ratchet",
		Short: "a research loop that any coding agent can drive: edit, run, measure, keep or revert",
		Long: "Ratchet gives a coding agent the tools of a research loop on this repository: it owns the budget,\n" +
			"the scope, the measurement, the verdict, the git history and the ledger. Start with `ratchet init`,\n" +
			"add it to your agent with `ratchet install CLIENT`, and tell it to start the campaign.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f := cmd.PersistentFlags()
	f.StringVarP(&a.Dir, "dir", "C", "", "work in this folder")
	f.StringVar(&a.Program, "program", "", "path of program.md (default: the nearest one)")
	f.StringVar(&a.Ledger, "ledger", "", "path of the ledger (default: ratchet/ledger.db in the git folder)")
	f.BoolVar(&a.JSON, "json", false, "print JSON")
	f.BoolVar(&a.Verbose, "verbose", false, "tell how long work goes on also where there is no terminal, on stderr")
	f.StringVar(&a.Color, "color", colorAuto,
		"colours: auto (on a terminal), always or never; NO_COLOR, CLICOLOR and CLICOLOR_FORCE count")
	cmd.AddCommand(
		initCommand(a), doctorCommand(a), demoCommand(a), installCommand(a), uninstallCommand(a),
		mcpCommand(a), serveCommand(a), tokenCommand(a), callCommand(a), superviseCommand(a),
		statusCommand(a), logCommand(a), showCommand(a), plotCommand(a), reportCommand(a), verifyCommand(a),
		exportCommand(a), importCommand(a), backupCommand(a), auditCommand(a), finalizeCommand(a), stopCommand(a),
		resumeCommand(a), hookCommand(a), undoCommand(a), notifyCommand(a), acceptCommand(a), overrideCommand(a),
		abandonCommand(a), gcCommand(a), simulateCommand(a), versionCommand(a),
	)
	cmd.AddCommand(uiCommand(a), noteCommand(a))
	cmd.AddCommand(building(a)...)
	complete(a, cmd)

	return cmd
}
