package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ratchet/sandbox/stage"
)

const shm = "/dev/shm"

// stageThreads is room for the stage's own threads, which RLIMIT_NPROC counts too.
const stageThreads = 16

// otherTasks is room for what a user starts beside the run, where RLIMIT_NPROC counts that too.
const otherTasks = 128

// checkConfinement refuses what would let a run change its own layers.
func (s *Spec) checkConfinement(bad func(string, ...any) error) error {
	switch s.Network {
	case "", NetworkOff, NetworkLoopback, NetworkOn:
	default:
		return bad("unknown network %q", s.Network)
	}

	if s.Memory < 0 || s.Processes < 0 || s.Disk < 0 || s.CPU < 0 || s.MaxOutput < 0 {
		return bad("a limit can't be negative")
	}

	for _, path := range slices.Concat(s.Writable, s.Hidden) {
		if !filepath.IsAbs(path) || filepath.Clean(path) == "/" {
			return bad("a run can't be confined by the path %q", path)
		}
	}

	if !s.Confined {
		return nil
	}

	for _, path := range append([]string{s.temp()}, s.Writable...) {
		for _, v := range s.Views {
			for _, layer := range v.Lower {
				if _, ok := below(filepath.Clean(path), layer); ok && path != "" && !isPrivate(path) {
					return bad("a run that may write to %s could change its layer %s", path, layer)
				}
			}
		}
	}

	return nil
}

func isPrivate(path string) bool { return slices.Contains(privateFolders(), filepath.Clean(path)) }

// temp is TMPDIR as the run has it, "" when it has none.
func (s *Spec) temp() string {
	for _, kv := range s.Env {
		if path, ok := strings.CutPrefix(kv, "TMPDIR="); ok && filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
	}

	return ""
}

// writable is what exists of TMPDIR and Writable outside the views.
func (s *Spec) writable() []string {
	var list []string

	for _, path := range append([]string{s.temp()}, s.Writable...) {
		path, err := filepath.EvalSymlinks(path)
		if err != nil || path == "" || isPrivate(path) || slices.Contains(list, path) {
			continue
		}

		if i, _ := s.viewOf(path, len(s.Views)); i < 0 {
			list = append(list, path)
		}
	}

	return list
}

// secrets is what exists of Hidden, without links.
func (s *Spec) secrets() []string {
	var list []string

	for _, path := range s.Hidden {
		path, err := filepath.EvalSymlinks(path)
		if err == nil && path != "/" && !slices.Contains(list, path) {
			list = append(list, path)
		}
	}

	return list
}

// hidden is what must be hidden of the host's. Where a view lies on top of it,
// it is hidden already.
func (s *Spec) hidden() []string {
	return slices.DeleteFunc(s.secrets(), func(path string) bool {
		i, _ := s.viewOf(path, len(s.Views))
		return i >= 0 && s.Tier != Copies
	})
}

// hiddenIn is what a bind must not show of what lies in it, relative to it.
func (s *Spec) hiddenIn(b Bind) (list []string) {
	from, err := filepath.EvalSymlinks(b.From)
	if err != nil || !s.Confined {
		return nil
	}

	for _, path := range s.secrets() {
		if rest, ok := below(from, path); ok && rest != "" {
			list = append(list, rest)
		}
	}

	return list
}

// cover plans what the run sees instead of the host's shared and secret places;
// private is an existing empty folder of ours.
func (s *Spec) cover(plan *stage.Plan, private string) error {
	plan.Confine, plan.Writable = true, s.writable()

	covered := func(path string) bool {
		return slices.ContainsFunc(plan.Covers, func(c stage.Cover) bool { return c.Path == path })
	}
	for i, path := range privateFolders() {
		path, err := filepath.EvalSymlinks(path)
		if err != nil || covered(path) {
			continue
		}

		from := filepath.Join(private, strconv.Itoa(i))
		if err := errors.Join(os.Mkdir(from, 0o700), os.Chmod(from, 0o777|fs.ModeSticky)); err != nil {
			return err
		}
		plan.Covers = append(plan.Covers, stage.Cover{Path: path, From: from})
	}

	if fi, err := os.Stat(shm); err == nil && fi.IsDir() {
		plan.Covers = append(plan.Covers, stage.Cover{Path: shm, Memory: true, Size: s.Memory})
	}

	for _, path := range s.hidden() {
		if !covered(path) && !slices.Contains(plan.Writable, path) {
			plan.Covers = append(plan.Covers, stage.Cover{Path: path})
		}
	}
	slices.SortFunc(plan.Covers, func(a, b stage.Cover) int { return strings.Compare(a.Path, b.Path) })

	return nil
}

