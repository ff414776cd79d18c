package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/research"
	"ratchet/internal/scaffold"
	"ratchet/internal/terminal"
)

// initFlags is what the user said instead of leaving it to detection.
type initFlags struct {
	scaffold.Request
	yes, force bool // ask nothing; overwrite program.md
}

func initCommand(cli *app) *cobra.Command {
	var in initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "write program.md: find the commands, propose a metric, ask for the rest",
		Long: "Looks for the repository's own benchmark, build and test commands and writes program.md, the contract\n" +
			"of the campaign. On a terminal it asks for what it can't find; elsewhere the flags must say it.\n\n" +
			"--from takes another program's files over instead: a folder with .auto/prompt.md and measure.sh (or\n" +
			"autoresearch.md and .sh), the program.md of karpathy/autoresearch by any name, or a Weco command line\n" +
			"in quotes. Flags go over what it finds. What can't be translated is named in program.md.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runInit(cli, in) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&in.Edit, "edit", nil, "the file that the agent may change")
	f.StringVar(&in.Name, "name", "", "the campaign's name (default: the folder's)")
	f.StringVar(&in.Metric, "metric", "", "the metric's name, as the run prints it (METRIC name=value)")
	f.StringVar(&in.Better, "better", "", "lower or higher")
	f.StringVar(&in.Unit, "unit", "", "the metric's unit")
	f.StringVar(&in.Run, "run", "", "the measured command")
	f.StringVar(&in.Build, "build", "", "a command that runs once per version, not measured")
	f.StringVar(&in.Check, "check", "", "a command that must pass before anything is kept")
	f.BoolVarP(&in.yes, "yes", "y", false, "ask nothing")
	f.BoolVar(&in.force, "force", false, "overwrite program.md")
	f.StringVar(&in.From, "from", "", "a folder, a file or \"weco run …\" to translate")
	cmd.MarkFlagsMutuallyExclusive("from", "force")

	return cmd
}

func runInit(cli *app, in initFlags) error {
	path, err := programPath(cli)
	if err != nil {
		return err
	}

	if _, err := os.Lstat(path); err == nil && !in.force {
		return in.refuseOverwrite(path)
	}
	dir := filepath.Dir(path)

	if offer := scaffold.OfferFrom(dir, path); offer != "" && in.Nothing() && !in.force {
		return research.Errorf(research.CodeConflict, "`"+offer+"`; or say --run, --metric and --edit yourself",
			"this folder has another tool's set-up, which `ratchet init --from` takes over")
	}

	proposal, render, err := in.Propose(dir)
	if err != nil {
		return err
	}
	in.Override(proposal)

	input, asking := terminalInput(cli)
	if asking = asking && !in.yes; asking {
		if err := scaffold.Ask(proposal, input, cli.Stderr); err != nil {
			return err
		}
	}

	text, program, err := render(proposal, in.Name, filepath.Base(dir))
	if err != nil {
		return err
	}

	if asking {
		fmt.Fprintf(cli.Stderr, "\n%s\n", text)

		if answer, err := scaffold.AskLine(input, cli.Stderr, "write "+path+"? [Y/n] "); err != nil ||
			strings.HasPrefix(strings.ToLower(answer), "n") {
			return research.Errorf(research.CodeCancelled, "run it again with --edit, --metric, --run …",
				"nothing was written")
		}
	}

	if err := scaffold.Write(path, text, in.force); err != nil {
		return err
	}

	return cli.emit(map[string]any{"path": path, "program": program, "found": proposal.Why}, func(out io.Writer) {
		for _, why := range proposal.Why {
			fmt.Fprintf(out, "found %s\n", why)
		}

		if domain := scaffold.FittingPlaybook(program); domain != "" {
			fmt.Fprintf(out, "playbook %s fits: the last line of program.md sends the agent there\n", domain)
		}
		fmt.Fprintf(out,
			"wrote %s: edit %s, %s, %s is better\nnext: read it, write the direction at its end, and try it with `ratchet doctor`; then tell your agent: start the campaign\n", path, strings.Join(program.Edit, ", "), program.Metric.Name, program.Metric.Better)
	})
}

// refuseOverwrite refuses to overwrite what is there.
func (in initFlags) refuseOverwrite(path string) error {
	next := "`ratchet init --force` overwrites it"
	if offer := scaffold.OfferFrom(filepath.Dir(path), path); offer != "" {
		next = "it is a direction for an agent: `" + offer + "` takes it over"
	}

	if in.From != "" {
		next = "`git mv program.md direction.md`, then `ratchet init --from direction.md`; or write another file beside it: `ratchet init --program ratchet.md --from …`"
	}

	return research.Errorf(research.CodeConflict, next, "%s exists already", path)
}

// programPath is where program.md goes: --program, else the folder of -C.
func programPath(cli *app) (string, error) {
	path := cli.Program
	if path == "" {
		path = "program.md"
	}

	if !filepath.IsAbs(path) {
		path = filepath.Join(cli.Dir, path)
	}

	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the folder: %w", err)
	}

	return path, nil
}

// terminalInput is standard input, where a person can answer.
func terminalInput(cli *app) (*bufio.Reader, bool) {
	if !terminal.IsTerminal(cli.Stdin) {
		return nil, false
	}

	return bufio.NewReader(cli.Stdin), true
}
