package worker

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research/contract"
	"ratchet/sandbox"
)

// This file is what a command may not change. Tracked files are frozen, and so are
// files that tools load by themselves: what a run leaves could steer what the same
// run starts later. An evaluator (`measure`) needs no such list: it sees nothing of a
// run but what is handed to it (hand.go).

// codeFiles are names that interpreters and tools load by themselves.
var codeFiles = []string{"conftest.py", "sitecustomize.py", "usercustomize.py", ".npmrc", "package.json", ".pnp.cjs",
	"pytest.ini", "Makefile", "makefile", "GNUmakefile"}

// forbiddenChanges says which changes a command was not allowed to make, "" if none.
// newCode asks for new files that tools load by themselves.
func (ws *workspace) forbiddenChanges(changes []sandbox.Change, newCode bool) string {
	var forbidden []string

	for _, change := range changes {
		if ws.isWritable(change.Path) {
			continue
		}
		_, tracked := ws.tracked[change.Path]

		switch {
		case tracked && change.Kind == sandbox.Restored:
			forbidden = append(forbidden, change.Path+" (changed meanwhile and put back, or opened for writing)")
		case tracked: // also a folder in the place of a file
			forbidden = append(forbidden, change.Path)
		case newCode && change.Kind == sandbox.Written && isCodeFile(change.Path):
			forbidden = append(forbidden, change.Path+" (new, would be loaded as code)")
		}
	}

	if len(forbidden) == 0 {
		return ""
	}

	return "changed files that it may not: " + strings.Join(forbidden[:min(len(forbidden), 5)], ", ")
}

// newlyRestored are a build's changes without the files that it puts back as they were
// and that the start's build, "" where there is none to compare with, puts back too: build
// tools write what they make again, also where it is tracked and comes out the same.
func newlyRestored(start string, changes []sandbox.Change) []sandbox.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(change sandbox.Change) bool {
		if change.Kind != sandbox.Restored || start == "" {
			return change.Kind == sandbox.Restored
		}
		_, err := os.Lstat(filepath.Join(start, filepath.FromSlash(change.Path)))

		return err == nil
	})
}

// isWritable says whether the program lets its commands write there.
func (ws *workspace) isWritable(file string) bool {
	return slices.ContainsFunc(ws.program().Writes, func(writable string) bool {
		return contract.IsWithin(file, checkout.JoinSlash(ws.folder, writable))
	})
}

// isCodeFile says whether tools load a file by itself, for its name.
func isCodeFile(file string) bool {
	return slices.Contains(codeFiles, path.Base(file)) || path.Ext(file) == ".pth"
}