// netAttr asks for a network namespace where the spec needs one and it can be
// had, and for a confined run for shared memory and message queues of its own.
func (s *Spec) netAttr(plan *stage.Plan, attr *syscall.SysProcAttr) {
	if s.Confined && s.Tier == Namespaces {
		attr.Cloneflags |= unix.CLONE_NEWIPC
	}

	if s.Network == "" || s.Network == NetworkOn {
		return
	}

	if attr.Cloneflags&unix.CLONE_NEWUSER == 0 && !mayMount() {
		plan.NoSocket = s.Network == NetworkOff
		return
	}
	attr.Cloneflags |= unix.CLONE_NEWNET
	plan.Loopback = s.Network == NetworkLoopback
}

// networkText is what holds of the network, unless the stage says it.
func (s *Spec) networkText(attr *syscall.SysProcAttr) string {
	if attr.Cloneflags&unix.CLONE_NEWNET != 0 {
		return "enforced by a network namespace"
	}

	return "not enforced: without namespaces the loopback device can't be had alone"
}

// tasksOf counts the processes and threads of a user.
func tasksOf(uid int) (n int64) {
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, path := range tasks {
		var st syscall.Stat_t
		if syscall.Stat(path, &st) == nil && int(st.Uid) == uid {
			n++
		}
	}

	return n
}

// limits sets what holds the run to its limits and says by what, by key.
func (s *Spec) limits(plan *stage.Plan, g *group, attr *syscall.SysProcAttr) map[string]string {
	how := map[string]string{}
	l := &plan.Limits
	const sampled = "enforced by looking every 20 ms, but not by the kernel: what is quicker goes unseen"

	if s.Memory > 0 {
		if how["memory"] = g.limit("memory", s.Memory); how["memory"] == "" {
			how["memory"], l.Memory = sampled, s.Memory
		}
	}

	if s.Processes > 0 {
		if how["processes"] = g.limit("processes", int64(s.Processes)); how["processes"] == "" {
			how["processes"], l.Count = sampled, int64(s.Processes)

			switch {
			case attr.Cloneflags&unix.CLONE_NEWUSER != 0:
				how["processes"] = "enforced by RLIMIT_NPROC in a user namespace, and by looking every 20 ms"
				l.Tasks = int64(s.Processes) + stageThreads
			case os.Geteuid() != 0: // what else the user runs counts too: a bound for what is quicker than a look
				how["processes"] += "; RLIMIT_NPROC bounds it"
				l.Tasks = tasksOf(os.Geteuid()) + int64(s.Processes) + otherTasks
			}
		}
	}

	if s.CPU > 0 {
		if how["cpu"] = g.limit("cpu", 0); how["cpu"] == "" {
			how["cpu"], l.CPU = sampled, s.CPU
		} else {
			how["cpu"] += ", looked at every 20 ms"
		}
	}

	if l.Memory > 0 || l.Count > 0 || l.CPU > 0 {
		l.Sample = look
	}

	if s.Disk > 0 {
		l.FileSize = s.Disk
		how["disk"] = "enforced by RLIMIT_FSIZE, and by looking at the run's folders from time to time"
	}

	if s.MaxOutput > 0 {
		how["output"] = "enforced by counting"
	}
	plan.Wait = g != nil && g.entry == nil

	return how
}
