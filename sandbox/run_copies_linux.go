package sandbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ratchet/sandbox/copies"
)

// markVariable names a run in the environment of its processes, so that those
// of a run whose stage was killed from inside can be found. Tier copies only.
const markVariable = "RATCHET_RUN"

// runCopies runs in merged copies and then moves what changed to the upper folders.
func runCopies(ctx context.Context, s Spec) (Result, error) {
	dir, err := os.MkdirTemp(s.Scratch, "copy-")
	if err != nil {
		return Result{}, roomError("make the run's folder", err)
	}
	defer removeAll(dir)

	tree, err := copies.Make(dir, s.copyViews(), s.copyBinds())
	if err != nil {
		return Result{}, roomError("copy the run's tree", err)
	}

	// The command, with every path of a view mapped to its copy.
	mark := markVariable + "=" + rand.Text()
	plan := s.commandPlan()
	plan.Dir = tree.Place(s.Dir)

	for _, variable := range s.Env {
		plan.Env = append(plan.Env, tree.PlaceVariable(variable))
	}

	plan.Env = append(plan.Env, mark)

	if s.Confined {
		plan.Confine, plan.Unread = true, s.hiddenOutside()
		plan.Writable = append(append(s.writableOutside(), dir), sharedMemory)
	}

	measured := slices.Clone(tree.Folders())
	if temp := s.tempDir(); temp != "" && tree.Place(temp) == temp && !isPrivate(temp) {
		measured = append(measured, temp)
	}

	r, err := supervise(ctx, s, plan, &syscall.SysProcAttr{Setsid: true}, measured)
	if err != nil {
		return Result{}, err
	}

	treeHolds := "enforced by a subreaper, but what forks faster than it can be stopped may survive"
	if r.Enforced["stage"] != "" { // what a dead stage left has lost its ancestor
		treeHolds = "not enforced: its first process was killed, and only what bears the run's mark was found"

		r.Survivors = append(r.Survivors, killMarked(mark)...)
	}

	if len(s.Views) > 0 {
		r.Enforced["view"] = "enforced by a copy, but the repository's own path leads to the repository"
	}

	if len(s.Binds) > 0 {
		r.Enforced["carry"] = "enforced by copies that are thrown away"
	}

	if len(r.Survivors) > 0 {
		return r, nil // they may still write: nothing of the copy is worth keeping
	}

	r.Enforced["tree"] = treeHolds

	if err := tree.Collect(); err != nil {
		return Result{}, roomError("keep what the run changed", err)
	}

	if len(s.Views) > 0 {
		if r.Changes, err = s.Views[0].listChanges(); err != nil {
			return Result{}, roomError("list what the run changed", err)
		}
	}

	return r, nil
}

func (s *Spec) copyViews() []copies.View {
	views := make([]copies.View, len(s.Views))
	for i, v := range s.Views {
		views[i] = copies.View(v)
	}

	return views
}

func (s *Spec) copyBinds() []copies.Bind {
	binds := make([]copies.Bind, len(s.Binds))
	for i, b := range s.Binds {
		binds[i] = copies.Bind{From: b.From, To: b.To, Omit: s.hiddenIn(b)}
	}

	return binds
}

// killMarked kills every process that has the run's mark in its environment,
// until there is none or deathLimit is over, and returns those that did not
// die. What changed its environment, or can't be read, is not found.
func killMarked(mark string) (survivors []int) {
	for end := time.Now().Add(deathLimit); ; time.Sleep(20 * time.Millisecond) {
		survivors = survivors[:0]

		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}

			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if err == nil && slices.Contains(strings.Split(string(env), "\x00"), mark) {
				syscall.Kill(pid, syscall.SIGKILL)
				survivors = append(survivors, pid)
			}
		}

		if len(survivors) == 0 || time.Now().After(end) {
			return survivors
		}
	}
}
