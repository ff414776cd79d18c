package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ratchet/internal/research"
)

// Materialise checks a commit out into dir, which must be empty or missing:
// all files, with smudge filters, line endings, links and modes as in a fresh
// clone with this repository's configuration, and whole even where the user's
// checkout is sparse. Submodules become empty folders. A cancelled or failed
// call leaves dir half full. CodeRepository: what git wrote is not what the commit has
// (requireCommitted).
func (o *Objects) Materialise(ctx context.Context, commit, dir string) error {
	tree, err := o.Tree(ctx, commit)
	if err != nil {
		return err
	}

	dir, err = makeEmptyDir(dir)
	if err != nil {
		return err
	}

	s, err := newScratch()
	if err != nil {
		return err
	}
	defer s.removeFolder()

	if _, err := o.runOnScratch(ctx, s, dir, nil, "read-tree", "--reset", "-u", "--no-sparse-checkout",
		tree); err != nil {
		return explainFilterFailure(err)
	}

	files := map[string]entry{}
	if err := o.walkTree(ctx, tree, "", func(path string, e entry) {
		if e.hasContent() {
			files[path] = e
		}
	}); err != nil {
		return err
	}

	return o.requireCommitted(ctx, tree, files, dir)
}

// makeEmptyDir makes a folder and returns its absolute path. A folder that holds
// something is an error.
func makeEmptyDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", dir, err)
	}

	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("make %s: %w", dir, err)
	}

	list, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("list %s: %w", dir, err)
	}

	if len(list) > 0 {
		return "", fmt.Errorf("check out into %s: it is not empty", dir)
	}

	return dir, nil
}

// MaterialiseDelta writes into dir, in their folders, the files of commit `to`
// that commit `from` lacks or has otherwise, as Materialise would, and returns
// their paths in order. Submodules that moved are left out. CodeUnsupported
// when `to` lacks a file of `from`, for a delta can't say that.
func (o *Objects) MaterialiseDelta(ctx context.Context, from, to, dir string) ([]string, error) {
	before, err := o.Tree(ctx, from)
	if err != nil {
		return nil, err
	}

	after, err := o.Tree(ctx, to)
	if err != nil {
		return nil, err
	}

	var paths, removed []string
	err = o.treeDelta(ctx, before, after, "", func(path string, _, now entry) {
		switch {
		case now.hash == "":
			removed = append(removed, path)
		case now.mode != modeSubmodule:
			paths = append(paths, path)
		}
	})

	if err != nil {
		return nil, err
	}

	if len(removed) > 0 {
		return nil, research.Errorf(research.CodeUnsupported, "keep the file, empty if need be",
			"the change removes %s, and a removal can't be laid over a version", slices.Min(removed))
	}

	if len(paths) == 0 {
		return nil, nil
	}

	slices.Sort(paths)

	return paths, o.checkOutFiles(ctx, after, paths, dir)
}

// checkOutFiles writes some files of a tree into dir, in their folders.
func (o *Objects) checkOutFiles(ctx context.Context, tree string, paths []string, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", dir, err)
	}

	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}

	s, err := o.buildScratch(ctx, tree, paths)
	if err != nil {
		return err
	}
	defer s.removeFolder()

	if _, err := o.runOnScratch(ctx, s, dir, joinFields(paths), "checkout-index", "--force", "-z",
		"--stdin"); err != nil {
		return explainFilterFailure(err)
	}

	// Git may leave a file out and yet succeed: it is missed here.
	files := map[string]entry{}
	for _, path := range paths {
		if files[path], err = o.entryInTree(ctx, tree, path); err != nil {
			return err
		}
	}

	return o.requireCommitted(ctx, tree, files, dir)
}
