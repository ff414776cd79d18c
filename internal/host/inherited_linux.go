package host

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// namespaces are those that a process inherits.
var namespaces = []string{"cgroup", "ipc", "mnt", "net", "pid_for_children", "user", "uts"}

// statusFields are the lines of /proc/self/status that a process inherits.
var statusFields = []string{"Umask", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
	"NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed", "SigIgn"}

// inheritedState is what a new process of this one's would inherit beside its
// environment: users, limits, control groups, namespaces, CPUs, priority.
func inheritedState() (state []string) {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		name, _, _ := strings.Cut(line, ":")
		for _, field := range statusFields {
			if name == field {
				state = append(state, line)
			}
		}
	}

	for _, file := range []string{"/proc/self/limits", "/proc/self/cgroup"} {
		text, _ := os.ReadFile(file)
		state = append(state, string(text))
	}

	for _, name := range namespaces {
		link, _ := os.Readlink("/proc/self/ns/" + name)
		state = append(state, link)
	}
	root, _ := os.Readlink("/proc/self/root")
	nice, _ := syscall.Getpriority(syscall.PRIO_PROCESS, 0)

	return append(state, root, fmt.Sprint(nice))
}

// identifyFile tells a file from another one of the same path.
func identifyFile(info os.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}

	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
