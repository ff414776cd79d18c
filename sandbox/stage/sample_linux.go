package stage

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const (
	rlimitNproc = 6
	clockTick   = 10 * time.Millisecond // of /proc's processor times: 100 a second on every architecture
	// looks until shared pages are told apart again: that holds up the process that is looked at
	exactEvery   = 5
	statFields   = 22 // after the name: state, parent, … resident pages
	fieldUser    = 11 // user, system, children's user, children's system
	fieldThreads = 17
	fieldPages   = 21
)

// treeUse is what one look at the tree found.
type treeUse struct {
	resident int64         // bytes; pages that several processes share count in each
	tasks    int64         // processes and threads
	cpu      time.Duration // of the living, and of the dead that somebody waited for
	seen     time.Duration // of all that were ever seen alive: never too much
}

// watchLimits looks at the tree and ends the run when it exceeds a limit.
func (s *stage) watchLimits() {
	runtime.LockOSThread()
	goFirst()

	limits := s.plan.Limits
	used := map[int]time.Duration{} // last seen processor time of each process ever seen

	for looksUntilExact := 0; ; looksUntilExact-- {
		time.Sleep(limits.Sample)
		now, pids := s.lookAtTree(used)

		// Above the limit pages that are shared may have been counted too often.
		// Until they are told apart, the tree counts as being at the limit.
		memory := now.resident
		if limits.Memory > 0 && memory > limits.Memory {
			memory = limits.Memory

			if looksUntilExact <= 0 {
				memory = sumProportional(pids, now.resident)
				looksUntilExact = exactEvery
			}
		}

		s.maxTree.Store(max(s.maxTree.Load(), memory))
		s.seenCPU.Store(int64(now.seen))

		exceeded := ""

		switch {
		case limits.Memory > 0 && memory > limits.Memory:
			exceeded = "memory"
		case limits.Count > 0 && now.tasks > limits.Count:
			exceeded = "processes"
		case limits.CPU > 0 && now.cpu > limits.CPU:
			exceeded = "cpu"
		default:
			continue
		}

		s.exceeded.Store(&exceeded)
		s.end()
	}
}

// lookAtTree sums up the tree, and updates the processor time of each process.
func (s *stage) lookAtTree(used map[int]time.Duration) (now treeUse, pids []string) {
	pageSize := int64(os.Getpagesize())
	var living time.Duration // with the children that each has waited for

	for _, pid := range s.listTree() {
		name := strconv.Itoa(pid)

		fields, ok := readStatFields(name)
		if !ok {
			continue
		}

		pids = append(pids, name)
		now.resident += fields[fieldPages] * pageSize
		now.tasks += fields[fieldThreads]

		own := time.Duration(fields[fieldUser]+fields[fieldUser+1]) * clockTick
		waitedFor := time.Duration(fields[fieldUser+2]+fields[fieldUser+3]) * clockTick
		living += own + waitedFor
		used[pid] = max(used[pid], own)
	}

	for _, own := range used {
		now.seen += own
	}

	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ru)
	reaped := time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	now.cpu = max(now.seen, living+reaped)

	return now, pids
}

// listTree lists the processes of the run.
func (s *stage) listTree() (pids []int) {
	if !s.plan.Namespaces {
		for _, p := range Descendants(os.Getpid()) {
			pids = append(pids, p.Pid)
		}

		return pids
	}

	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()

	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if pid, ok := parseNumber(name); ok && pid != 1 {
			pids = append(pids, pid)
		}
	}

	return pids
}

// readStatFields reads the numbers that stand after the name in a process's
// stat; what is not a number counts as 0. Not ok: the process is gone.
func readStatFields(pid string) (fields [statFields]int64, ok bool) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return fields, false
	}

	field, inField := -1, false

	for _, c := range text[nameEnd(text)+1:] {
		if c == ' ' {
			inField = false
			continue
		}

		if !inField {
			inField = true
			field++
		}

		if field >= statFields {
			break
		}

		if c >= '0' && c <= '9' {
			fields[field] = fields[field]*10 + int64(c-'0')
		}
	}

	return fields, field >= statFields-1
}

// sumProportional sums what each process holds, with shared pages divided among
// their holders; rough is the answer where the kernel does not tell.
func sumProportional(pids []string, rough int64) (total int64) {
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		if os.IsNotExist(err) {
			if _, gone := os.Stat("/proc/" + pid); gone != nil {
				continue
			}

			return rough
		}

		if err == nil {
			total += findNumber(text, "\nPss:") << 10 // the file has KiB
		} else if os.IsPermission(err) {
			return rough
		}
	}

	return total
}

// findNumber finds the number after a label; 0 if it is not there.
func findNumber(text []byte, label string) (n int64) {
	for i := 0; i+len(label) <= len(text); i++ {
		if string(text[i:i+len(label)]) != label {
			continue
		}

		for _, c := range text[i+len(label):] {
			if c >= '0' && c <= '9' {
				n = n*10 + int64(c-'0')
			} else if c != ' ' {
				return n
			}
		}
	}

	return n
}
