package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Merge returns the tree of the commit ours with what theirs changed in paths since
// their common version base, merged line by line. Where both changed the same
// lines, or a file is binary, conflicts names the paths and tree is "". One git
// process for each path that both changed, and two to store the result.
func (o *Objects) Merge(
	ctx context.Context, base, ours, theirs string, paths []string,
) (tree string, conflicts []string, err error) {
	if tree, err = o.Tree(ctx, ours); err != nil {
		return "", nil, err
	}

	changes := edits{}
	for _, path := range paths {
		var versions [3]entry
		for i, commit := range []string{ours, base, theirs} {
			if versions[i], err = o.entryInCommit(ctx, commit, path); err != nil {
				return "", nil, err
			}
		}

		mine, before, other := versions[0], versions[1], versions[2]
		switch {
		case other == before || other == mine: // nothing to take over
		case mine == before:
			changes[path] = other
		default:
			merged, ok, err := o.mergeFile(ctx, mine, before, other)
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

	tree, err = o.editTree(ctx, tree, changes)

	return tree, nil, err
}

// mergeFile merges one file and stores the result. It returns false on a conflict, and
// where one of the versions is missing, binary or no plain file.
func (o *Objects) mergeFile(ctx context.Context, ours, base, theirs entry) (entry, bool, error) {
	versions := []entry{ours, base, theirs}
	for _, e := range versions {
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
	for i, e := range versions {
		content, err := o.readObject(ctx, plumbing.BlobObject, e.hash)
		if err != nil {
			return entry{}, false, err
		}

		name := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return entry{}, false, fmt.Errorf("write a file to merge: %w", err)
		}

		args = append(args, name)
	}

	merged, err := o.git(ctx, nil, args...)
	if err != nil {
		// Conflicts are counted in the exit status and print nothing.
		said := stderrOf(err)
		if strings.HasPrefix(said, "exit status") || strings.Contains(said, "binary") {
			return entry{}, false, nil
		}

		return entry{}, false, err
	}

	hash, err := o.storeBlob(ctx, merged)
	if err != nil {
		return entry{}, false, err
	}

	return entry{name: ours.name, mode: theirs.mode, hash: hash}, true, nil
}

// storeBlob stores content as a blob, unfiltered, and returns its hash.
func (o *Objects) storeBlob(ctx context.Context, content []byte) (string, error) {
	out, err := o.git(ctx, content, "hash-object", "-w", "--no-filters", "--stdin")
	if err != nil {
		return "", err
	}

	return strings.TrimSpace(string(out)), nil
}
