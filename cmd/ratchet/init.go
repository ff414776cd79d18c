package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/prompts"
)

// initFlags is what the user said instead of leaving it to detection.
type initFlags struct {
	edit                                          []string
	name, metric, better, unit, run, build, check string
	yes, force                                    bool
	from                                          string
}

func initCommand(a *app) *cobra.Command {
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
		RunE: func(*cobra.Command, []string) error { return runInit(a, in) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&in.edit, "edit", nil, "the file that the agent may change")
	f.StringVar(&in.name, "name", "", "the campaign's name (default: the folder's)")
	f.StringVar(&in.metric, "metric", "", "the metric's name, as the run prints it (METRIC name=value)")
	f.StringVar(&in.better, "better", "", "lower or higher")
	f.StringVar(&in.unit, "unit", "", "the metric's unit")
	f.StringVar(&in.run, "run", "", "the measured command")
	f.StringVar(&in.build, "build", "", "a command that runs once per version, not measured")
	f.StringVar(&in.check, "check", "", "a command that must pass before anything is kept")
	f.BoolVarP(&in.yes, "yes", "y", false, "ask nothing")
	f.BoolVar(&in.force, "force", false, "overwrite program.md")
	f.StringVar(&in.from, "from", "", "a folder, a file or \"weco run …\" to translate")
	cmd.MarkFlagsMutuallyExclusive("from", "force")

	return cmd
}

func runInit(a *app, in initFlags) error {
	path, err := programPath(a)
	if err != nil {
		return err
	}

	if _, err := os.Lstat(path); err == nil && !in.force {
		return in.inTheWay(path)
	}
	dir := filepath.Dir(path)

	p, render, err := in.propose(dir)
	if err != nil {
		return err
	}
	in.over(p)

	input, asking := terminalInput(a)
	if asking = asking && !in.yes; asking {
		if err := askFor(p, input, a.Stderr); err != nil {
			return err
		}
	}

	text, program, err := render(p, in.name, filepath.Base(dir))
	if err != nil {
		return err
	}

	if asking {
		fmt.Fprintf(a.Stderr, "\n%s\n", text)

		if answer, err := question(input, a.Stderr, "write "+path+"? [Y/n] "); err != nil ||
			strings.HasPrefix(strings.ToLower(answer), "n") {
			return research.Errorf(research.CodeCancelled, "run it again with --edit, --metric, --run …",
				"nothing was written")
		}
	}

	if err := writeProgram(path, text, in.force); err != nil {
		return err
	}

	return a.emit(map[string]any{"path": path, "program": program, "found": p.Why}, func(w io.Writer) {
		for _, why := range p.Why {
			fmt.Fprintf(w, "found %s\n", why)
		}

		if domain := fitting(program); domain != "" {
			fmt.Fprintf(w, "playbook %s fits: the last line of program.md sends the agent there\n", domain)
		}
		fmt.Fprintf(w,
			"wrote %s: edit %s, %s, %s is better\nnext: read it, write the direction at its end, and try it with `ratchet doctor`; then tell your agent: start the campaign\n", path, strings.Join(program.Edit, ", "), program.Metric.Name, program.Metric.Better)
	})
}

// inTheWay refuses to overwrite what is there.
func (in initFlags) inTheWay(path string) error {
	next := "`ratchet init --force` overwrites it"
	if in.from != "" {
		next = "`git mv program.md direction.md`, then `ratchet init --from direction.md`; or write another file beside it: `ratchet init --program ratchet.md --from …`"
	}

	return research.Errorf(research.CodeConflict, next, "%s exists already", path)
}

// renderer makes program.md of a proposal.
type renderer func(p *proposal, name, folder string) ([]byte, contract.Program, error)

// propose finds what there is to say: in the repository, or in what --from names.
func (in initFlags) propose(dir string) (*proposal, renderer, error) {
	if in.from != "" {
		t, err := fromSource(in.from, dir)
		if err != nil {
			return nil, nil, err
		}

		return &t.proposal, t.render, nil
	}

	p, err := detect(os.DirFS(dir))
	if err != nil {
		return nil, nil, research.Errorf(research.CodeRepository, "name the repository's folder with -C",
			"the folder %s can't be read: %w", dir, err)
	}

	return p, renderProposal, nil
}

// programPath is where program.md goes: --program, else the folder of -C.
func programPath(a *app) (string, error) {
	path := a.Program
	if path == "" {
		path = "program.md"
	}

	if !filepath.IsAbs(path) {
		path = filepath.Join(a.Dir, path)
	}

	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the folder: %w", err)
	}

	return path, nil
}

// over puts the flags over what was detected. A command of the user's own
// prints its own metric: the detected one and its build go, and tests that were
// to be measured become the check.
func (in initFlags) over(p *proposal) {
	if in.run != "" && in.run != p.Run {
		p.Run, p.Build, p.Metric, p.Why, p.Check = in.run, "", contract.Metric{}, nil, cmp.Or(p.Check, p.Tests)
	}

	if in.metric != "" && in.metric != p.Metric.Name {
		p.Metric = contract.Metric{Name: in.metric, Better: better(in.metric)}
	}

	if in.better != "" {
		p.Metric.Better = research.Direction(in.better)
	}

	if in.unit != "" {
		p.Metric.Unit = in.unit
	}

	if in.build != "" {
		p.Build = in.build
	}

	if in.check != "" {
		p.Check = in.check
	}

	if len(in.edit) > 0 {
		p.Edit = in.edit
	}
}

