package source

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/research"
)

// checkPath refuses what can't be the path of a tracked file. CodeScope.
func checkPath(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if strings.EqualFold(part, ".git") || part == ".." {
			return research.Errorf(research.CodeScope, "name a file of the repository, relative to its root",
				"%q is outside the repository's files", p)
		}
	}

	isAbs := path.IsAbs(p) || filepath.IsAbs(filepath.FromSlash(p))
	isClean := path.Clean(p) == p && p != "." && p != "" && !strings.ContainsRune(p, 0)

	if isAbs || !isClean {
		return research.Errorf(research.CodeScope, "name a file of the repository, relative to its root",
			"%q is not a path in the repository", p)
	}

	return nil
}

// requireInside refuses a path outside this work tree: a folder above it is a link, a
// submodule or a repository of its own. The file itself may be missing. CodeScope.
func (g *gitCommand) requireInside(p string) error {
	if err := checkPath(p); err != nil {
		return err
	}

	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		info, err := os.Lstat(g.absPath(dir))
		if err != nil {
			continue
		}

		if info.Mode()&fs.ModeSymlink != 0 {
			return research.Errorf(research.CodeScope, "name the file where it really is", "%s lies behind the link %s",
				p, dir)
		}

		if _, err := os.Lstat(filepath.Join(g.absPath(dir), ".git")); err == nil {
			return research.Errorf(research.CodeScope, "name a file of this repository",
				"%s lies in %s, a submodule or other repository", p, dir)
		}
	}

	return nil
}

// CheckEditable says whether the file at path can be a campaign's edited file:
// a plain tracked file of this work tree. CodeScope with the reason otherwise.
func (r *Repo) CheckEditable(ctx context.Context, path string) error {
	if err := r.requireInside(path); err != nil {
		return err
	}

	refuse := func(next, why string) error {
		return research.Errorf(research.CodeScope, next, "%s can't be edited in a campaign: it is %s", path, why)
	}

	info, statErr := os.Lstat(r.absPath(path))
	if statErr == nil && !info.Mode().IsRegular() {
		why := describeKind(info.Mode())
		if _, err := os.Lstat(filepath.Join(r.absPath(path), ".git")); err == nil {
			why = "a submodule or other repository"
		}

		return refuse("name a plain tracked file", why)
	}

	out, err := r.git(ctx, nil, "ls-files", "--stage", "-z", "--", path)
	if err != nil {
		return err
	}

	staged, tracked := findStage(splitFields(out), path)
	switch {
	case statErr != nil && tracked:
		return refuse("bring it back: git restore -- "+path, "missing from the work tree")
	case statErr != nil:
		return refuse("create and commit it, or fix the path in the program", "missing")
	case tracked && staged != "0":
		return refuse("resolve the conflict, then git add it", "in a merge conflict")
	case tracked:
		return nil
	}

	ignored, err := r.Ignored(ctx, []string{path})
	if err != nil {
		return err
	}

	if len(ignored) > 0 {
		return refuse("take it out of .gitignore, then git add and commit it", "ignored by git")
	}

	return refuse("git add and commit it first", "not tracked by git")
}

// findStage finds path among lines "MODE HASH STAGE\tPATH".
func findStage(lines []string, path string) (stage string, found bool) {
	for _, line := range lines {
		meta, name, _ := strings.Cut(line, "\t")
		if name == path {
			return meta[strings.LastIndexByte(meta, ' ')+1:], true
		}
	}

	return "", false
}

// describeKind says what stands in the place of a plain file.
func describeKind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	}

	return "not a plain file"
}

// Ignored returns those of paths that git ignores, in their order. They need
// not exist; tracked files are never ignored.
func (r *Repo) Ignored(ctx context.Context, paths []string) ([]string, error) {
	if len(paths) == 0 {
		return nil, nil
	}

	// check-ignore knows no literal paths; "./" keeps a leading colon from being magic.
	asked := make([]string, len(paths))
	for i, p := range paths {
		asked[i] = "./" + p
	}

	out, err := r.run(ctx, invocation{stdin: joinFields(asked), env: []string{"GIT_LITERAL_PATHSPECS=0"}},
		"check-ignore", "-z", "--stdin")
	if err != nil && stderrOf(err) != nothingFound {
		return nil, err
	}

	answered := splitFields(out)
	var ignored []string

	for i, p := range paths {
		if slices.Contains(answered, asked[i]) {
			ignored = append(ignored, p)
		}
	}

	return ignored, nil
}

// nothingFound stands for the stderr of a check-ignore that ignores none of its paths.
const nothingFound = "exit status 1"
