//go:build man

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// The command that writes manual pages is only in a build with -tags man: its
// library costs 0.3 ms at every start, and only `make man` needs it.
func init() { buildCommands = manCommands }

func manCommands(cli *app) []*cobra.Command {
	return []*cobra.Command{{
		Use: "man DIR", Short: "write the manual pages", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return fmt.Errorf("make the folder: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "Ratchet " + cli.Version, Manual: "Ratchet"}

			return doc.GenManTree(root, header, args[0])
		},
	}}
}