// terminalInput is standard input when a person is there to answer.
func terminalInput(a *app) (*bufio.Reader, bool) {
	f, ok := a.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, false
	}

	return bufio.NewReader(f), true
}

// askFor asks for what is missing, and for nothing else.
func askFor(p *proposal, in *bufio.Reader, out io.Writer) error {
	for _, q := range []struct {
		flag, text string
		set        func(string)
	}{
		{"--edit", "the one file that the agent may change" + p.perhaps() + ": ",
			func(s string) { p.Edit = strings.Fields(s) }},
		{"--run", "the command to measure: ", func(s string) { p.Run = s }},
		{"--metric", "the metric's name, as that command prints it (METRIC name=value): ", func(s string) {
			p.Metric.Name = s
			p.Metric.Better = better(s)
		}},
		{"--better", "which is better, lower or higher? ", func(s string) { p.Metric.Better = research.Direction(s) }},
	} {
		for _, flag := range p.missing() {
			if flag != q.flag {
				continue
			}

			answer, err := question(in, out, q.text)
			if err != nil {
				return err
			}
			q.set(answer)
		}
	}

	return nil
}

func question(in *bufio.Reader, out io.Writer, text string) (string, error) {
	fmt.Fprint(out, text)

	line, err := in.ReadString('\n')
	if err != nil {
		return "", research.Errorf(research.CodeCancelled, "run it again", "the answer did not come: %w", err)
	}

	return strings.TrimSpace(line), nil
}

// direction is the body that a new program.md begins with.
const direction = `What to try, what is known, what is forbidden: write it here. The agent reads this text; Ratchet enforces what stands above.

One focused change an experiment. Simpler code at the same value is an improvement too.
`

// renderProposal makes program.md and reads it back: what it says is what
// every later command will understand.
func renderProposal(p *proposal, name, folder string) ([]byte, contract.Program, error) {
	if err := incomplete(p); err != nil {
		return nil, contract.Program{}, err
	}

	defaults, err := contract.ParseProgram([]byte("---\nedit: x\nmetric: {name: x, better: lower}\nrun: x\n---\n"),
		folder)
	if err != nil {
		return nil, contract.Program{}, fmt.Errorf("make the default program: %w", err)
	}
	program := defaults.Program
	program.Edit, program.Setup, program.Build, program.Run, program.Check = p.Edit, p.Setup, p.Build, p.Run, p.Check
	metric := program.Metric

	metric.Name, metric.Better, metric.Unit = p.Metric.Name, p.Metric.Better, p.Metric.Unit
	if p.Metric.From.Kind != "" {
		metric.From = p.Metric.From
	}

	if p.Metric.Noise != "" {
		metric.Noise = p.Metric.Noise
	}

	program.Metric = metric
	if name != "" {
		program.Name = name
	}

	body := direction
	if domain := fitting(program); domain != "" {
		body += fmt.Sprintf("\nPlaybook: read_log{view:\"guide\",query:%q}\n", domain)
	}
	text := contract.RenderProgram(program, body)

	doc, err := contract.ParseProgram(text, folder)
	if err != nil {
		return nil, contract.Program{}, err
	}

	return text, doc.Program, nil
}

// fitting is the playbook that seems to fit, "" if none does.
func fitting(p contract.Program) string {
	return prompts.Fitting(p.Metric.Name, p.Run, strings.Join(p.Edit, " "))
}

// incomplete is the error of a proposal that lacks something: what was found,
// and each missing flag with what it wants. Nil if nothing is missing.
func incomplete(p *proposal) error {
	var wanted []string

	for _, flag := range p.missing() {
		switch flag {
		case "--edit":
			flag += " FILE (the one file that the agent may change" + p.perhaps() + ")"
		case "--run":
			flag += " 'COMMAND' (the command to measure)"
		case "--metric":
			flag += " NAME (that command prints METRIC NAME=value)"
		case "--better":
			flag += " lower (or higher)"
		}
		wanted = append(wanted, flag)
	}

	if len(wanted) == 0 {
		return nil
	}

	found := "nothing that is known"
	if len(p.Why) > 0 {
		found = strings.Join(p.Why, "; ")
	}

	return research.Errorf(research.CodeBadArgument, "run it again with "+strings.Join(wanted, ", "),
		"the repository does not tell everything (found: %s)", found)
}

func writeProgram(path string, text []byte, force bool) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}

	f, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return research.Errorf(research.CodeStorage, "check the folder's permissions",
			"program.md can't be written: %w", err)
	}

	if _, err := f.Write(text); err != nil {
		f.Close()
		return research.Errorf(research.CodeStorage, "free some space", "program.md can't be written: %w", err)
	}

	return f.Close()
}
