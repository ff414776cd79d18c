package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/view"
)

// hookWithin is how long a hook may take where --within says nothing else, or
// nothing that can be understood: the client's person waits for it.
const hookWithin = 900 * time.Millisecond

// stopEvent is what a client tells a hook when its agent is about to end its
// turn: the same of Claude Code's and Codex's Stop and Gemini CLI's AfterAgent.
type stopEvent struct {
	Event string `json:"hook_event_name"`
	Dir   string `json:"cwd"`
	Mode  string `json:"permission_mode"` // plan: the agent may change nothing
}

// stopAnswer is what those clients understand; empty lets the agent stop.
type stopAnswer struct {
	Decision string `json:"decision,omitempty"` // block
	Reason   string `json:"reason,omitempty"`   // the agent reads it as its next instruction
	Message  string `json:"systemMessage,omitempty"`
}

// hookCommand never fails and never takes long: whatever goes wrong, also in
// its arguments, the answer is {} and the client goes its way.
func hookCommand(cli *app) *cobra.Command {
	within := ""
	c := &cobra.Command{
		Use:                "hook stop",
		Short:              "asked by an agent's client whether the agent may stop (see ratchet install --with-loop)",
		Hidden:             true,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			limit, err := time.ParseDuration(within)
			if err != nil {
				limit = hookWithin
			}
			late := time.AfterFunc(limit, func() {
				fmt.Fprintln(cli.Stdout, "{}")
				os.Exit(exitDone)
			})

			var answer stopAnswer
			if len(args) == 1 && args[0] == "stop" {
				answer = cli.mayStop(cmd.Context())
			}

			if !late.Stop() {
				select {} // the answer is being given
			}

			return json.NewEncoder(cli.Stdout).Encode(answer)
		},
	}
	c.Flags().StringVar(&within, "within", hookWithin.String(),
		"answer {} after this time, for a machine where the default is too short")
	c.Flags().Lookup("within").NoOptDefVal = hookWithin.String() // a flag without a value is not an error either

	return c
}

// mayStop asks the checkout of the folder that the agent works in: its
// current one, else the one that its client was started in.
func (a *app) mayStop(ctx context.Context) stopAnswer {
	var e stopEvent
	if json.NewDecoder(a.Stdin).Decode(&e) != nil || e.Event == "SubagentStop" || e.Mode == "plan" {
		return stopAnswer{}
	}

	dirs := []string{e.Dir, os.Getenv("CLAUDE_PROJECT_DIR"), os.Getenv("GEMINI_PROJECT_DIR")}
	if a.Dir != "" {
		dirs = []string{a.Dir}
	}

	for _, dir := range dirs {
		if answer := a.mayStopIn(ctx, dir); answer != (stopAnswer{}) {
			return answer
		}
	}

	return stopAnswer{}
}

// mayStopIn asks the checkout of one folder. An error is as good as a yes.
func (a *app) mayStopIn(ctx context.Context, dir string) stopAnswer {
	if dir == "" {
		return stopAnswer{}
	}
	there := *a
	there.Dir = dir

	co, err := there.lab(ctx)
	if err != nil {
		return stopAnswer{}
	}

	held, err := view.CheckUnfinishedWork(ctx, co)
	switch {
	case err != nil:
		return stopAnswer{}
	case held.Reason != "":
		return stopAnswer{Decision: "block", Reason: held.Reason}
	}

	return stopAnswer{Message: held.Note}
}
