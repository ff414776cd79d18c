package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/scaffold"
	"ratchet/internal/terminal"
	"ratchet/internal/wording"
	"ratchet/internal/worker"
)

// initFlags is what the user said instead of leaving it to detection.
type initFlags struct {
	scaffold.Request
	yes, force  bool // ask nothing; overwrite program.md
	list, noTry bool // only show what can be measured; don't run it
}

func initCommand(cli *app) *cobra.Command {
	var in initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "write program.md: find the benchmark, run it once, ask for the rest",
		Long: "Looks for the repository's own benchmark, build and test commands, runs what it proposes once, confined as\n" +
			"in a campaign, and writes program.md, the contract of the campaign. --list shows what else there is to\n" +
			"measure, and --use chooses it. On a terminal it asks for what it can't find; elsewhere the flags must say it.\n" +
			"Flags override what is found.\n\n" +
			"--from says where the metric comes from (output, cpu, wall, max_rss, file:PATH#/POINTER, regex:EXPR), or\n" +
			"takes another program's files over: a folder with .auto/prompt.md and measure.sh (or autoresearch.md and\n" +
			".sh), the program.md of karpathy/autoresearch by any name, or a Weco command line in quotes. What can't be\n" +
			"translated is named in program.md.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runInit(cmd.Context(), cli, in) },
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
	f.StringVar(&in.Use, "use", "", "which of the things that --list shows is measured")
	f.BoolVar(&in.list, "list", false, "show what can be measured here, and write nothing")
	f.BoolVar(&in.noTry, "no-try", false, "don't run the proposal before it is written")
	f.BoolVarP(&in.yes, "yes", "y", false, "ask nothing")
	f.BoolVar(&in.force, "force", false, "overwrite program.md")
	f.StringVar(&in.From, "from", "",
		"where the metric comes from, or another tool's set-up: a folder, a file or \"weco run …\"")

	return cmd
}

func runInit(ctx context.Context, cli *app, in initFlags) error {
	path, err := programPath(cli)
	if err != nil {
		return err
	}

	if in.force && in.TakesOver() {
		return research.Errorf(research.CodeBadArgument, "leave one of them out",
			"--force and --from with another tool's set-up don't go together")
	}

	if _, err := os.Lstat(path); err == nil && !in.force && !in.list {
		return in.refuseOverwrite(path)
	}
	dir := filepath.Dir(path)

	if offer := scaffold.OfferFrom(dir, path); offer != "" && in.Nothing() && !in.force && !in.list {
		return research.Errorf(research.CodeConflict, "`"+offer+"`; or say --run, --metric and --edit yourself",
			"this folder has another tool's set-up, which `ratchet init --from` takes over")
	}

	all, render, err := in.Propose(dir)
	if err != nil {
		return err
	}

	if in.list {
		return listProposals(cli, all)
	}

	input, asking := terminalInput(cli)
	if asking = asking && !in.yes; asking {
		in.Override(all[0])

		if err := scaffold.Ask(all[0], input, cli.Stderr); err != nil {
			return err
		}
	}

	try := newTrier(cli, path)
	if in.noTry {
		try = nil
	}

	choice, err := in.Choose(ctx, all, render, filepath.Base(dir), try)
	if err != nil {
		return err
	}

	if asking {
		fmt.Fprintf(cli.Stderr, "\n%s\n", choice.Text)

		if answer, err := scaffold.AskLine(input, cli.Stderr, "write "+path+"? [Y/n] "); err != nil ||
			strings.HasPrefix(strings.ToLower(answer), "n") {
			return research.Errorf(research.CodeCancelled, "run it again with --edit, --metric, --run …",
				"nothing was written")
		}
	}

	if err := scaffold.Write(path, choice.Text, in.force); err != nil {
		return err
	}

	return cli.emit(encodeChoice(path, choice), func(out io.Writer) { printChoice(out, path, choice) })
}

