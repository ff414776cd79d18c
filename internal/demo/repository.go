package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"ratchet/examples"
	"strings"
)

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
		if _, err := runCommand(gitCommand(ctx, dir, args...)); err != nil {
			return err
		}
	}

	return nil
}

func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir

	return cmd
}

// runCommand runs a command and returns what it printed.
func runCommand(cmd *exec.Cmd) (string, error) {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("run %s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "),
			err, strings.TrimSpace(string(out)))
	}

	return string(out), nil
}
