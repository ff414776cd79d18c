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
// call leaves dir half full.
func (r *Objects) Materialise(ctx context.Context, commit, dir string) error {
	tree, err := r.Tree(ctx, commit)
	if err != nil {
		return err
	}

	dir, err = emptyDir(dir)
	if err != nil {
		return err
	}

	s, err := newScratch()
	if err != nil {
		return err
	}
	defer s.remove()
	_, err = r.onScratch(ctx, s, dir, nil, "read-tree", "--reset", "-u", "--no-sparse-checkout", tree)

	return filterFailure(err)
}

func emptyDir(dir string) (string, error) {
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
func (r *Objects) MaterialiseDelta(ctx context.Context, from, to, dir string) ([]string, error) {
	before, err := r.Tree(ctx, from)
	if err != nil {
		return nil, err
	}

	after, err := r.Tree(ctx, to)
	if err != nil {
		return nil, err
	}
	var paths, gone []string

	if err := r.treeDelta(ctx, before, after, "", func(path string, was, is entry) {
		switch {
		case is.hash == "":
			gone = append(gone, path)
		case is.mode != modeSubmodule:
			paths = append(paths, path)
		}
	}); err != nil {
		return nil, err
	}

	if len(gone) > 0 {
		slices.Sort(gone)

		return nil, research.Errorf(research.CodeUnsupported, "keep the file, empty if need be",
			"the change removes %s, and a removal can't be laid over a version", gone[0])
	}
	slices.Sort(paths)

	if len(paths) == 0 {
		return nil, nil
	}

	return paths, r.checkOut(ctx, after, paths, dir)
}

// checkOut writes some files of a tree into dir.
func (r *Objects) checkOut(ctx context.Context, tree string, paths []string, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", dir, err)
	}

	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}

	s, err := r.scratchOf(ctx, tree, paths)
	if err != nil {
		return err
	}
	defer s.remove()

	if _, err := r.onScratch(ctx, s, dir, terminated(paths), "checkout-index", "--force", "-z", "--stdin"); err != nil {
		return filterFailure(err)
	}

	for _, path := range paths {
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(path))); err != nil {
			return fmt.Errorf("check out %s: %w", path, err)
		}
	}

	return nil
}
