package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/ledger"
	"ratchet/tools"
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

	gitDir, commonDir string // of the checkout, for a supervisor: lab.Options

	shown   *progress // the last one that was begun
	unshown bool      // none is to be shown

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
func run(args []string, a *app) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := rootCommand(a)
	cmd.SetArgs(args)
	cmd.SetIn(a.Stdin)
	cmd.SetOut(a.Stdout)
	cmd.SetErr(a.Stderr)
	err := cmd.ExecuteContext(ctx)
	a.shown.End()
	a.JSON = a.JSON || slices.Contains(args, "--json") // flags behind a mistake were not read

	if err == nil {
		return exitDone
	}

	var quiet silent
	if errors.As(err, &quiet) {
		return int(quiet)
	}

	return a.explain(err)
}

// silent is an exit code whose reason was printed already.
type silent int

func (s silent) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// explain prints an error and the next step on stderr, and gives its exit code.
// With --json it is the document that tools answer with too.
func (a *app) explain(err error) int {
	var e *research.Error
	if !errors.As(err, &e) { // cobra's own are about usage; anything else is a defect and shows itself whole
		e = &research.Error{Code: research.CodeInternal, Msg: err.Error(), Next: "run `ratchet doctor`"}
		if strings.HasPrefix(err.Error(), "unknown ") || strings.Contains(err.Error(), "arg(s)") ||
			strings.Contains(err.Error(), "flag") {
			e.Code, e.Next = research.CodeBadArgument, "`ratchet help`, or the command with --help, tells what it takes"
		}
	}

	if a.JSON {
		fmt.Fprintf(a.Stderr, "%s\n", tools.Refusal(e).Structured)
		return exitCode(e.Code)
	}
	fmt.Fprintf(a.Stderr, "ratchet: %s\n", e.Msg)

	if e.Next != "" {
		fmt.Fprintf(a.Stderr, "next: %s\n", e.Next)
	}

	return exitCode(e.Code)
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

// lab opens the laboratory of the folder that the command stands in.
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
