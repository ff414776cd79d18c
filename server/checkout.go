package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/wording"
	"ratchet/tools"
)

// roots are the folders below which checkouts may lie: absolute, symlinks resolved.
type roots []string

// newRoots resolves dirs, which must be folders.
func newRoots(dirs []string) (roots, error) {
	var out roots

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

// hold says whether path, absolute and resolved, is a root or lies below one.
func (r roots) hold(path string) bool {
	return slices.ContainsFunc(r, func(root string) bool {
		return path == root || strings.HasPrefix(path,
			strings.TrimSuffix(root, string(filepath.Separator))+string(filepath.Separator))
	})
}

// where are the things that a checkout consists of.
type where struct {
	dir string // what was asked for: the checkout's top or a folder below it
	top string // holds .git
	git string // the checkout's git folder
	all string // the git folder that its worktrees share, with the ledger
}

// checkout resolves what a URL names: an absolute path, "" for the root itself
// if there is one and it is a checkout. Symlinks are followed first; the
// folder, the checkout's top, its git folder and the one that worktrees share
// must all lie below a root, and belong to the user who serves. What lies
// outside is not told from what does not exist.
func (r roots) checkout(path string) (string, error) {
	if path == "" && len(r) == 1 {
		path = r[0]
	}

	if path == "" || len(path) > 4096 || !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return "", research.Errorf(research.CodeBadArgument, "end the URL with /mcp?repo=ABSOLUTE-PATH",
			"the URL does not name a checkout by its absolute path")
	}

	dir, err := filepath.EvalSymlinks(filepath.Clean(path))
	if err != nil || !r.hold(dir) {
		return "", forbidden("serve its folder too, with --root, or correct the path",
			"%s is no folder below the allowed ones", shown(path))
	}

	w, err := locate(dir)
	if err != nil {
		return "", err
	}

	for _, p := range []string{w.top, w.git, w.all} {
		if !r.hold(p) {
			return "", forbidden("serve the folder of the whole repository, with --root",
				"%s belongs to a repository that reaches outside the allowed folders", shown(path))
		}

		if !mine(p) {
			return "", forbidden("serve it as the user whom it belongs to", "%s belongs to another user", shown(path))
		}
	}

	return dir, nil
}

func forbidden(next, format string, args ...any) error {
	return research.Errorf(research.CodeRepository, next, format, args...)
}

// shown is a path as an error may have it.
func shown(path string) string { return wording.ClipBytes(tools.Clean(path), 200) }

// locate finds the checkout that dir lies in, as git does, without asking git.
func locate(dir string) (w where, err error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return w, forbidden("name the folder", "%s is not a folder", shown(dir))
	}

	for top := dir; ; top = filepath.Dir(top) {
		if filepath.Base(top) == ".git" || isBare(top) {
			return w, forbidden("name a checkout: git clone, or git worktree add, makes one",
				"%s is a bare repository or a git folder, not a checkout", shown(dir))
		}

		info, err := os.Stat(filepath.Join(top, ".git"))
		if err != nil {
			if top == filepath.Dir(top) {
				return w, forbidden("name a folder with a .git in it or above it", "%s is not in a checkout",
					shown(dir))
			}

			continue
		}

		w = where{dir: dir, top: top}
		if w.git, err = gitFolder(filepath.Join(top, ".git"), info.IsDir()); err == nil {
			w.all, err = sharedFolder(w.git)
		}

		if err != nil {
			return w, forbidden("git worktree repair", "the .git of %s leads nowhere", shown(dir))
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

// gitFolder resolves a .git: a folder, or a file that says where it is.
func gitFolder(dotgit string, isDir bool) (string, error) {
	if isDir {
		return filepath.EvalSymlinks(dotgit)
	}

	text, err := pointer(dotgit)
	if err != nil {
		return "", err
	}

	return resolve(filepath.Dir(dotgit), strings.TrimSpace(strings.TrimPrefix(text, "gitdir:")))
}

// sharedFolder is the git folder that the worktree of git shares with others.
func sharedFolder(git string) (string, error) {
	text, err := pointer(filepath.Join(git, "commondir"))
	if os.IsNotExist(err) {
		return git, nil
	}

	if err != nil {
		return "", err
	}

	return resolve(git, strings.TrimSpace(text))
}

// pointer reads a small file; anything else (a pipe would wait) is an error.
func pointer(path string) (string, error) {
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

func resolve(base, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(base, path)
	}

	return filepath.EvalSymlinks(path)
}
