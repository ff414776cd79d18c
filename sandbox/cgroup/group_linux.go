package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Group is the control group of one run: one folder in version 2, or one in
// each hierarchy of version 1.
type Group struct {
	dirs    hierarchies
	entry   *os.File      // the version 2 folder
	cpuBase time.Duration // what was used before ResetCPU
}

// New makes a group; nil where none can be made.
func New() *Group {
	places := findPlaces()
	if len(places) == 0 {
		return nil
	}

	g := &Group{dirs: hierarchies{}}
	name := newName()

	for controller, place := range places {
		if places[unified] != "" && controller != unified {
			continue
		}

		dir := filepath.Join(place, name)
		if err := os.Mkdir(dir, 0o755); err == nil {
			g.dirs[controller] = dir
		}
	}

	if dir := g.dirs[unified]; dir != "" {
		var err error
		if g.entry, err = os.Open(dir); err != nil {
			g.Close()
			return nil
		}
	}

	return g
}

// What Limit limits.
const (
	MemoryLimit  = "memory"    // bytes
	ProcessLimit = "processes" // and threads
	CPULimit     = "cpu"       // not set here; Limit says whether CPU can be read
)

// Limit sets a limit and says by what it is enforced; "" when it can't be set,
// as for a nil group.
func (g *Group) Limit(what string, n int64) string {
	if g == nil {
		return ""
	}

	controller := map[string]string{MemoryLimit: "memory", ProcessLimit: "pids", CPULimit: "cpuacct"}[what]

	version, dir := "2", g.dirs[unified]
	if dir == "" {
		version, dir = "1", g.dirs[controller]
	}

	if dir == "" {
		return ""
	}

	if err := setLimit(dir, what+version, n); err != nil {
		return ""
	}

	return "enforced by cgroup version " + version
}

// setLimit writes a limit, of a version, to the files of a group.
func setLimit(dir, limit string, n int64) error {
	set := func(file string, n int64) error {
		return writeNumber(filepath.Join(dir, file), n)
	}

	// Where swap is not counted there is no such file.
	setSwap := func(file string, n int64) error {
		if err := set(file, n); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}

		return nil
	}

	switch limit {
	case MemoryLimit + "1":
		return errors.Join(set("memory.limit_in_bytes", n), setSwap("memory.memsw.limit_in_bytes", n))
	case MemoryLimit + "2":
		return errors.Join(set("memory.max", n), setSwap("memory.swap.max", 0))
	case ProcessLimit + "1":
		return set("pids.max", n+1) // the thread of the stage that starts the command is in it too
	case ProcessLimit + "2":
		return set("pids.max", n)
	}

	return nil
}

// Folder is the open folder in which a process is to be started to be in the
// group; nil in version 1, which needs Join.
func (g *Group) Folder() *os.File {
	if g == nil {
		return nil
	}

	return g.entry
}

// Join moves a thread, from which the run's command will be started, into the
// version 1 groups; in version 2 it does nothing. It can take the kernel some
// 10 ms.
func (g *Group) Join(thread int) error {
	if g == nil || g.entry != nil {
		return nil
	}

	for _, dir := range g.dirs {
		tasks := filepath.Join(dir, "tasks")
		if err := writeNumber(tasks, int64(thread)); err != nil {
			return fmt.Errorf("enter a cgroup: %w", err)
		}
	}

	return nil
}

// Exceeded is the limit at which the kernel had to step in, MemoryLimit or
// ProcessLimit; "" if none.
func (g *Group) Exceeded() string {
	if g.readNumber("memory", "memory.oom_control", "oom_kill") > 0 ||
		g.readNumber(unified, "memory.events", "oom_kill") > 0 {
		return MemoryLimit
	}

	if g.readNumber("pids", "pids.events", "max") > 0 || g.readNumber(unified, "pids.events", "max") > 0 {
		return ProcessLimit
	}

	return ""
}

// Memory is what the group holds now, in bytes, without the page cache.
func (g *Group) Memory() int64 {
	if g.dirs[unified] != "" {
		return g.readNumber(unified, "memory.stat", "anon", "shmem")
	}

	return g.readNumber("memory", "memory.stat", "rss", "shmem")
}

// ResetCPU lets CPU count from now on. A nil group is fine.
func (g *Group) ResetCPU() {
	if g != nil {
		g.cpuBase = g.readCPU()
	}
}

// CPU is the user and system time that the group has used since ResetCPU.
func (g *Group) CPU() time.Duration { return max(g.readCPU()-g.cpuBase, 0) }

func (g *Group) readCPU() time.Duration {
	if g.dirs[unified] != "" {
		return time.Duration(g.readNumber(unified, "cpu.stat", "usage_usec")) * time.Microsecond
	}

	return time.Duration(g.readNumber("cpuacct", "cpuacct.usage", ""))
}

// readNumber adds up the numbers after labels in a controller's file; the label "" is of a
// file that is the number. The sum is 0 when the group has no such file.
func (g *Group) readNumber(controller, file string, labels ...string) (sum int64) {
	dir := g.dirs[controller]
	if dir == "" {
		return 0
	}

	for line := range strings.Lines(readText(filepath.Join(dir, file))) {
		label, number, labelled := strings.Cut(strings.TrimSpace(line), " ")
		if !labelled {
			label, number = "", label
		}

		if n, err := strconv.ParseInt(number, 10, 64); err == nil && slices.Contains(labels, label) {
			sum += n
		}
	}

	return sum
}

// readText reads a file of a group, "" when it can't be read. Like writeNumber it does
// without package os, which would put each of these files into the poller.
func readText(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)

	text, size := make([]byte, 4096), 0

	for {
		n, err := unix.Read(fd, text[size:])
		if err == unix.EINTR {
			continue
		}

		if err != nil || n == 0 {
			return string(text[:size])
		}

		if size += n; size == len(text) {
			text = append(text, make([]byte, size)...)
		}
	}
}

// writeNumber writes a number into a file of a group.
func writeNumber(path string, n int64) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)

	for {
		_, err = unix.Write(fd, strconv.AppendInt(nil, n, 10))
		if err == nil {
			return nil
		}

		if err != unix.EINTR {
			return &fs.PathError{Op: "write", Path: path, Err: err}
		}
	}
}

// Close removes the group, whose processes must be dead. A nil group is fine.
func (g *Group) Close() {
	if g == nil {
		return
	}

	if g.entry != nil {
		g.entry.Close()
	}

	for _, dir := range g.dirs {
		removeGroup(dir)
	}
}
