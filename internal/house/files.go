package house

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// mostBytes of a file in the tree: sources, texts and pictures are smaller, and what was
// built has no place in it.
const mostBytes = 2 << 20

// CheckFileSizes names the files below dir that are too large to be sources, but for what
// git ignores at the top: bin, dist and git's own folder.
func CheckFileSizes(dir string) (faults []string) {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}

		if entry.IsDir() {
			if slices.Contains([]string{"bin", "dist", ".git"}, name) {
				return fs.SkipDir
			}

			return nil
		}

		info, err := entry.Info()
		if err == nil && info.Size() > mostBytes {
			faults = append(faults, fmt.Sprintf("%s has %d bytes, at most %d: what was built goes to bin/",
				name, info.Size(), mostBytes))
		}

		return err
	})
	if err != nil {
		faults = append(faults, err.Error())
	}

	return faults
}
