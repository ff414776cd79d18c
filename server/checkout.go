package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/research"
)

// allowedRoots are the folders below which checkouts may lie: absolute, symlinks resolved.
type allowedRoots []string

// resolveRoots resolves dirs, which must be folders.
func resolveRoots(dirs []string) (allowedRoots, error) {
	var out allowedRoots

	for _, d := range dirs {
		abs, err := filepath.Abs(d)
		if err == nil {
			abs, err = filepath.EvalSymlinks(abs)
		}

		if info, serr := os.Stat(abs); err != nil || serr != nil || !info.IsDir() {
			return nil, research.Errorf(research.CodeBadArgument, "name existing folders with --root",
				"%s is not a folder", d)
		}

		if !slices.Contains(out, abs) {
			out = append(out, abs)
		}
	}

	if len(out) == 0 {
		return nil, research.Errorf(research.CodeBadArgument,
			"name the folder of a repository, or one above several: --root DIR", "no folder may be served")
	}

	return out, nil
}

// Contain says whether path, absolute and resolved, is a root or lies below one.
func (r allowedRoots) Contain(path string) bool {
	return slices.ContainsFunc(r, func(root string) bool {
		return path == root || strings.HasPrefix(path,
			strings.TrimSuffix(root, string(filepath.Separator))+string(filepath.Separator))
	})
}

// checkoutPaths are the things that a checkout consists of.
type checkoutPaths struct {
	dir string // what was asked for: the checkout's top or a folder below it
	top string // holds .git
	git string // the checkout's git folder
	all string // the git folder that its worktrees share, with the ledger
}

// Checkout resolves what a URL names: an absolute path, "" for the root itself
// if there is one and it is a checkout. Symlinks are followed first; the
// folder, the checkout's top, its git folder and the one that worktrees share
// must all lie below a root, and belong to the user who serves. What lies
// outside is not told from what does not exist.
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
			"%s is no folder below the allowed ones", excerpt(path))
	}

	w, err := findCheckout(dir)
	if err != nil {
		return "", err
	}

	for _, p := range []string{w.top, w.git, w.all} {
		if !r.Contain(p) {
			return "", repositoryError("serve the folder of the whole repository, with --root",
				"%s belongs to a repository that reaches outside the allowed folders", excerpt(path))
		}

		if !ownedByUs(p) {
			return "", repositoryError("serve it as the user whom it belongs to", "%s belongs to another user", excerpt(path))
		}
	}

	return dir, nil
}

func repositoryError(next, format string, args ...any) error {
	return research.Errorf(research.CodeRepository, next, format, args...)
}

// findCheckout finds the checkout that dir lies in, as git does, without asking git.
func findCheckout(dir string) (w checkoutPaths, err error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return w, repositoryError("name the folder", "%s is not a folder", excerpt(dir))
	}

	for top := dir; ; top = filepath.Dir(top) {
		if filepath.Base(top) == ".git" || isBare(top) {
			return w, repositoryError("name a checkout: git clone, or git worktree add, makes one",
				"%s is a bare repository or a git folder, not a checkout", excerpt(dir))
		}

		info, err := os.Stat(filepath.Join(top, ".git"))
		if err != nil {
			if top == filepath.Dir(top) {
				return w, repositoryError("name a folder with a .git in it or above it", "%s is not in a checkout",
					excerpt(dir))
			}

			continue
		}

		w = checkoutPaths{dir: dir, top: top}
		if w.git, err = gitDirOf(filepath.Join(top, ".git"), info.IsDir()); err == nil {
			w.all, err = commonDirOf(w.git)
		}

		if err != nil {
			return w, repositoryError("git worktree repair", "the .git of %s leads nowhere", excerpt(dir))
		}

		return w, nil
	}
}

// isBare says whether dir looks like a git folder from inside.
func isBare(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}

	return true
}

// gitDirOf resolves a .git: a folder, or a file that says where it is.
func gitDirOf(dotgit string, isDir bool) (string, error) {
	if isDir {
		return filepath.EvalSymlinks(dotgit)
	}

	text, err := readPointer(dotgit)
	if err != nil {
		return "", err
	}

	return resolveFrom(filepath.Dir(dotgit), strings.TrimSpace(strings.TrimPrefix(text, "gitdir:")))
}

// commonDirOf is the git folder that the worktree of git shares with others.
func commonDirOf(git string) (string, error) {
	text, err := readPointer(filepath.Join(git, "commondir"))
	if os.IsNotExist(err) {
		return git, nil
	}

	if err != nil {
		return "", err
	}

	return resolveFrom(git, strings.TrimSpace(text))
}

// readPointer reads a small file; anything else (a pipe would wait) is an error.
func readPointer(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}

	if !info.Mode().IsRegular() || info.Size() > 8<<10 {
		return "", os.ErrInvalid
	}
	text, err := os.ReadFile(path)

	return string(text), err
}

func resolveFrom(base, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(base, path)
	}

	return filepath.EvalSymlinks(path)
}

const (
	repoDepth = 4    // folders below a root
	repoLooks = 2000 // folders looked into
	repoMost  = 50   // that are shown
)

// Campaigns are the roots that are checkouts, and the checkouts below roots that
// have a ledger of their own. A bounded number of folders is looked into.
func (r allowedRoots) Campaigns() (out []string) {
	looks := 0
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		if looks++; looks > repoLooks || len(out) >= repoMost {
			return
		}

		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			w, err := findCheckout(dir)
			if err != nil {
				return
			}

			if _, err := os.Stat(filepath.Join(w.all, "ratchet", "ledger.db")); err == nil || depth == 0 {
				out = append(out, dir)
			}

			return
		}

		entries, err := os.ReadDir(dir)
		if err != nil || depth == repoDepth {
			return
		}

		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "node_modules" {
				walk(filepath.Join(dir, e.Name()), depth+1)
			}
		}
	}

	for _, root := range r {
		if w, err := findCheckout(root); err == nil { // a checkout, or a folder in one
			if r.Contain(w.top) {
				root = w.top
			}

			out = append(out, root)

			continue
		}
		walk(root, 0)
	}

	return out
}
