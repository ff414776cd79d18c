package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"ratchet/internal/atomicfile"
	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/terminal"
	"ratchet/ledger"
)

// app is what every command has: its streams and the common flags.
type app struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Version        string
	Commit, Date   string // of the commit that was built, "" if the linker was not told

	Dir     string // -C
	Program string // --program
	Ledger  string // --ledger, or RATCHET_LEDGER
	JSON    bool   // --json
	Color   string // --color: auto, always or never
	Verbose bool   // --verbose

	gitDir, commonDir string // of the checkout, for a worker: lab.Options

	shown *terminal.Progress // the last one that was begun
	quiet bool               // no progress is shown

	observe func(ledger.Timing) // of serve; nil: nobody
}

// The exit codes that scripts rely on.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
	exitBudget  = 4
)

// run is the whole program but for the process around it; tests call it too.
func run(args []string, cli *app) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := rootCommand(cli)
	cmd.SetArgs(args)
	cmd.SetIn(cli.Stdin)
	cmd.SetOut(cli.Stdout)
	cmd.SetErr(cli.Stderr)
	err := cmd.ExecuteContext(ctx)
	cli.shown.End()
	cli.JSON = cli.JSON || slices.Contains(args, "--json") // flags behind a mistake were not read

	if err == nil {
		return exitDone
	}

	var quiet silent
	if errors.As(err, &quiet) {
		return int(quiet)
	}

	return cli.explain(err)
}

// silent is an exit code whose reason was printed already.
type silent int

func (s silent) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// rootCommand is the whole command line.
func rootCommand(cli *app) *cobra.Command {
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
	f.StringVarP(&cli.Dir, "dir", "C", "", "work in this folder")
	f.StringVar(&cli.Program, "program", "", "path of program.md (default: the nearest one)")
	f.StringVar(&cli.Ledger, "ledger", "", "path of the ledger (default: ratchet/ledger.db in the git folder)")
	f.BoolVar(&cli.JSON, "json", false, "print JSON")
	f.BoolVar(&cli.Verbose, "verbose", false, "where there is no terminal, tell on stderr every 5 s how long work goes on (else every 15 s)")
	f.StringVar(&cli.Color, "color", terminal.ColorAuto,
		"colours: auto (on a terminal), always or never; NO_COLOR, CLICOLOR and CLICOLOR_FORCE count")
	cmd.AddCommand(
		initCommand(cli), doctorCommand(cli), demoCommand(cli), installCommand(cli), uninstallCommand(cli),
		mcpCommand(cli), serveCommand(cli), tokenCommand(cli), callCommand(cli), superviseCommand(cli),
		statusCommand(cli), logCommand(cli), showCommand(cli), plotCommand(cli), reportCommand(cli), verifyCommand(cli),
		exportCommand(cli), importCommand(cli), backupCommand(cli), auditCommand(cli), finalizeCommand(cli),
		stopCommand(cli), resumeCommand(cli), hookCommand(cli), undoCommand(cli), notifyCommand(cli),
		acceptCommand(cli), overrideCommand(cli), lockCommand(cli), abandonCommand(cli), gcCommand(cli),
		simulateCommand(cli), versionCommand(cli),
	)
	cmd.AddCommand(uiCommand(cli), noteCommand(cli), measureCommand(cli))
	cmd.AddCommand(buildCommands(cli)...)
	complete(cli, cmd)

	return cmd
}

// explain prints an error and the next step on stderr, and gives its exit code.
// With --json it is the document that tools answer with too.
func (a *app) explain(err error) int {
	var failure *research.Error
	if !errors.As(err, &failure) { // cobra's own are about usage; anything else is a defect and shows itself whole
		failure = &research.Error{Code: research.CodeInternal, Msg: err.Error(), Next: "run `ratchet doctor`"}
		if strings.HasPrefix(err.Error(), "unknown ") || strings.Contains(err.Error(), "arg(s)") ||
			strings.Contains(err.Error(), "flag") {
			failure.Code, failure.Next = research.CodeBadArgument,
				"`ratchet help`, or the command with --help, tells what it takes"
		}
	}

	if a.JSON {
		fmt.Fprintf(a.Stderr, "%s\n", render.Refusal(failure).Structured)
		return exitCode(failure.Code)
	}
	fmt.Fprintf(a.Stderr, "ratchet: %s\n", failure.Msg)

	if failure.Next != "" {
		fmt.Fprintf(a.Stderr, "next: %s\n", failure.Next)
	}

	return exitCode(failure.Code)
}

