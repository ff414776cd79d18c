package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Merge is the tree of the commit ours with what theirs changed in paths since
// their common version base, merged line by line. Where both changed the same
// lines, or a file is binary, conflicts names the paths and tree is "". One git
// process for each path that both changed, and two to store the result.
func (r *Objects) Merge(
	ctx context.Context, base, ours, theirs string, paths []string,
) (tree string, conflicts []string, err error) {
	if tree, err = r.Tree(ctx, ours); err != nil {
		return "", nil, err
	}
	changes := edits{}

	for _, path := range paths {
		var three [3]entry
		for i, commit := range []string{ours, base, theirs} {
			if three[i], err = r.committed(ctx, commit, path); err != nil {
				return "", nil, err
			}
		}

		is, was, want := three[0], three[1], three[2]
		switch {
		case want == was || want == is:
		case is == was:
			changes[path] = want
		default:
			merged, ok, err := r.mergeFile(ctx, is, was, want)
			if err != nil {
				return "", nil, err
			}

			if !ok {
				conflicts = append(conflicts, path)
				continue
			}
			changes[path] = merged
		}
	}

	if len(conflicts) > 0 {
		return "", conflicts, nil
	}
	tree, err = r.editTree(ctx, tree, changes)

	return tree, nil, err
}

// mergeFile merges one file, false where it can't be done without a person.
func (r *Objects) mergeFile(ctx context.Context, ours, base, theirs entry) (entry, bool, error) {
	for _, e := range []entry{ours, base, theirs} {
		if e.mode != modeFile && e.mode != modeExec {
			return entry{}, false, nil
		}
	}

	dir, err := os.MkdirTemp("", "ratchet-merge-")
	if err != nil {
		return entry{}, false, fmt.Errorf("make a folder to merge in: %w", err)
	}
	defer os.RemoveAll(dir)
	args := []string{"merge-file", "-p", "-q"}

	for i, e := range []entry{ours, base, theirs} {
		content, err := r.object(ctx, plumbing.BlobObject, e.hash)
		if err != nil {
			return entry{}, false, err
		}

		name := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return entry{}, false, fmt.Errorf("write a file to merge: %w", err)
		}
		args = append(args, name)
	}

	merged, err := r.git(ctx, nil, args...)
	if said := stderrOf(err); err != nil && (strings.HasPrefix(said, "exit status") || strings.Contains(said,
		"binary")) {
		return entry{}, false, nil
	}

	if err != nil {
		return entry{}, false, err
	}

	if merged == nil {
		merged = []byte{}
	}

	out, err := r.git(ctx, merged, "hash-object", "-w", "--no-filters", "--stdin")
	if err != nil {
		return entry{}, false, err
	}

	return entry{name: ours.name, mode: theirs.mode, hash: strings.TrimSpace(string(out))}, true, nil
}
