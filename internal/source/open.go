package source

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ratchet/internal/research"
)

// Repo is one checkout of a git repository. Its methods may be called at the
// same time. It holds no lock and no open process between calls.
type Repo struct {
	*Objects
}

// Objects reads and makes the commits, trees and blobs of a repository. It changes no
// ref, no index and no file of the work tree.
type Objects struct {
	*gitCommand
	store objectStore
}

// gitCommand starts git in one checkout.
type gitCommand struct {
	binary    string
	env       []string
	root      string
	gitDir    string
	commonDir string
}

// newRepo is a checkout with these folders.
func newRepo(git *gitCommand) *Repo {
	return &Repo{Objects: &Objects{gitCommand: git, store: objectStore{dir: git.commonDir}}}
}

// Open finds the checkout that dir lies in, the way git does. It asks git once.
// CodeRepository: no checkout there, a bare repository, or one that belongs to
// another user; CodeUnsupported: no git, too old a git, or an object format other than SHA-1.
func Open(ctx context.Context, dir string) (*Repo, error) {
	binary, err := exec.LookPath("git")
	if err != nil {
		return nil, noGitError()
	}

	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, research.Errorf(research.CodeRepository, "name an existing folder of a git repository",
			"%s is not a folder", dir)
	}

	git := &gitCommand{binary: binary, env: environment(os.Environ())}
	out, err := git.run(ctx, invocation{dir: dir}, "rev-parse", "--path-format=absolute",
		"--is-bare-repository", "--show-object-format", "--git-common-dir", "--absolute-git-dir", "--show-toplevel")

	// One line for each question; where git fails, those before the failure.
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if err == nil && len(lines) != 5 {
		return nil, research.Errorf(research.CodeUnsupported, "use git 2.31 or newer, and a path without line breaks",
			"git does not say where the repository of %s lies", dir)
	}

	if len(lines) > 1 && lines[1] != "sha1" {
		return nil, research.Errorf(research.CodeUnsupported, "use a repository in git's default format (SHA-1)",
			"%s uses the object format %s", dir, lines[1])
	}

	if err != nil {
		return nil, explainOpenFailure(dir, lines[0] == "true", err)
	}

	git.commonDir, git.gitDir = filepath.FromSlash(lines[2]), filepath.FromSlash(lines[3])
	if git.root, err = filepath.EvalSymlinks(filepath.FromSlash(lines[4])); err != nil {
		return nil, fmt.Errorf("resolve the checkout's path: %w", err)
	}

	return newRepo(git), nil
}

// At returns the checkout with these folders, as Root, GitDir and CommonDir of an
// opened Repo gave them, without asking git. It is for a process whose parent has
// just opened the checkout.
func At(root, gitDir, commonDir string) (*Repo, error) {
	binary, err := exec.LookPath("git")
	if err != nil {
		return nil, noGitError()
	}

	return newRepo(&gitCommand{
		binary:    binary,
		env:       environment(os.Environ()),
		root:      root,
		gitDir:    gitDir,
		commonDir: commonDir,
	}), nil
}

func noGitError() error {
	return research.Errorf(research.CodeUnsupported, "install git 2.31 or newer", "git was not found in PATH")
}

// explainOpenFailure says what to do about a rev-parse that failed. Other errors are
// returned as they are.
func explainOpenFailure(dir string, bare bool, err error) error {
	said := stderrOf(err)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}

	switch {
	case strings.Contains(said, "dubious ownership"), strings.Contains(said, "unsafe repository"):
		return research.Errorf(research.CodeRepository,
			"if you trust it, run: git config --global --add safe.directory "+dir,
			"the repository of %s belongs to another user", dir)
	case bare:
		return research.Errorf(research.CodeRepository, "use a checkout of it: git clone, or git worktree add",
			"%s is a bare repository", dir)
	case strings.Contains(said, "must be run in a work tree"):
		return research.Errorf(research.CodeRepository, "start in the checkout's own folder",
			"%s lies inside a .git folder", dir)
	case strings.Contains(said, "not a git repository"):
		return research.Errorf(research.CodeRepository,
			"start inside a git repository, or make one: git init && git add -A && git commit",
			"%s is not in a git repository", dir)
	case strings.Contains(said, "unknown repository extension"), strings.Contains(said, "repo version"),
		strings.Contains(said, "ref storage format"):
		return research.Errorf(research.CodeUnsupported, "install a newer git",
			"this git cannot read the repository: %s", firstLine(said))
	}

	return err
}

// Root is the top of the work tree, absolute, symlinks resolved.
func (g *gitCommand) Root() string { return g.root }

// CommonDir is the git directory that all checkouts of the repository share, absolute.
func (g *gitCommand) CommonDir() string { return g.commonDir }

// GitDir is this checkout's own git directory, absolute. In the main checkout it is CommonDir.
func (g *gitCommand) GitDir() string { return g.gitDir }

// absPath is the absolute path of a file of the work tree.
func (g *gitCommand) absPath(path string) string {
	return filepath.Join(g.root, filepath.FromSlash(path))
}
