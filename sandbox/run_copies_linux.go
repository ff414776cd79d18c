package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ratchet/sandbox/copies"
	"ratchet/sandbox/pagecache"
)

// markVariable names a run in the environment of its processes, so that those
// of a run whose stage was killed from inside can be found. Tier copies only.
const markVariable = "RATCHET_RUN"

// settleLimit is how long reading in the copy of a run that is measured may take.
const settleLimit = 10 * time.Second

// runCopies runs in merged copies and then moves what changed to the upper folders.
func runCopies(ctx context.Context, spec Spec) (Result, error) {
	dir, err := os.MkdirTemp(spec.Scratch, "copy-")
	if err != nil {
		return Result{}, roomError("make the run's folder", err)
	}
	defer removeAll(ctx, dir)

	tree, err := copies.Make(dir, spec.copyViews(), spec.copyBinds())
	if err != nil {
		return Result{}, roomError("copy the run's tree", err)
	}

	if spec.Begin != nil { // a measured run begins with its files read in, as in the other tier
		pagecache.Find(tree.Folders()).Settle(settleLimit)
	}

	// The command, with every path of a view mapped to its copy.
	mark := markVariable + "=" + rand.Text()
	plan := spec.commandPlan()
	plan.Dir = tree.Place(spec.Dir)

	for _, variable := range spec.Env {
		plan.Env = append(plan.Env, tree.PlaceVariable(variable))
	}

	plan.Env = append(plan.Env, mark)

	if spec.Confined {
		links := newLinkReader()
		plan.Confine, plan.Unread = true, spec.hiddenOutside(links)
		plan.Writable = append(append(spec.writableOutside(links), dir), copies.SharedFolder)
		plan.Readable = []string{"/proc"}

		for _, c := range orderCovers(spec.listShown(links)) {
			plan.Readable = append(plan.Readable, c.Path)
		}
	}

	measured := slices.Clone(tree.Folders())
	if temp := spec.tempDir(); temp != "" && tree.Place(temp) == temp && !isPrivate(temp) {
		measured = append(measured, temp)
	}

	shared, sharedErr := copies.ListShared()

	result, err := supervise(ctx, spec, plan, &syscall.SysProcAttr{Setsid: true}, measured)
	if err != nil {
		return Result{}, err
	}

	result.Enforced["ipc"] = moveShared(shared, sharedErr, cmp.Or(spec.Kept, filepath.Join(spec.Scratch, "kept")))

	treeHolds := "enforced by a subreaper, but what forks faster than it can be stopped may survive"
	if result.Enforced["stage"] != "" { // what a dead stage left has lost its ancestor
		treeHolds = "not enforced: its first process was killed, and only what bears the run's mark was found"

		result.Survivors = append(result.Survivors, killMarked(mark)...)
	}

	if len(spec.Views) > 0 {
		result.Enforced["view"] = "enforced by a copy, but the repository's own path is not the copy's"
	}

	if len(spec.Binds) > 0 {
		result.Enforced["carry"] = "enforced by copies that are thrown away"
	}

	if len(result.Survivors) > 0 {
		return result, nil // they may still write: nothing of the copy is worth keeping
	}

	result.Enforced["tree"] = treeHolds

	return result, result.addChanges(ctx, spec.Views, tree.Collect)
}

// moveShared moves what the run left in shared memory into the folder kept, and says how
// the next run is kept from it. before is what was there before, or why it could not be
// listed.
func moveShared(before copies.Shared, err error, kept string) string {
	var moved []string
	if err == nil {
		moved, err = before.MoveNew(kept)
	}

	if err != nil {
		return "not enforced: what the run left in shared memory could not be removed: " + err.Error()
	}

	said := "enforced by removing what was made during the run"
	if len(moved) > 0 {
		said += " and nobody had open, kept in " + kept
	}

	if len(before) > 0 {
		said += ", but what this user had there before can be changed"
	}

	return said
}

func (s *Spec) copyViews() []copies.View {
	views := make([]copies.View, len(s.Views))
	for i, v := range s.Views {
		views[i] = copies.View(v)
	}

	return views
}

func (s *Spec) copyBinds() []copies.Bind {
	binds, links := make([]copies.Bind, len(s.Binds)), newLinkReader()

	for i, b := range s.Binds {
		binds[i] = copies.Bind{From: b.From, To: b.To, Omit: s.hiddenIn(b, links)}
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