func exitCode(code research.Code) int {
	switch code {
	case research.CodeBadArgument, research.CodeProgram:
		return exitUsage
	case research.CodeBudget:
		return exitBudget
	case research.CodeInternal, research.CodeLedger, research.CodeReport, research.CodeStorage, research.CodeCancelled:
		return exitFailed
	}

	return exitRefused
}

// lab opens the checkout that the command stands in.
func (a *app) lab(ctx context.Context) (*checkout.Checkout, error) {
	return a.open(ctx, checkout.Client{Name: "command line", Version: a.Version}, a.advance)
}

func (a *app) labFor(ctx context.Context, who checkout.Client) (*checkout.Checkout, error) {
	return a.open(ctx, who, nil)
}

func (a *app) open(
	ctx context.Context, who checkout.Client, advance func(what string, done, total uint64),
) (*checkout.Checkout, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program's own file: %w", err)
	}

	led := a.Ledger
	if led == "" {
		led = os.Getenv("RATCHET_LEDGER")
	}

	return checkout.Open(ctx, checkout.Options{Dir: a.Dir, GitDir: a.gitDir, CommonDir: a.commonDir, Program: a.Program,
		Ledger: led, Client: who, Version: a.Version, Observe: a.observe, Advance: advance,
		Supervise: []string{self, "supervise"}, Tell: []string{self, "notify", "send"}})
}

// emit prints v as JSON with --json, else calls text.
func (a *app) emit(v any, text func(io.Writer)) error {
	if !a.JSON {
		text(a.Stdout)
		return nil
	}
	enc := json.NewEncoder(a.Stdout)
	enc.SetIndent("", "  ")

	return enc.Encode(v)
}

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.Stdout, format, args...) }

// terminal says who reads the answers, and how they are laid out.
func (a *app) terminal() terminal.Options {
	return terminal.Options{Out: a.Stdout, JSON: a.JSON, Color: a.Color}
}

// progress begins to show some work on stderr, counted in unit ("records"; ""
// where nothing is counted), until its End. One is shown at a time: a second one,
// begun while the first has not ended, is nil, and its work stays the first's.
func (a *app) progress(what, unit string) *terminal.Progress {
	if a.quiet || !a.shown.HasEnded() {
		return nil
	}

	p := terminal.StartProgress(a.Stderr, a.Verbose, what, unit)
	if p != nil {
		a.shown = p
	}

	return p
}

// advance shows how far a long reading of the ledger has come, whichever command
// asked for it.
func (a *app) advance(what string, done, total uint64) {
	if a.shown.HasEnded() {
		a.progress(what, "records")
	}

	a.shown.Advance(what, done, total)
}

// writeFile writes a file that a person asked for whole or not at all: beside it,
// then renamed over it. A link is followed, the mode of a file that is there
// stays; what is not a regular file (a device, a pipe) is written to as it is.
func writeFile(path string, content []byte) error {
	at, mode := path, fs.FileMode(0)
	if to, err := filepath.EvalSymlinks(path); err == nil {
		at = to
	}

	if info, err := os.Stat(at); err == nil {
		if info.IsDir() {
			return unwritable(path, errors.New("it is a folder"))
		}

		if !info.Mode().IsRegular() {
			return toldOf(path, os.WriteFile(at, content, 0o666))
		}
		mode = info.Mode().Perm()
	}

	return toldOf(path, atomicfile.Write(at, content,
		atomicfile.Options{Mode: mode, Durability: atomicfile.ContentFirst}))
}

func toldOf(path string, err error) error {
	if err == nil {
		return nil
	}

	return unwritable(path, err)
}

func unwritable(path string, err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		err = e.Err
	}

	if e := new(os.LinkError); errors.As(err, &e) {
		err = e.Err
	}

	return research.Errorf(research.CodeStorage, "name a file in a folder that you may write to", "write %s: %w", path,
		err)
}
