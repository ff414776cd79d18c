package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/research"
)

// allowedRoots are the folders below which checkouts may lie: absolute, symlinks
// resolved.
type allowedRoots []string

// resolveRoots resolves dirs, which must be folders. Errors: CodeBadArgument.
func resolveRoots(dirs []string) (allowedRoots, error) {
	var roots allowedRoots

	for _, dir := range dirs {
		root, err := resolveFolder(dir)
		if err != nil {
			return nil, research.Errorf(research.CodeBadArgument, "name existing folders with --root",
				"%s is not a folder", dir)
		}

		if !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}

	if len(roots) == 0 {
		return nil, research.Errorf(research.CodeBadArgument,
			"name the folder of a repository, or one above several: --root DIR", "no folder may be served")
	}

	return roots, nil
}

// resolveFolder makes the path of a folder absolute, without symlinks.
func resolveFolder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}

	abs, err = filepath.EvalSymlinks(abs)
	if err != nil {
		return "", err
	}

	info, err := os.Stat(abs)
	if err != nil {
		return "", err
	}

	if !info.IsDir() {
		return "", os.ErrInvalid
	}

	return abs, nil
}

// Contain says whether path, absolute and resolved, is a root or lies below one.
func (r allowedRoots) Contain(path string) bool {
	const separator = string(filepath.Separator)

	return slices.ContainsFunc(r, func(root string) bool {
		return path == root || strings.HasPrefix(path, strings.TrimSuffix(root, separator)+separator)
	})
}

// Checkout resolves what a URL names: an absolute path, "" for the root itself
// if there is one and it is a checkout. Symlinks are followed first; the
// folder, the checkout's top, its git folder and the one that worktrees share
// must all lie below a root, and belong to the user who serves. What lies
// outside has the same error as what does not exist.
func (r allowedRoots) Checkout(path string) (string, error) {
	if path == "" && len(r) == 1 {
		path = r[0]
	}

	if path == "" || len(path) > 4096 || !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return "", research.Errorf(research.CodeBadArgument, "end the URL with /mcp?repo=ABSOLUTE-PATH",
			"the URL does not name a checkout by its absolute path")
	}

	dir, err := filepath.EvalSymlinks(filepath.Clean(path))
	if err != nil || !r.Contain(dir) {
		return "", repositoryError("serve its folder too, with --root, or correct the path",
			"%s is not a folder below the allowed ones", excerpt(path))
	}

	checkout, err := findCheckout(dir)
	if err != nil {
		return "", err
	}

	for _, part := range []string{checkout.top, checkout.gitDir, checkout.commonDir} {
		if !r.Contain(part) {
			return "", repositoryError("serve the folder of the whole repository, with --root",
				"%s belongs to a repository that reaches outside the allowed folders", excerpt(path))
		}

		if !ownedByUs(part) {
			return "", repositoryError("serve it as the user whom it belongs to", "%s belongs to another user",
				excerpt(path))
		}
	}

	return dir, nil
}

func repositoryError(next, format string, args ...any) error {
	return research.Errorf(research.CodeRepository, next, format, args...)
}

const (
	maxSearchDepth    = 4    // folders below a root
	maxSearchedDirs   = 2000 // folders looked into
	maxFoundCheckouts = 50
)

// Campaigns lists the roots that are checkouts, or lie in one, and the checkouts
// below roots that have a ledger of their own. It looks into a bounded number of
// folders.
func (r allowedRoots) Campaigns() []string {
	var search campaignSearch

	for _, root := range r {
		checkout, err := findCheckout(root)
		if err != nil {
			search.searchBelow(root, 0)
			continue
		}

		if r.Contain(checkout.top) {
			root = checkout.top
		}
		search.found = append(search.found, root)
	}

	return search.found
}

// campaignSearch looks for checkouts with a ledger.
type campaignSearch struct {
	looked int // folders looked into
	found  []string
}

// searchBelow looks into dir and below it, but not into checkouts.
func (s *campaignSearch) searchBelow(dir string, depth int) {
	s.looked++
	if s.looked > maxSearchedDirs || len(s.found) >= maxFoundCheckouts {
		return
	}

	if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
		if hasLedger(dir) {
			s.found = append(s.found, dir)
		}

		return
	}

	entries, err := os.ReadDir(dir)
	if err != nil || depth == maxSearchDepth {
		return
	}

	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "node_modules" {
			s.searchBelow(filepath.Join(dir, e.Name()), depth+1)
		}
	}
}

// hasLedger says whether the repository of the checkout at dir has a ledger.
func hasLedger(dir string) bool {
	checkout, err := findCheckout(dir)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(checkout.commonDir, "ratchet", "ledger.db"))

	return err == nil
}
