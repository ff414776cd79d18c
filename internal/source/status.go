package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Change is a tracked path that differs from a commit.
type Change struct {
	Path string
	// Kind is modified, deleted, mode (the permission, whether or not the content
	// differs), type, or added (staged, or unknown to the commit).
	Kind string
	// Added and Removed are lines, as stored; 0 for a binary file.
	Added, Removed int
}

// Changes lists the tracked paths of the work tree whose content (after clean
// filters), mode or type differs from the commit's, ordered by path. A touched
// but equal file is not a change. A submodule counts when its HEAD moved. The
// user's index is read, never refreshed: git works on a link to it, since `git diff`
// writes what it refreshed although GIT_OPTIONAL_LOCKS is 0.
func (r *Repo) Changes(ctx context.Context, commit string) ([]Change, error) {
	s, err := r.linkUserIndex()
	if err != nil {
		return nil, err
	}
	defer s.removeFolder()

	out, err := r.run(ctx, invocation{env: []string{"GIT_INDEX_FILE=" + s.path}}, "-c", "core.splitIndex=false",
		"-c", "diff.autoRefreshIndex=true", "diff", "--raw", "--numstat", "-z", "-O/dev/null", "--no-renames",
		"--no-ext-diff", "--no-textconv", "--no-relative", "--no-color", "--ignore-submodules=dirty",
		"--end-of-options", commit, "--")
	if err != nil {
		return nil, explainFilterFailure(err)
	}

	return readChanges(splitFields(out))
}

// readChanges reads what --raw and --numstat print: for each path a field that
// begins with a colon and one with the path, then for each path its line counts.
func readChanges(all []string) (list []Change, err error) {
	position := map[string]int{} // in list, by path

	for i := 0; i < len(all); i++ {
		if strings.HasPrefix(all[i], ":") && i+1 < len(all) {
			raw, path := all[i], all[i+1]
			i++

			if _, twice := position[path]; !twice {
				position[path] = len(list)
				list = append(list, Change{Path: path, Kind: changeKind(raw)})
			}

			continue
		}

		added, removed, path, err := parseLineCounts(all[i])
		if err != nil {
			return nil, err
		}

		if k, ok := position[path]; ok {
			list[k].Added, list[k].Removed = added, removed
		}
	}

	return list, nil
}

// changeKind reads ":OLDMODE NEWMODE OLDHASH NEWHASH STATUS".
func changeKind(raw string) string {
	columns := strings.Fields(strings.TrimPrefix(raw, ":"))
	if len(columns) < 5 {
		return "modified"
	}

	oldMode, newMode, status := columns[0], columns[1], columns[4]
	switch status[0] {
	case 'A':
		return "added"
	case 'D':
		return "deleted"
	case 'T':
		return "type"
	case 'M':
		if oldMode != newMode {
			return "mode"
		}
	}

	return "modified"
}

// linkUserIndex makes a scratch whose index is a hard link to the user's: reading it
// sees the same bytes and time stamps, and a git that writes replaces the link.
func (r *Repo) linkUserIndex() (*scratch, error) {
	dir, err := os.MkdirTemp(r.gitDir, "ratchet-index-")
	if err != nil {
		return nil, fmt.Errorf("make a private index: %w", err)
	}

	s := &scratch{dir: dir, path: filepath.Join(dir, "index")}
	from := filepath.Join(r.gitDir, "index")

	err = os.Link(from, s.path)
	if err == nil || errors.Is(err, os.ErrNotExist) { // no index yet: an empty one
		return s, nil
	}

	// Where links are not possible, a copy.
	if err := copyWithTime(from, s.path); err != nil {
		s.removeFolder()
		return nil, fmt.Errorf("make a private index: %w", err)
	}

	return s, nil
}

// copyWithTime copies a file and its time, from which git sees which entries of an index may be
// older than their files.
func copyWithTime(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()

	info, err := in.Stat()
	if err != nil {
		return err
	}

	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()

	if _, err := io.Copy(out, in); err != nil {
		return err
	}

	if err := out.Close(); err != nil {
		return err
	}

	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// Untracked names at most limit (0: all) files that are neither tracked nor
// ignored. A folder in which nothing is tracked is one name that ends in a slash.
func (r *Repo) Untracked(ctx context.Context, limit int) ([]string, error) {
	out, err := r.git(ctx, nil, "ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory",
		"-z", "--")
	if err != nil {
		return nil, err
	}

	list := splitFields(out)
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}

	return list, nil
}
