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

// visibleFiles are the files that a job's commands see.
type visibleFiles struct {
	sets  map[string]*visibleSet // of each view, by what it is made of
	reads int                    // how many commands have read from disk
}

// visibleSet are the files of one view, and visibleFiles.reads when all were last read in.
type visibleSet struct {
	*pagecache.Set
	settledAt int
}

// prepare brings the files that the command sees into the state in which the program
// wants each run to begin.
func (v *visibleFiles) prepare(program *contract.Program, spec sandbox.Spec) {
	roots := visibleRoots(program, spec)
	isCold := program.Budget.Cache == contract.CacheCold

	key := strings.Join(roots, "\x00")
	set, known := v.sets[key]
	if !known {
		set = &visibleSet{pagecache.Find(roots), -1}
		v.sets[key] = set
	}

	switch {
	case isCold && !known:
		set.Flush() // a layer that was just made is not on disk yet
		fallthrough
	case isCold:
		set.Drop()
	case set.settledAt != v.reads:
		set.Settle(readInLimit)
		set.settledAt = v.reads
	default:
		set.ReadIn(readInLimit)
	}
}

// noteCommand notes that a command ended: if it read from disk, or may have, it may have
// dropped files from memory and read them again, which leaves them slower to read.
func (v *visibleFiles) noteCommand(result sandbox.Result) {
	if result.DiskRead == nil || *result.DiskRead > 0 {
		v.reads++
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
