package sandbox

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"ratchet/sandbox/cgroup"
	"ratchet/sandbox/meter"
	"ratchet/sandbox/stage"
)

// stageThreads is room for the stage's own threads, which RLIMIT_NPROC counts too.
const stageThreads = 16

// otherTasks is room for what a user starts beside the run, where RLIMIT_NPROC counts that too.
const otherTasks = 128

// What enforces a limit that no cgroup does.
const sampled = "enforced by looking every 20 ms, but not by the kernel: what is quicker goes unseen"

// planNetwork asks for a network namespace where the spec needs one and it can be
// had, and for a confined run for shared memory and message queues of its own.
func (s *Spec) planNetwork(plan *stage.Plan, attr *syscall.SysProcAttr) {
	if s.Confined && s.Tier == Namespaces {
		attr.Cloneflags |= unix.CLONE_NEWIPC
	}

	if s.Network == "" || s.Network == NetworkOn {
		return
	}

	if attr.Cloneflags&unix.CLONE_NEWUSER == 0 && !canMount() {
		plan.NoSocket = s.Network == NetworkOff
		return
	}

	attr.Cloneflags |= unix.CLONE_NEWNET
	plan.Loopback = s.Network == NetworkLoopback
}

// describeNetwork says what enforces Network, unless the stage says it.
func (s *Spec) describeNetwork(attr *syscall.SysProcAttr) string {
	if attr.Cloneflags&unix.CLONE_NEWNET != 0 {
		return "enforced by a network namespace"
	}

	return "not enforced: without namespaces the loopback device can't be had alone"
}

// newGroup makes the control group that the limits need; nil when they need
// none or it can't be made.
func (s *Spec) newGroup() *cgroup.Group {
	if s.Memory == 0 && s.Processes == 0 && s.CPU == 0 && !s.CountCPU {
		return nil
	}

	return cgroup.New()
}

// planLimits sets the limits in the group and in the plan, and says by key what
// enforces each.
func (s *Spec) planLimits(plan *stage.Plan, group *cgroup.Group, attr *syscall.SysProcAttr) map[string]string {
	how := map[string]string{}

	if s.Memory > 0 {
		how["memory"] = group.Limit(cgroup.MemoryLimit, s.Memory)

		if how["memory"] == "" {
			how["memory"] = sampled
			plan.Limits.Memory = s.Memory
		}
	}

	if s.Processes > 0 {
		how["processes"] = group.Limit(cgroup.ProcessLimit, int64(s.Processes))

		if how["processes"] == "" {
			how["processes"] = s.planProcesses(plan, attr)
		}
	}

	if s.CPU > 0 {
		how["cpu"] = group.Limit(cgroup.CPULimit, 0)

		if how["cpu"] == "" {
			how["cpu"] = sampled
			plan.Limits.CPU = s.CPU
		} else {
			how["cpu"] += ", looked at every 20 ms"
		}
	}

	// The largest process is counted when it is waited for, also in a group.
	if s.CountCPU || s.CPU > 0 {
		how["accounting"] = group.Limit(cgroup.CPULimit, 0)
	}

	if plan.Children = s.CountMaxRSS || (s.CountCPU || s.CPU > 0) && how["accounting"] == ""; plan.Children {
		delete(how, "accounting") // the stage says it
	}

	if plan.Limits.Memory > 0 || plan.Limits.Count > 0 || plan.Limits.CPU > 0 {
		plan.Limits.Sample = meter.Interval
	}

	if s.Disk > 0 {
		plan.Limits.FileSize = s.Disk
		how["disk"] = "enforced by RLIMIT_FSIZE, and by looking at the run's folders from time to time"
	}

	if s.MaxOutput > 0 {
		how["output"] = "enforced by counting"
	}

	plan.Wait = group != nil && group.Folder() == nil

	return how
}

// planProcesses limits processes without a cgroup, and says what enforces it.
func (s *Spec) planProcesses(plan *stage.Plan, attr *syscall.SysProcAttr) string {
	plan.Limits.Count = int64(s.Processes)

	switch {
	case attr.Cloneflags&unix.CLONE_NEWUSER != 0:
		plan.Limits.Tasks = int64(s.Processes) + stageThreads
		return "enforced by RLIMIT_NPROC in a user namespace, and by looking every 20 ms"
	case os.Geteuid() != 0: // what else the user runs counts too: a bound for what is quicker than a look
		plan.Limits.Tasks = countTasks(os.Geteuid()) + int64(s.Processes) + otherTasks
		return sampled + "; RLIMIT_NPROC bounds it"
	}

	return sampled
}

// countTasks counts the processes and threads of a user.
func countTasks(uid int) (n int64) {
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, path := range tasks {
		var st syscall.Stat_t
		if syscall.Stat(path, &st) == nil && int(st.Uid) == uid {
			n++
		}
	}

	return n
}