// newTrier runs a program once, as doctor does; path is where it will lie.
func newTrier(cli *app, path string) scaffold.Trier {
	return func(ctx context.Context, doc *contract.Document, proposal *scaffold.Proposal) (*scaffold.Trial, error) {
		co, err := cli.lab(ctx)
		if err != nil {
			return nil, err
		}

		found, err := checkout.NewProgramDocument(co, path, doc)
		if err != nil {
			return nil, err
		}

		progress := cli.progress("trying "+proposal.What+" once", "")
		defer progress.End()

		health, err := worker.Doctor(ctx, co, worker.DoctorRequest{Program: found, Once: true, Say: progress.Say})
		if err != nil {
			return nil, err
		}

		trial := &scaffold.Trial{Value: health.Value, Seconds: health.RunSeconds, Problem: health.Problem,
			FailedCheck: health.FailedCheck, Output: health.Output, Excerpt: health.Excerpt}
		if len(trial.Output) == 0 {
			trial.Output = []byte(health.Excerpt)
		}

		return trial, nil
	}
}

// listProposals shows what can be measured.
func listProposals(cli *app, all []*scaffold.Proposal) error {
	type row struct {
		Use  string   `json:"use"`
		What string   `json:"what"`
		Run  string   `json:"run"`
		Edit []string `json:"edit"`
	}
	rows := []row{}

	for _, p := range all {
		if p.Use != "" {
			rows = append(rows, row{Use: p.Use, What: p.What, Run: p.Run, Edit: p.Edit})
		}
	}

	return cli.emit(rows, func(out io.Writer) {
		if len(rows) == 0 {
			fmt.Fprintln(out, "no benchmark, program or test was found here\nnext: `ratchet init --edit FILE --run 'COMMAND' --metric NAME --better lower`")
			return
		}

		for _, line := range scaffold.ListOthers(all, len(all)) {
			fmt.Fprintln(out, line)
		}
	})
}

// encodeChoice is a choice for programs.
func encodeChoice(path string, c *scaffold.Choice) map[string]any {
	told := map[string]any{"path": path, "program": c.Program, "found": c.Proposal.Why}

	if c.Trial != nil {
		told["tried"] = map[string]any{"value": c.Trial.Value, "run_seconds": c.Trial.Seconds}
	}

	if c.Untried != "" {
		told["not_tried"] = c.Untried
	}

	if len(c.Failed) > 0 {
		told["failed"] = c.Failed
	}

	if others := scaffold.ListOthers(c.Others, 5); len(others) > 0 {
		told["others"] = others
	}

	return told
}

// printChoice says what was found and tried, and what else there is.
func printChoice(out io.Writer, path string, choice *scaffold.Choice) {
	program := choice.Program

	for _, failed := range choice.Failed {
		fmt.Fprintf(out, "tried %s\n", failed)
	}

	for _, why := range choice.Proposal.Why {
		fmt.Fprintf(out, "found %s\n", why)
	}

	if choice.Trial != nil && choice.Trial.Value != nil {
		fmt.Fprintf(out, "tried it once: %s, in %s\n", scaffold.FormatSample(program.Metric, *choice.Trial.Value),
			wording.FormatDuration(choice.Trial.Seconds))
	}

	if choice.Trial != nil && choice.Trial.Seconds > longRun && len(choice.Others) > 0 {
		fmt.Fprintln(out, "a run takes long, and a verdict needs several: choose a shorter benchmark with --use if there is one")
	}

	if choice.Untried != "" {
		fmt.Fprintf(out, "not tried: %s\n", choice.Untried)
	}

	for _, number := range choice.Numbers {
		fmt.Fprintf(out, "it also printed %q: %s\n", strings.TrimSpace(number.Line), number.Describe())
	}

	for _, other := range scaffold.ListOthers(choice.Others, maxOthers) {
		fmt.Fprintf(out, "or measure %s\n", other)
	}

	if more := len(choice.Others) - maxOthers; more > 0 {
		fmt.Fprintf(out, "and %d more: `ratchet init --list`\n", more)
	}

	if len(choice.Proposal.Like) > 0 {
		fmt.Fprintf(out, "or edit %s: --edit FILE\n", strings.Join(choice.Proposal.Like, ", "))
	}

	if domain := scaffold.FittingPlaybook(program); domain != "" {
		fmt.Fprintf(out, "playbook %s fits: the last line of program.md sends the agent there\n", domain)
	}
	fmt.Fprintf(out,
		"wrote %s: edit %s, %s, %s is better\nnext: read it, write the direction at its end, and try it with `ratchet doctor` (no commit of it is needed); then tell your agent: start the campaign\n", path, strings.Join(program.Edit, ", "), program.Metric.Name, program.Metric.Better)
}

// longRun is how many seconds a run may take until that is told.
const longRun = 60

// maxOthers is how many other things to measure are shown.
const maxOthers = 4

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
