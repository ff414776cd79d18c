package worker

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/research/contract"
	"ratchet/sandbox"
	"ratchet/sandbox/pagecache"
)

// Every measured run begins in the same state, whatever ran before it: the files that it
// sees are in memory or, with `cache: cold`, dropped from it. A run that throws a file out
// of memory would otherwise make the other side's next run slow.

// readInLimit is how long reading in may take, before each run: what is in memory already
// takes no time.
const readInLimit = 10 * time.Second

// prepareFiles brings the files of the command's view into the state in which the
// program wants each run to begin.
func (ws *workspace) prepareFiles(spec sandbox.Spec) {
	roots := visibleRoots(ws.program(), spec)
	isCold := ws.program().Budget.Cache == contract.CacheCold

	key := strings.Join(roots, "\x00")
	set, known := ws.visible[key]
	if !known {
		set = pagecache.Find(roots)
		ws.visible[key] = set
	}

	switch {
	case !isCold:
		set.ReadIn(readInLimit)
	case !known:
		set.Flush() // a layer that was just made is not on disk yet
		fallthrough
	default:
		set.Drop()
	}
}

// visibleRoots are the folders and files that hold what the command sees, but for the
// system's: the layers of its views, what is carried, and what `reads` names.
func visibleRoots(program *contract.Program, spec sandbox.Spec) (roots []string) {
	for _, view := range spec.Views {
		roots = append(roots, view.Lower...)
	}

	for _, bind := range spec.Binds {
		roots = append(roots, bind.From)
	}

	for _, name := range program.Reads {
		if filepath.IsAbs(name) { // those below home are binds
			roots = append(roots, filepath.Clean(name))
		}
	}
	slices.Sort(roots)

	return slices.Compact(roots)
}

// describeCold says how far a program that wants cold files has them.
func describeCold(tier sandbox.Tier) string {
	if tier == sandbox.Copies {
		return "not enforced: the tree is copied for every run, and is in memory then"
	}

	return "enforced by posix_fadvise before the run, but for the system's files and for pages in use"
}
