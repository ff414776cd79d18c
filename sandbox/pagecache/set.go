package pagecache

import (
	"cmp"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// The bounds of a set.
const (
	MaxFiles = 4096
	MaxBytes = 2 << 30
	// maxSeen is how many entries are looked at to find the largest files.
	maxSeen = 200_000
)

// Set is some files, in the order in which they are read in.
type Set struct {
	files []file
	Left  int // files that the bounds left out
}

type file struct {
	path string
	size int64
}

// Find is the set of the regular files in these folders; a root may be a file itself.
// What can't be listed is left out.
func Find(roots []string) *Set {
	var found []file

	set, seen := &Set{}, 0

	for _, root := range roots {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if seen++; seen > maxSeen {
				set.Left++
				return fs.SkipAll
			}

			if err != nil || !entry.Type().IsRegular() {
				return nil
			}

			if info, err := entry.Info(); err == nil && info.Size() > 0 {
				found = append(found, file{path, info.Size()})
			}

			return nil
		})
	}

	slices.SortFunc(found, func(a, b file) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.path, b.path))
	})

	total := int64(0)

	for _, f := range found {
		if len(set.files) == MaxFiles || total+f.size > MaxBytes {
			set.Left++
			continue
		}

		total += f.size
		set.files = append(set.files, f)
	}

	return set
}

// ReadIn reads the files that are not in memory, until reading them again costs what it
// costs from then on. It ends when the time is over.
func (s *Set) ReadIn(within time.Duration) { s.read(within, false) }

// Settle does the same with all files: one that is in memory may have been dropped and
// read in by another process, and then costs its next reader more.
func (s *Set) Settle(within time.Duration) { s.read(within, true) }

func (s *Set) read(within time.Duration, all bool) {
	deadline := time.Now().Add(within)

	for _, f := range s.files {
		if !f.readIn(deadline, all) {
			return
		}
	}
}

// Flush writes what of the files is not yet on disk, so that it can be dropped.
func (s *Set) Flush() {
	for _, f := range s.files {
		f.flush()
	}
}

// Drop drops the files from memory, as far as that can be done.
func (s *Set) Drop() {
	for _, f := range s.files {
		f.drop()
	}
}
