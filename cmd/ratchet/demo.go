package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ratchet/examples"
	"ratchet/internal/research"
)

const (
	demoLimit = 6 * time.Minute  // ends a demo that hangs; a whole one takes about a minute
	stopLimit = 20 * time.Second // for stopping what runs when it fails
)

func demoCommand(a *app) *cobra.Command {
	name, keep, list := examples.Names()[0], false, false
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "watch a scripted agent run a small campaign in a temporary folder",
		Long: "Makes a small repository in a temporary folder, starts this very binary as an MCP server there,\n" +
			"and plays an agent with good, useless, broken and dishonest ideas against it.\n" +
			"Exit code 1 if any answer is not the right one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if list {
				return listExamples(a)
			}

			ctx, cancel := context.WithTimeout(cmd.Context(), demoLimit)
			defer cancel()

			return runDemo(ctx, a, name, keep)
		},
	}
	cmd.Flags().StringVar(&name, "example", name, "which one: "+strings.Join(examples.Names(), ", "))
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the folder")
	cmd.Flags().BoolVar(&list, "list", false, "list the examples")

	return cmd
}

func listExamples(a *app) error {
	type listedExample struct {
		Name    string `json:"example"`
		About   string `json:"about"`
		Missing string `json:"missing,omitempty"` // programs that it needs
	}
	var all []listedExample

	for _, name := range examples.Names() {
		x, err := examples.Load(name)
		if err != nil {
			return err
		}

		all = append(all, listedExample{name, x.About, missingPrograms(x)})
	}

	return a.emit(all, func(w io.Writer) {
		for _, x := range all {
			line := fmt.Sprintf("%-14s %s", x.Name, x.About)
			if x.Missing != "" {
				line += " (can't run here: needs " + x.Missing + ")"
			}
			fmt.Fprintln(w, line)
		}
	})
}

// missingPrograms names what the example needs and the PATH lacks, "" if nothing.
func missingPrograms(x *examples.Example) string {
	var missing []string

	for _, program := range x.Needs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}

	return strings.Join(missing, ", ")
}

// runDemo plays one example from an empty folder to its last line.
func runDemo(ctx context.Context, a *app, name string, keep bool) error {
	x, err := examples.Load(name)
	if err != nil {
		return research.Errorf(research.CodeBadArgument, "`ratchet demo --list` lists them", "%w", err)
	}

	if missing := missingPrograms(x); missing != "" {
		return research.Errorf(research.CodeUnsupported, "install it, or `ratchet demo --list` for another example",
			"the example %s needs %s on the PATH", name, missing)
	}

	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program's own file: %w", err)
	}

	top, err := os.MkdirTemp("", "ratchet-demo-")
	if err != nil {
		return fmt.Errorf("make the demo's folder: %w", err)
	}

	out := a.Stdout
	if a.JSON {
		out = io.Discard
	}
	d := &demo{view: newDemoView(out), self: self, top: top, dir: filepath.Join(top, name), example: x,
		began: time.Now()}

	err = d.play(ctx)
	if ctx.Err() != nil {
		err = research.Errorf(research.CodeCancelled, "run it again", "the demo was stopped after %.0f s",
			time.Since(d.began).Seconds())
		_ = d.close(ctx, true) // the server was killed, as it says
	} else {
		err = errors.Join(err, d.close(ctx, err != nil))
	}

	if a.JSON {
		err = errors.Join(err, a.emit(d.played(keep), nil))
	}

	if keep {
		d.view.line("the repository is kept in %s", d.dir)
		return err
	}

	return errors.Join(err, os.RemoveAll(top))
}

// played is what the demo answers with --json.
func (d *demo) played(keep bool) any {
	type step struct {
		Experiment int     `json:"experiment,omitempty"` // none when it was refused
		Hypothesis string  `json:"hypothesis"`
		Answer     string  `json:"answer"` // the verdict, or the refusal's code
		Then       string  `json:"then"`
		Right      bool    `json:"right"`
		Seconds    float64 `json:"seconds"`
	}

	out := struct {
		Example     string  `json:"example"`
		Experiments int     `json:"experiments"`
		Refused     int     `json:"refused"`
		Seconds     float64 `json:"seconds"`
		Folder      string  `json:"folder,omitempty"` // where it was kept
		Steps       []step  `json:"steps"`
	}{Example: d.example.Name, Experiments: d.judged, Refused: d.refused, Seconds: time.Since(d.began).Seconds(),
		Steps: []step{}}
	if keep {
		out.Folder = d.dir
	}

	for _, s := range d.view.steps {
		out.Steps = append(out.Steps, step{s.number, s.hypothesis, s.answer, s.then, s.right, s.took.Seconds()})
	}

	return out
}

// makeRepository writes the example and commits it, with an identity of its
// own and none of the user's hooks, templates or signing.
func makeRepository(ctx context.Context, x *examples.Example, dir string) error {
	if err := x.Write(dir); err != nil {
		return err
	}

	for _, args := range [][]string{
		{"init", "--quiet", "--template=", "--initial-branch=main"},
		{"config", "user.name", "Ratchet demo"},
		{"config", "user.email", "demo@ratchet.invalid"},
		{"config", "commit.gpgsign", "false"},
		{"config", "core.autocrlf", "false"},
		{"config", "core.hooksPath", os.DevNull},
		{"add", "--all"},
		{"commit", "--quiet", "--message", "The " + x.Name + " example"},
	} {
		if _, err := output(gitIn(ctx, dir, args...)); err != nil {
			return err
		}
	}

	return nil
}

func gitIn(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir

	return cmd
}

// output runs a command and returns what it printed.
func output(cmd *exec.Cmd) (string, error) {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("run %s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "),
			err, strings.TrimSpace(string(out)))
	}

	return string(out), nil
}
