package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/examples"
	"ratchet/internal/demo"
	"ratchet/internal/terminal"
)

func demoCommand(cli *app) *cobra.Command {
	name, keep, list := examples.Names()[0], false, false
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "watch a scripted agent run a small campaign in a temporary folder",
		Long: "Makes a small repository in a temporary folder, starts this binary as an MCP server there,\n" +
			"and plays an agent with good, useless, broken and dishonest ideas against it.\n" +
			"Exit code 1 if any answer is not the right one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if list {
				return cli.listExamples()
			}

			return cli.playDemo(cmd.Context(), name, keep)
		},
	}
	cmd.Flags().StringVar(&name, "example", name, "which one: "+strings.Join(examples.Names(), ", "))
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the folder")
	cmd.Flags().BoolVar(&list, "list", false, "list the examples")

	return cmd
}

func (a *app) listExamples() error {
	all, err := demo.List()
	if err != nil {
		return err
	}

	return a.emit(all, func(out io.Writer) {
		for _, x := range all {
			line := fmt.Sprintf("%-14s %s", x.Name, x.About)
			if x.Missing != "" {
				line += " (can't run here: needs " + x.Missing + ")"
			}
			fmt.Fprintln(out, line)
		}
	})
}

func (a *app) playDemo(ctx context.Context, name string, keep bool) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program's own file: %w", err)
	}

	out := a.Stdout
	if a.JSON {
		out = io.Discard
	}

	result, err := demo.Play(ctx, demo.Options{Example: name, Program: self, Keep: keep, Out: out,
		Width: terminal.Width(out)})
	if a.JSON && result != nil {
		err = errors.Join(err, a.emit(result, nil))
	}

	return err
}
