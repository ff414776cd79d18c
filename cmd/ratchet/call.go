package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/tools"
)

func callCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "call TOOL [JSON]",
		Short: "call one tool without MCP, for scripts",
		Example: "  ratchet call start_campaign\n" +
			"  ratchet call run_experiment '{\"hypothesis\": \"a map with a size hint allocates less\"}'\n" +
			"  ratchet --json call read_log '{\"view\": \"table\"}'",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			tool, ok := tools.Get(args[0])
			if !ok {
				return research.Errorf(research.CodeBadArgument, "one of: "+toolNames(), "no tool %q", args[0])
			}

			raw := json.RawMessage("{}")
			if len(args) == 2 {
				raw = json.RawMessage(args[1])
			}
			env := tools.Env{Open: cli.lab, Progress: func(s string) { fmt.Fprintln(cli.Stderr, s) }}

			answer, err := tool.Call(cmd.Context(), env, raw)
			if err != nil {
				if cli.JSON { // an answer too: scripts read one stream
					cli.printf("%s\n", render.Refusal(err).Structured)
					return silent(cli.explain(err))
				}

				return err
			}

			if cli.JSON {
				cli.printf("%s\n", answer.Structured)
				return nil
			}
			cli.printf("%s\n", answer.Text)

			return nil
		},
	}
}

func toolNames() string {
	var names []string
	for _, t := range tools.All() {
		names = append(names, t.Name)
	}

	return strings.Join(names, ", ")
}
