package server

import (
	"os"
	"path/filepath"
	"strings"
)

// checkoutPaths are the folders that a checkout consists of.
type checkoutPaths struct {
	top       string // holds .git
	gitDir    string // of the checkout
	commonDir string // the git folder that its worktrees share, with the ledger
}

// findCheckout finds the checkout that dir lies in, as git does, but without
// running git. Errors: CodeRepository.
func findCheckout(dir string) (checkoutPaths, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return checkoutPaths{}, repositoryError("name the folder", "%s is not a folder", excerpt(dir))
	}

	for top := dir; ; top = filepath.Dir(top) {
		if filepath.Base(top) == ".git" || isBare(top) {
			return checkoutPaths{}, repositoryError("name a checkout: git clone, or git worktree add, makes one",
				"%s is a bare repository or a git folder, not a checkout", excerpt(dir))
		}

		info, err := os.Stat(filepath.Join(top, ".git"))
		if err == nil {
			paths, err := pathsOf(top, info.IsDir())
			if err != nil {
				return checkoutPaths{}, repositoryError("git worktree repair", "the .git of %s leads nowhere",
					excerpt(dir))
			}

			return paths, nil
		}

		if top == filepath.Dir(top) {
			return checkoutPaths{}, repositoryError("name a folder with a .git in it or above it",
				"%s is not in a checkout", excerpt(dir))
		}
	}
}

// pathsOf are the paths of the checkout whose top is top; isDir says whether its
// .git is a folder.
func pathsOf(top string, isDir bool) (checkoutPaths, error) {
	gitDir, err := gitDirOf(filepath.Join(top, ".git"), isDir)
	if err != nil {
		return checkoutPaths{}, err
	}

	commonDir, err := commonDirOf(gitDir)
	if err != nil {
		return checkoutPaths{}, err
	}

	return checkoutPaths{top: top, gitDir: gitDir, commonDir: commonDir}, nil
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

// commonDirOf is the git folder that the worktree of gitDir shares with others.
func commonDirOf(gitDir string) (string, error) {
	text, err := readPointer(filepath.Join(gitDir, "commondir"))
	if os.IsNotExist(err) {
		return gitDir, nil
	}

	if err != nil {
		return "", err
	}

	return resolveFrom(gitDir, strings.TrimSpace(text))
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

// resolveFrom resolves the symlinks of a path that may be relative to base.
func resolveFrom(base, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(base, path)
	}

	return filepath.EvalSymlinks(path)
}
