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
		pid, ok := parseNumber(e.Name())
		if !ok {
			continue
		}

		if parent, dead, ok := readParent(e.Name()); ok {
			children[parent] = append(children[parent], Process{pid, dead})
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
	const mostSnapshots = 64
	seen := map[int]bool{}

	for range mostSnapshots {
		foundNew := false

		for _, p := range Descendants(pid) {
			if !seen[p.Pid] {
				seen[p.Pid] = true
				foundNew = true
				_ = syscall.Kill(p.Pid, syscall.SIGSTOP)
			}
		}

		if !foundNew {
			break
		}
	}

	for p := range seen {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
}

// readParent reads a process's parent and whether it is a zombie. Not ok: the
// process is gone.
func readParent(pid string) (parent int, dead, ok bool) {
	text, err := os.ReadFile("/proc/" + pid + "/stat") // 12 (name) S 1 …
	if err != nil {
		return 0, false, false
	}

	name := nameEnd(text)
	if name < 0 || len(text) < name+5 {
		return 0, false, false
	}

	state, rest := text[name+2], text[name+4:]

	end := 0
	for end < len(rest) && rest[end] != ' ' {
		end++
	}

	parent, ok = parseNumber(string(rest[:end]))

	return parent, state == 'Z' || state == 'X', ok
}

// nameEnd is the index of the parenthesis that closes the name in a process's
// stat; -1 when there is none. The name may hold anything, so the last one counts.
func nameEnd(stat []byte) int {
	i := len(stat) - 1
	for i >= 0 && stat[i] != ')' {
		i--
	}

	return i
}

// parseNumber parses a decimal number without a sign.
func parseNumber(text string) (n int, ok bool) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}

		n = n*10 + int(c-'0')
	}

	return n, text != ""
}
