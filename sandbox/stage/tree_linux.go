package stage

import (
	"os"
	"syscall"
)

// Process is one line of a snapshot of /proc. Dead means a zombie: it waits
// only to be reaped (or has lost its first thread, and can still be killed).
type Process struct {
	Pid  int
	Dead bool
}

// Descendants is every process below pid in one snapshot of /proc. It is not
// atomic: what is forked while it reads may be missing.
func Descendants(pid int) []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]Process{}

	for _, e := range entries {
		if p, ok := number(e.Name()); ok {
			if parent, dead, ok := stat(e.Name()); ok {
				children[parent] = append(children[parent], Process{p, dead})
			}
		}
	}

	found := children[pid]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].Pid]...)
	}

	return found
}

// KillDescendants stops everything below pid until a snapshot shows nothing new, then
// kills all of it. A program that forks faster than /proc is read can escape
// one sweep; a caller that can count its children calls again until none is left.
func KillDescendants(pid int) {
	seen := map[int]bool{}

	for range 64 {
		fresh := false

		for _, p := range Descendants(pid) {
			if !seen[p.Pid] {
				seen[p.Pid], fresh = true, true
				_ = syscall.Kill(p.Pid, syscall.SIGSTOP)
			}
		}

		if !fresh {
			break
		}
	}

	for p := range seen {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
}

// stat reads a process's parent and whether it is a zombie. The name, in
// parentheses, may hold anything, so the last parenthesis counts.
func stat(pid string) (parent int, dead, ok bool) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, false, false
	}

	i := len(b) - 1
	for i >= 0 && b[i] != ')' {
		i--
	}

	if i < 0 || len(b) < i+5 {
		return 0, false, false
	}
	rest := b[i+4:]

	end := 0
	for end < len(rest) && rest[end] != ' ' {
		end++
	}
	parent, ok = number(string(rest[:end]))

	return parent, b[i+2] == 'Z' || b[i+2] == 'X', ok
}

// number is a decimal number without a sign.
func number(s string) (n int, ok bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}

	return n, s != ""
}
