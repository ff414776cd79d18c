package main

import (
	"fmt"
	"io"
	"path/filepath"

	"ratchet/internal/clients"
	"ratchet/internal/research"
	"ratchet/prompts"
)

// looped is what install and uninstall did with one thing that keeps an agent going.
type looped struct {
	About  string         `json:"about"` // skill | command | block | hook
	File   string         `json:"file"`
	Action clients.Action `json:"action"`
	Diff   string         `json:"diff,omitempty"`
	Backup string         `json:"backup,omitempty"`
	Note   string         `json:"note,omitempty"`
}

// loopStep is one extra, and what is to be done with it.
type loopStep struct {
	clients.Extra
	plan func() (*clients.Plan, error)
	keep string // why it stays; "" if it goes its way
}

// loopExtras are the steps of --with-loop, none without it. All are planned
// once, so that nothing is written when one of them can't be.
func (a *app) loopExtras(c clients.Client, m clients.Machine, in installing) ([]loopStep, error) {
	if !in.loop {
		return nil, nil
	}

	if err := c.CheckLoop(); err != nil {
		return nil, err
	}

	program, _, err := ownPath(m.Home)
	if err != nil {
		return nil, err
	}

	pinned := ""
	if a.Dir != "" && in.scope == string(clients.User) {
		if pinned, err = filepath.Abs(a.Dir); err != nil {
			return nil, fmt.Errorf("find the folder: %w", err)
		}
	}
	guide, _ := prompts.Get("loop")
	loop := clients.Loop{Version: a.Version, Guide: guide.Text, Hook: clients.HookCommand(m, program, pinned)}
	var out []loopStep

	for _, e := range c.Loop(m, clients.Scope(in.scope), repositoryTop(a.Dir)) {
		step := loopStep{Extra: e, plan: func() (*clients.Plan, error) { return e.Install(loop) }}
		if _, err := step.plan(); err != nil {
			return nil, err
		}
		out = append(out, step)
	}

	return out, nil
}

// withoutLoop are the steps that take the loop out again, the last one first.
func (a *app) withoutLoop(c clients.Client, m clients.Machine, in installing) []loopStep {
	var out []loopStep

	scope, top := clients.Scope(in.scope), repositoryTop(a.Dir)
	for _, e := range c.Loop(m, scope, top) {
		step := loopStep{Extra: e, plan: e.Uninstall}
		if other := c.Shared(e, m, scope, top); other != "" {
			step.keep = other + " uses it too"
		}

		out = append([]loopStep{step}, out...)
	}

	return out
}

// eachLoop plans the steps and, without --dry-run, carries them out, one after
// the other: two may change the same file.
func eachLoop(steps []loopStep, in installing) ([]looped, error) {
	var out []looped

	for _, s := range steps {
		l := looped{About: s.About, File: s.File, Action: clients.Left, Note: s.keep}
		if s.keep != "" {
			out = append(out, l)
			continue
		}

		plan, err := s.plan()
		if err != nil {
			return out, err
		}

		l.Action, l.Diff = plan.Action, plan.Diff("")
		if plan.Action == clients.Left {
			l.Note = "it is not as Ratchet wrote it: remove it by hand, if you don't want it"
		}

		if in.scope == string(clients.Project) && plan.Before == nil {
			plan.Mode = 0o644
		} else if in.scope == string(clients.Project) && plan.Action == clients.Added {
			l.Note = "if git tracks the file, commit it before the campaign starts: tracked files must be clean"
		}

		if !in.dryRun {
			if l.Backup, err = plan.Apply(); err != nil {
				return out, err
			}
		}

		out = append(out, l)
	}

	return out, nil
}

func printLooped(w io.Writer, l looped, dryRun bool) {
	fmt.Fprint(w, l.Diff)
	fmt.Fprintf(w, "%s: %s: %s\n", l.About, actionWords(l.Action, dryRun), l.File)

	if l.Backup != "" {
		fmt.Fprintf(w, "the file as it was: %s\n", l.Backup)
	}

	if l.Note != "" {
		fmt.Fprintf(w, "note: %s\n", l.Note)
	}
}

// checkedLoop is one thing that keeps an agent going, as doctor finds it.
type checkedLoop struct {
	About   string `json:"about"`
	File    string `json:"file"`
	Version string `json:"version,omitempty"` // that wrote it
	Edited  bool   `json:"edited,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// checkLoop lists what of the loop is there.
func checkLoop(
	c clients.Client, m clients.Machine, scope clients.Scope, top string, look func(string) (string, error),
) []checkedLoop {
	var out []checkedLoop

	for _, e := range c.Loop(m, scope, top) {
		f, err := e.Look()

		k := checkedLoop{About: e.About, File: e.File, Version: f.Version, Edited: f.Edited}
		switch {
		case err != nil:
			k.Problem = research.Describe(err).Msg
		case !f.There:
			continue
		case f.Program != "":
			if _, err := look(f.Program); err != nil {
				k.Problem = "its command can't be run, so it holds nobody: " + err.Error()
			}
		}

		out = append(out, k)
	}

	return out
}

func printCheckedLoop(w io.Writer, all []checkedLoop, own string) {
	for _, l := range all {
		state := "there"

		switch {
		case l.Problem != "":
			state = "PROBLEM: " + l.Problem
		case l.Edited:
			state = "edited by hand since version " + l.Version + " wrote it"
		case l.Version != "" && l.Version != own:
			state = "of version " + l.Version + ", while this is " + own + ": install --with-loop again"
		case l.Version != "":
			state = "of version " + l.Version
		}
		fmt.Fprintf(w, "             loop: %s: %s: %s\n", l.About, l.File, state)
	}
}
