package clients

import (
	"ratchet/internal/research"
)

// LoopChange is what was done with one thing that keeps an agent going.
type LoopChange struct {
	About  string `json:"about"` // skill | command | block | hook
	File   string `json:"file"`
	Action Action `json:"action"`
	Diff   string `json:"diff,omitempty"`
	Backup string `json:"backup,omitempty"`
	Note   string `json:"note,omitempty"`
}

// LoopStep is one extra, and what is to be done with it.
type LoopStep struct {
	Extra
	plan func() (*Plan, error)
	keep string // why it stays; "" if it goes
}

// InstallLoop returns the steps that put the loop l in. Each is planned once, so
// that an extra that can't be written is an error before anything is.
func (c Client) InstallLoop(machine Machine, scope Scope, top string, l Loop) ([]LoopStep, error) {
	var steps []LoopStep

	for _, e := range c.LoopExtras(machine, scope, top) {
		step := LoopStep{Extra: e, plan: func() (*Plan, error) { return e.PlanInstall(l) }}
		if _, err := step.plan(); err != nil {
			return nil, err
		}

		steps = append(steps, step)
	}

	return steps, nil
}

// UninstallLoop returns the steps that take the loop out again, the last one first.
func (c Client) UninstallLoop(machine Machine, scope Scope, top string) []LoopStep {
	var steps []LoopStep

	for _, e := range c.LoopExtras(machine, scope, top) {
		step := LoopStep{Extra: e, plan: e.PlanUninstall}
		if other := c.SharedWith(e, machine, scope, top); other != "" {
			step.keep = other + " uses it too"
		}

		steps = append([]LoopStep{step}, steps...)
	}

	return steps
}

// ApplyLoop plans the steps and, unless dryRun, carries each out before it plans
// the next: two may change the same file. After an error it returns what was done.
func ApplyLoop(steps []LoopStep, scope Scope, dryRun bool) ([]LoopChange, error) {
	var done []LoopChange

	for _, step := range steps {
		change := LoopChange{About: step.About, File: step.File, Action: Left, Note: step.keep}
		if step.keep != "" {
			done = append(done, change)
			continue
		}

		plan, err := step.plan()
		if err != nil {
			return done, err
		}

		change.Action, change.Diff = plan.Action, plan.Diff("")
		if plan.Action == Left {
			change.Note = "it is not as Ratchet wrote it: remove it by hand, if you don't want it"
		}

		if scope == Project && plan.Before == nil {
			plan.Mode = 0o644
		} else if scope == Project && plan.Action == Added {
			change.Note = "if git tracks the file, commit it before the campaign starts: tracked files must be clean"
		}

		if !dryRun {
			if change.Backup, err = plan.Apply(); err != nil {
				return done, err
			}
		}

		done = append(done, change)
	}

	return done, nil
}

// LoopState is one thing that keeps an agent going, as it was found.
type LoopState struct {
	About   string `json:"about"`
	File    string `json:"file"`
	Version string `json:"version,omitempty"` // that wrote it
	Edited  bool   `json:"edited,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// InspectLoop lists what of the loop is there. lookPath finds the hook's program.
func InspectLoop(
	client Client, machine Machine, scope Scope, top string, lookPath func(string) (string, error),
) []LoopState {
	var states []LoopState

	for _, e := range client.LoopExtras(machine, scope, top) {
		found, err := e.ReadState()

		state := LoopState{About: e.About, File: e.File, Version: found.Version, Edited: found.Edited}
		switch {
		case err != nil:
			state.Problem = research.Describe(err).Msg
		case !found.Exists:
			continue
		case found.Program != "":
			if _, err := lookPath(found.Program); err != nil {
				state.Problem = "its command can't be run, so it does nothing: " + err.Error()
			}
		}

		states = append(states, state)
	}

	return states
}
