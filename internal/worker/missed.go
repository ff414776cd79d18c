package worker

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ratchet/internal/research/contract"
	"ratchet/sandbox"
)

// listSeen lists what runs see beside the repository and the system's folders.
func listSeen(ws *workspace) []string {
	seen := slices.Clone(ws.shown)
	for _, bind := range ws.binds {
		seen = append(seen, bind.From)
	}

	slices.Sort(seen)

	return slices.Compact(seen)
}

const (
	missedLookback = 64 << 10 // bytes of the output's end in which a miss is looked for
	maxMissed      = 3        // paths that a hint names
)

// A line that says that a file was missed, and the paths in it.
var (
	missLine = regexp.MustCompile(`(?i)no such file|not found|ENOENT|permission denied|EACCES|does ?n[o']t exist` +
		`|(can ?no|can'|could no)t (open|find|read|access|load)|(failed|unable) to (open|find|read|access|load)`)
	missedPath = regexp.MustCompile("(?:^|[\\s'\"=:(\\[<`])((?:\\.\\.)?/[^\\s'\":,;()\\[\\]<>`]+)")
)

// missedHint is added to the failure of a command whose output says that it missed
// a path which exists and which runs are not shown: the line of the program that
// shows it; else "".
func missedHint(ws *workspace, spec sandbox.Spec, result sandbox.Result) string {
	text := result.Output.Text()
	text = text[max(0, len(text)-missedLookback):]

	var names []string

	for line := range bytes.Lines(text) {
		if !missLine.Match(line) {
			continue
		}

		for _, match := range missedPath.FindAllSubmatch(line, -1) {
			name := nameUnseen(ws, spec, string(match[1]))
			if name != "" && !slices.Contains(names, name) && len(names) < maxMissed {
				names = append(names, name)
			}
		}
	}

	if len(names) == 0 {
		return ""
	}

	return fmt.Sprintf(" (to let runs see what lies outside, add `reads: [%s]`)", strings.Join(names, ", "))
}

// nameUnseen is what `reads` calls a path that a command printed, "" where that would
// not help: it does not exist, is seen, or lies in the repository; and for secrets
// and sockets.
func nameUnseen(ws *workspace, spec sandbox.Spec, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(spec.Dir, path)
	}

	path = strings.TrimRight(filepath.Clean(path), ".!?")
	name := path

	// In the run's HOME is what `reads` names of the user's.
	if rel, ok := strings.CutPrefix(path, ws.homeDir()+"/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}

		name, path = "~/"+rel, filepath.Join(home, rel)
		if slices.ContainsFunc(spec.Binds, func(b sandbox.Bind) bool { return contract.IsWithin(path, b.From) }) {
			return ""
		}
	}

	real, err := filepath.EvalSymlinks(path)
	if err != nil || contract.IsWithin(real, ws.co.Repo.Root()) {
		return ""
	}

	if info, err := os.Stat(real); err != nil || info.Mode()&fs.ModeSocket != 0 {
		return ""
	}

	isHidden := slices.ContainsFunc(ws.hidden, func(folder string) bool { return contract.IsWithin(real, folder) })
	if isHidden || name == path && spec.Sees(real) {
		return ""
	}

	return name
}
