package gpu

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Tree tells the processes that descend from root, a process of this namespace
// and usually the caller, from the others. A run's processes descend from the
// process that started it, orphans too, since they go to the run's first
// process or to that one.
func Tree(root int) func(pid int) Owner {
	return func(pid int) Owner {
		for pid != root {
			if pid <= 1 {
				return Foreign
			}

			parent, err := readParent(pid)
			if err != nil { // it, or one of its ancestors, has just ended
				return Unseen
			}

			pid = parent
		}

		return Ours
	}
}

// readParent reads /proc/PID/stat, where the command's name is in parentheses
// and may hold anything.
func readParent(pid int) (int, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}

	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("read the parent of process %d: %q", pid, stat)
	}

	return strconv.Atoi(string(fields[1]))
}
