package sandbox

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// groupName begins the name of every control group of ours; the maker's pid follows.
const groupName = "ratchet-"

// hierarchies are the folders in which this process may make control groups,
// by controller: memory, pids and cpuacct of version 1, or unified for all.
type hierarchies map[string]string

// groupPlaces finds them by trying, once in a process.
var groupPlaces = sync.OnceValue(func() hierarchies {
	h := hierarchies{}

	mounts, own := groupMounts(), groupsOfSelf()
	for controller, mount := range mounts {
		rel, err := filepath.Rel(mount.root, own[controller])
		if err != nil || strings.HasPrefix(rel, "..") {
			rel = "."
		}

		for dir := filepath.Join(mount.point, rel); ; dir = filepath.Dir(dir) {
			if tryGroup(controller, dir) {
				h[controller] = dir
				sweepGroups(dir)

				break
			}

			if dir == mount.point || len(dir) <= len(mount.point) {
				break
			}
		}
	}

	return h
})

// groupMount is where a hierarchy is mounted, and which part of it.
type groupMount struct{ point, root string }

// groupMounts reads this process's mounts. The version 2 hierarchy counts only
// where it has the memory and pids controllers.
func groupMounts() map[string]groupMount {
	found := map[string]groupMount{}

	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return found
	}
	defer f.Close()

	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")

		a, b := strings.Fields(before), strings.Fields(after)
		if !ok || len(a) < 5 || len(b) < 3 {
			continue
		}
		m := groupMount{point: a[4], root: a[3]}

		switch b[0] {
		case "cgroup":
			for _, option := range strings.Split(b[2], ",") {
				if option == "memory" || option == "pids" || option == "cpuacct" {
					found[option] = m
				}
			}
		case "cgroup2":
			if has, err := os.ReadFile(filepath.Join(m.point, "cgroup.controllers")); err == nil &&
				hasWords(string(has), "memory", "pids") {
				found["unified"] = m
			}
		}
	}

	return found
}

func hasWords(text string, words ...string) bool {
	fields := strings.Fields(text)
	return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(fields, w) })
}

// groupsOfSelf is where this process is in each hierarchy.
func groupsOfSelf() map[string]string {
	own := map[string]string{}

	text, _ := os.ReadFile("/proc/self/cgroup")
	for _, line := range strings.Split(string(text), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) < 3 {
			continue
		}

		for _, controller := range strings.Split(parts[1], ",") {
			if controller == "" {
				controller = "unified"
			}
			own[controller] = parts[2]
		}
	}

	return own
}

// tryGroup says whether a group can be made in dir, limited and entered.
func tryGroup(controller, dir string) bool {
	if controller == "unified" {
		has, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		if err != nil {
			return false
		}

		if !hasWords(string(has), "memory", "pids") && os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"),
			[]byte("+memory +pids"), 0) != nil {
			return false
		}
	}

	g := filepath.Join(dir, newGroupName())
	if os.Mkdir(g, 0o755) != nil {
		return false
	}
	defer removeGroup(g)

	if controller != "unified" {
		f, err := os.OpenFile(filepath.Join(g, "tasks"), os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}

		return err == nil
	}

	d, err := os.Open(g)
	if err != nil {
		return false
	}
	defer d.Close()
	c := exec.Command("/bin/sh", "-c", ":")
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(d.Fd())}

	return c.Run() == nil && os.WriteFile(filepath.Join(g, "pids.max"), []byte("100"), 0) == nil
}

func newGroupName() string { return fmt.Sprintf("%s%d-%s", groupName, os.Getpid(), rand.Text()[:8]) }

// removeGroup removes an emptied group; the kernel may need a moment to see that it is.
func removeGroup(dir string) {
	for range 50 {
		if err := unix.Rmdir(dir); err == nil || !errors.Is(err, unix.EBUSY) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// sweepGroups removes empty groups whose makers are dead.
func sweepGroups(dir string) {
	old, _ := filepath.Glob(filepath.Join(dir, groupName+"*-*"))
	for _, path := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), groupName), "-")
		if n, err := strconv.Atoi(pid); err == nil && unix.Kill(n, 0) == unix.ESRCH {
			unix.Rmdir(path)
		}
	}
}

// group is the control group of one run: one folder, or one in each hierarchy.
type group struct {
	dirs    hierarchies
	entry   *os.File      // the version 2 folder, to start the command in
	cpuBase time.Duration // of what was used before the command began
}

