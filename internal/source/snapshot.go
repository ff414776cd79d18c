package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"ratchet/internal/fault"
	"ratchet/internal/research"
)

// Snapshot is base's tree with the work tree's content and mode at paths, as
// `git add` would store them: clean filters, line endings and core.fileMode
// applied, a link as a link, a missing file removed. The objects are stored;
// nothing refers to them yet. Two git processes, one when nothing changed.
// CodeScope: a path is a folder or lies behind a link.
func (r *Repo) Snapshot(ctx context.Context, base string, paths []string) (tree string, err error) {
	root, err := r.Tree(ctx, base)
	if err != nil || len(paths) == 0 {
		return root, err
	}

	held, err := r.stored(ctx, base, paths)
	if err != nil {
		return "", err
	}

	return r.editTree(ctx, root, held)
}

// stored is what the work tree has at paths, as git add would store it on top
// of base; nothing for a missing file. The objects are written.
func (r *Repo) stored(ctx context.Context, base string, paths []string) (edits, error) {
	root, err := r.Tree(ctx, base)
	if err != nil {
		return nil, err
	}

	for _, path := range paths {
		if err := r.storable(path); err != nil {
			return nil, err
		}
	}

	s, err := r.scratchOf(ctx, root, paths)
	if err != nil {
		return nil, err
	}
	defer s.remove()

	if _, err := r.onScratch(ctx, s, "", terminated(paths), "update-index", "--add", "--remove", "--replace", "-z",
		"--stdin"); err != nil {
		return nil, filterFailure(err)
	}

	held, err := s.read()
	if err != nil {
		return nil, err
	}

	is := edits{}
	for _, path := range paths {
		is[path] = held[path]
	}

	return is, nil
}

// storable refuses what git add would take for something else, or not take.
func (r *Repo) storable(path string) error {
	if err := r.inside(path); err != nil {
		return err
	}

	info, err := os.Lstat(r.abs(path))
	if errors.Is(err, fs.ErrNotExist) || err == nil && (info.Mode().IsRegular() || info.Mode()&fs.ModeSymlink != 0) {
		return nil
	}

	if err != nil {
		return research.Errorf(research.CodeStorage, "check the file's permissions", "look at %s: %w", path, err)
	}

	return research.Errorf(research.CodeScope, "make it a plain file again", "%s is %s", path, kindOf(info.Mode()))
}

// filterFailure names a clean or smudge filter that failed as the user's to mend.
func filterFailure(err error) error {
	said := stderrOf(err)
	if !strings.Contains(said, "filter '") {
		return err
	}

	line := firstLine(said)
	for l := range strings.Lines(said) {
		if strings.Contains(l, "filter '") {
			line = firstLine(l)
		}
	}

	return research.Errorf(research.CodeRepository,
		"install what .gitattributes asks for, or mend the filter in git's configuration",
		"a filter of the repository failed: %s: %w", line, err)
}

// ReplaceFile is base's tree with content at path, stored as given: it must be
// what a clean filter would have made. The file's mode stays, a new one is not
// executable. Two git processes.
func (r *Repo) ReplaceFile(ctx context.Context, base, path string, content []byte) (tree string, err error) {
	root, err := r.Tree(ctx, base)
	if err != nil {
		return "", err
	}

	if err := checkPath(path); err != nil {
		return "", err
	}

	old, err := r.lookUp(ctx, root, path)
	if err != nil {
		return "", err
	}

	if content == nil {
		content = []byte{}
	}

	out, err := r.git(ctx, content, "hash-object", "-w", "--no-filters", "--stdin")
	if err != nil {
		return "", err
	}

	is := entry{mode: modeFile, hash: strings.TrimSpace(string(out))}
	if old.mode == modeExec {
		is.mode = modeExec
	}

	return r.editTree(ctx, root, edits{path: is})
}

// CommitSpec is a commit to make.
type CommitSpec struct {
	Tree    string
	Parents []string
	Message string // UTF-8; a missing last line break is added
	// Fixed makes a commit that depends on nothing but the above: its author is
	// Ratchet, its time the beginning of the epoch. The same spec is the same commit.
	Fixed bool
}

// fixedIdentity is who makes a fixed commit, and when.
var fixedIdentity = []string{
	"GIT_AUTHOR_NAME=ratchet", "GIT_AUTHOR_EMAIL=ratchet@localhost", "GIT_AUTHOR_DATE=@0 +0000",
	"GIT_COMMITTER_NAME=ratchet", "GIT_COMMITTER_EMAIL=ratchet@localhost", "GIT_COMMITTER_DATE=@0 +0000",
}

// Commit stores a commit, unsigned, and returns its hash. Author and committer
// are who the user's configuration and environment say, at git's clock.
// CodeRepository with the two lines to run when they don't say.
func (r *Objects) Commit(ctx context.Context, c CommitSpec) (string, error) {
	args := []string{"-c", "i18n.commitEncoding=UTF-8", "commit-tree"}
	for _, p := range c.Parents {
		args = append(args, "-p", p)
	}
	message := strings.TrimRight(c.Message, "\n") + "\n"

	how := invocation{stdin: []byte(message)}
	if c.Fixed {
		how.env = fixedIdentity
	}
	var out []byte

	err := fault.At("git.commit", func() (err error) {
		out, err = r.run(ctx, how, append(args, "-F", "-", c.Tree)...)
		return err
	})
	if err != nil {
		return "", identityFailure(err)
	}

	return strings.TrimSpace(string(out)), nil
}

// Identity refuses when git does not know who commits. CodeRepository with the
// two lines to run.
func (r *Objects) Identity(ctx context.Context) error {
	_, err := r.git(ctx, nil, "var", "GIT_COMMITTER_IDENT")
	return identityFailure(err)
}

func identityFailure(err error) error {
	said := stderrOf(err)
	if strings.Contains(said, "Please tell me who you are") || strings.Contains(said, "empty ident") ||
		strings.Contains(said, "user.useConfigOnly") {
		return research.Errorf(research.CodeRepository,
			"run: git config --global user.name \"Your Name\" && git config --global user.email you@example.com",
			"git does not know who commits")
	}

	return err
}
