package stage

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const (
	rlimitNproc  = 6
	clockTick    = 10 * time.Millisecond // of /proc's processor times: 100 a second on every architecture
	exactEvery   = 5                     // looks until shared pages are told apart again: that holds up the process that is looked at
	statFields   = 22                    // after the name: state, parent, … resident pages
	fieldUser    = 11                    // user, system, children's user, children's system
	fieldThreads = 17
	fieldPages   = 21
)

// sampled is what one look at the tree found.
type sampled struct {
	resident int64         // bytes; pages that several processes share count in each
	tasks    int64         // processes and threads
	cpu      time.Duration // of the living, and of the dead that somebody waited for
	seen     time.Duration // of all that were ever seen alive: never too much
}

// sample looks at the tree until a limit is exceeded.
func (s *stage) sample() {
	runtime.LockOSThread()
	goFirst()
	l := s.plan.Limits
	lived := map[int]time.Duration{} // last seen processor time of each process ever seen

	for rest := 0; ; rest-- {
		time.Sleep(l.Sample)
		now, pids := s.look(lived)

		memory := now.resident
		if l.Memory > 0 && memory > l.Memory {
			if memory = l.Memory; rest <= 0 {
				memory = proportional(pids, now.resident)
				rest = exactEvery
			}
		}
		s.maxTree.Store(max(s.maxTree.Load(), memory))
		s.seenCPU.Store(int64(now.seen))
		which := ""

		switch {
		case l.Memory > 0 && memory > l.Memory:
			which = "memory"
		case l.Count > 0 && now.tasks > l.Count:
			which = "processes"
		case l.CPU > 0 && now.cpu > l.CPU:
			which = "cpu"
		default:
			continue
		}
		s.exceeded.Store(&which)
		s.end()
	}
}

// look sums up the tree.
func (s *stage) look(lived map[int]time.Duration) (now sampled, pids []string) {
	page := int64(os.Getpagesize())
	var all, children time.Duration

	add := func(pid int) {
		name := strconv.Itoa(pid)

		f, ok := fields(name)
		if !ok {
			return
		}

		pids = append(pids, name)
		own := time.Duration(f[fieldUser]+f[fieldUser+1]) * clockTick
		lived[pid] = max(lived[pid], own)
		children += time.Duration(f[fieldUser+2]+f[fieldUser+3])*clockTick + own
		now.resident += f[fieldPages] * page
		now.tasks += f[fieldThreads]
	}
	for _, p := range s.tree() {
		add(p)
	}

	for _, t := range lived {
		all += t
	}
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ru)
	now.seen = all
	now.cpu = max(all, children+time.Duration(ru.Utime.Nano()+ru.Stime.Nano()))

	return now, pids
}

// tree lists the processes of the run.
func (s *stage) tree() (pids []int) {
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
		if pid, ok := number(name); ok && pid != 1 {
			pids = append(pids, pid)
		}
	}

	return pids
}

// fields reads the numbers that stand after the name in a process's stat.
func fields(pid string) (f [statFields]int64, ok bool) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return f, false
	}

	i := len(b) - 1
	for i >= 0 && b[i] != ')' {
		i--
	}
	n, in := -1, false

	for _, c := range b[i+1:] {
		switch {
		case c == ' ':
			in = false
			continue
		case !in:
			in = true
			n++
		}

		if n >= statFields {
			break
		}

		if c >= '0' && c <= '9' {
			f[n] = f[n]*10 + int64(c-'0')
		}
	}

	return f, n >= statFields-1
}

// proportional sums what each process holds, with shared pages divided among
// their holders; rough is the answer where the kernel does not tell.
func proportional(pids []string, rough int64) (total int64) {
	for _, pid := range pids {
		b, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		if os.IsNotExist(err) {
			if _, gone := os.Stat("/proc/" + pid); gone != nil {
				continue
			}

			return rough
		}

		if err == nil {
			total += kibibytes(b, "\nPss:") << 10
		} else if os.IsPermission(err) {
			return rough
		}
	}

	return total
}

// kibibytes is the number after a label, 0 if it is not there.
func kibibytes(text []byte, label string) (n int64) {
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