// newGroup makes the groups that the limits need; nil where there are none.
func newGroup(s *Spec) *group {
	if s.Memory == 0 && s.Processes == 0 && s.CPU == 0 {
		return nil
	}

	places := groupPlaces()
	if len(places) == 0 {
		return nil
	}
	g := &group{dirs: hierarchies{}}
	name := newGroupName()

	for controller, place := range places {
		if _, unified := places["unified"]; unified && controller != "unified" {
			continue
		}

		dir := filepath.Join(place, name)
		if err := os.Mkdir(dir, 0o755); err == nil {
			g.dirs[controller] = dir
		}
	}

	if dir := g.dirs["unified"]; dir != "" {
		var err error
		if g.entry, err = os.Open(dir); err != nil {
			g.close()
			return nil
		}
	}

	return g
}

// limit sets a limit and says by what, "" when it can't.
func (g *group) limit(what string, n int64) string {
	if g == nil {
		return ""
	}
	controller := map[string]string{"memory": "memory", "processes": "pids", "cpu": "cpuacct"}[what]

	version, dir := "2", g.dirs["unified"]
	if dir == "" {
		version, dir = "1", g.dirs[controller]
	}

	if dir == "" {
		return ""
	}
	set := func(file string, n int64) error {
		return os.WriteFile(filepath.Join(dir, file), strconv.AppendInt(nil, n, 10), 0)
	}
	var err error

	switch what + version {
	case "memory1":
		err = set("memory.limit_in_bytes", n)
		if e := set("memory.memsw.limit_in_bytes", n); e != nil && !errors.Is(e, fs.ErrNotExist) && err == nil {
			err = e
		}
	case "memory2":
		err = set("memory.max", n)
		if e := set("memory.swap.max", 0); e != nil && !errors.Is(e, fs.ErrNotExist) && err == nil {
			err = e
		}
	case "processes1":
		err = set("pids.max", n+1) // the thread of the stage that starts the command is in it too
	case "processes2":
		err = set("pids.max", n)
	}

	if err != nil {
		return ""
	}

	return "enforced by cgroup version " + version
}

// join moves the stage's first thread, from which the command will be started,
// into the version 1 groups. That can take the kernel some 10 ms, in which the
// stage does its work.
func (g *group) join(pid int) error {
	if g == nil || g.entry != nil {
		return nil
	}

	for _, dir := range g.dirs {
		if err := os.WriteFile(filepath.Join(dir, "tasks"), strconv.AppendInt(nil, int64(pid), 10), 0); err != nil {
			return fmt.Errorf("enter a cgroup: %w", err)
		}
	}

	return nil
}

// value reads the number after a label in a file of the first of the
// controllers that exists; without a label the file is the number.
func (g *group) value(controller, file, label string) int64 {
	text, err := os.ReadFile(filepath.Join(g.dirs[controller], file))
	if g.dirs[controller] == "" || err != nil {
		return 0
	}

	for _, line := range strings.Split(string(text), "\n") {
		number, found := line, true
		if label != "" {
			number, found = strings.CutPrefix(line, label+" ")
		}

		if n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64); found && err == nil {
			return n
		}
	}

	return 0
}

// exceeded is the limit at which the kernel had to step in, "" if none.
func (g *group) exceeded() string {
	switch {
	case g.value("memory", "memory.oom_control", "oom_kill") > 0 || g.value("unified", "memory.events", "oom_kill") > 0:
		return "memory"
	case g.value("pids", "pids.events", "max") > 0 || g.value("unified", "pids.events", "max") > 0:
		return "processes"
	}

	return ""
}

// memory is what the group holds now, in bytes, without the page cache.
func (g *group) memory() int64 {
	if g.dirs["unified"] != "" {
		return g.value("unified", "memory.stat", "anon") + g.value("unified", "memory.stat", "shmem")
	}

	return g.value("memory", "memory.stat", "rss") + g.value("memory", "memory.stat", "shmem")
}

// cpu is what the group has used since the command began.
func (g *group) cpu() time.Duration {
	used := time.Duration(g.value("cpuacct", "cpuacct.usage", ""))
	if g.dirs["unified"] != "" {
		used = time.Duration(g.value("unified", "cpu.stat", "usage_usec")) * time.Microsecond
	}

	return max(used-g.cpuBase, 0)
}

func (g *group) close() {
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
