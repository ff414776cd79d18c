package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"ratchet/internal/fault"
	"ratchet/internal/research"
)

// Snapshot returns base's tree with the work tree's content and mode at paths, as
// `git add` would store them: clean filters, line endings and core.fileMode
// applied, a link as a link, a missing file removed. The objects are stored;
// nothing refers to them yet. Two git processes, one when nothing changed.
// CodeScope: a path is a folder or lies behind a link.
func (r *Repo) Snapshot(ctx context.Context, base string, paths []string) (tree string, err error) {
	root, err := r.Tree(ctx, base)
	if err != nil || len(paths) == 0 {
		return root, err
	}

	staged, err := r.stageFiles(ctx, base, paths)
	if err != nil {
		return "", err
	}

	return r.editTree(ctx, root, staged)
}

// stageFiles stores what the work tree has at paths, as git add would on top of base,
// in an index of its own. It returns the entries; that of a missing file is zero.
func (r *Repo) stageFiles(ctx context.Context, base string, paths []string) (edits, error) {
	root, err := r.Tree(ctx, base)
	if err != nil {
		return nil, err
	}

	for _, path := range paths {
		if err := r.requireStorable(path); err != nil {
			return nil, err
		}
	}

	s, err := r.buildScratch(ctx, root, paths)
	if err != nil {
		return nil, err
	}
	defer s.removeFolder()

	_, err = r.runOnScratch(ctx, s, "", joinFields(paths), "update-index", "--add", "--remove", "--replace", "-z",
		"--stdin")
	if err != nil {
		return nil, explainFilterFailure(err)
	}

	entries, err := s.readEntries()
	if err != nil {
		return nil, err
	}

	staged := edits{}
	for _, path := range paths {
		staged[path] = entries[path]
	}

	return staged, nil
}

// requireStorable refuses what is neither missing, a plain file nor a link: git add would
// store it as something else, or not at all.
func (r *Repo) requireStorable(path string) error {
	if err := r.requireInside(path); err != nil {
		return err
	}

	info, err := os.Lstat(r.absPath(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return research.Errorf(research.CodeStorage, "check the file's permissions", "look at %s: %w", path, err)
	case info.Mode().IsRegular(), info.Mode()&fs.ModeSymlink != 0:
		return nil
	}

	return research.Errorf(research.CodeScope, "make it a plain file again", "%s is %s", path,
		describeKind(info.Mode()))
}

// explainFilterFailure tells the user to fix a clean or smudge filter, where one failed.
// Other errors are returned as they are.
func explainFilterFailure(err error) error {
	said := stderrOf(err)
	if !strings.Contains(said, "filter '") {
		return err
	}

	line := firstLine(said)
	for message := range strings.Lines(said) {
		if strings.Contains(message, "filter '") {
			line = firstLine(message)
		}
	}

	return research.Errorf(research.CodeRepository,
		"install what .gitattributes asks for, or fix the filter in git's configuration",
		"a filter of the repository failed: %s: %w", line, err)
}

// ReplaceFile returns base's tree with content at path, stored as given: it must be
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

	old, err := r.entryInTree(ctx, root, path)
	if err != nil {
		return "", err
	}

	hash, err := r.storeBlob(ctx, content)
	if err != nil {
		return "", err
	}

	file := entry{mode: modeFile, hash: hash}
	if old.mode == modeExec {
		file.mode = modeExec
	}

	return r.editTree(ctx, root, edits{path: file})
}

// RevertFile returns a tree with the file at path as base has it, which may be not at all.
func (r *Repo) RevertFile(ctx context.Context, tree, base, path string) (string, error) {
	root, err := r.Tree(ctx, base)
	if err != nil {
		return "", err
	}

	file, err := r.entryInTree(ctx, root, path)
	if err != nil {
		return "", err
	}

	return r.editTree(ctx, tree, edits{path: entry{mode: file.mode, hash: file.hash}})
}

// ReadCommit returns a commit's parents and the first line of its message.
func (r *Repo) ReadCommit(ctx context.Context, commit string) (parents []string, subject string, err error) {
	out, err := r.git(ctx, nil, "show", "-s", "--no-show-signature", "--format=%P%n%s", commit)
	if err != nil {
		return nil, "", err
	}
	first, subject, _ := strings.Cut(strings.TrimRight(string(out), "\n"), "\n")

	return strings.Fields(first), subject, nil
}

// CommitStat is a commit with what it changes.
type CommitStat struct {
	Commit  string   `json:"commit"`
	Subject string   `json:"subject"`
	Files   []string `json:"files"`
	Added   int      `json:"added"` // lines
	Removed int      `json:"removed"`
}

// ListCommits returns the commits that lead from base to head, oldest first.
func (r *Repo) ListCommits(ctx context.Context, base, head string) ([]CommitStat, error) {
	out, err := r.git(ctx, nil, "-c", "core.quotePath=false", "log", "--reverse", "--no-renames", "--no-show-signature",
		"--format=%x00%H%n%s", "--numstat", base+".."+head)
	if err != nil {
		return nil, err
	}
	var commits []CommitStat

	for text := range strings.SplitSeq(strings.TrimLeft(string(out), "\x00"), "\x00") {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if len(lines) < 2 {
			continue
		}
		commit := CommitStat{Commit: lines[0], Subject: lines[1]}

		for _, line := range lines[2:] {
			added, rest, _ := strings.Cut(line, "\t")
			removed, file, found := strings.Cut(rest, "\t")

			if found { // "-" for a file that is not text counts as 0
				a, _ := strconv.Atoi(added)
				b, _ := strconv.Atoi(removed)
				commit.Added, commit.Removed = commit.Added+a, commit.Removed+b
				commit.Files = append(commit.Files, file)
			}
		}
		commits = append(commits, commit)
	}

	return commits, nil
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

// Commit stores a commit, unsigned, and returns its hash. Author and committer come
// from the user's configuration and environment, the time from git's clock.
// CodeRepository with the two lines to run when they name nobody.
func (o *Objects) Commit(ctx context.Context, c CommitSpec) (string, error) {
	args := []string{"-c", "i18n.commitEncoding=UTF-8", "commit-tree"}
	for _, parent := range c.Parents {
		args = append(args, "-p", parent)
	}

	message := strings.TrimRight(c.Message, "\n") + "\n"
	call := invocation{stdin: []byte(message)}

	if c.Fixed {
		call.env = fixedIdentity
	}

	var out []byte
	err := fault.At("git.commit", func() (err error) {
		out, err = o.run(ctx, call, append(args, "-F", "-", c.Tree)...)
		return err
	})
	if err != nil {
		return "", explainIdentityFailure(err)
	}

	return strings.TrimSpace(string(out)), nil
}

// RequireIdentity refuses when git does not know who commits. CodeRepository with the
// two lines to run.
func (o *Objects) RequireIdentity(ctx context.Context) error {
	_, err := o.git(ctx, nil, "var", "GIT_COMMITTER_IDENT")
	return explainIdentityFailure(err)
}

// explainIdentityFailure tells the user to configure a name, where git lacks one. Other
// errors, and nil, are returned as they are.
func explainIdentityFailure(err error) error {
	said := stderrOf(err)
	if strings.Contains(said, "Please tell me who you are") || strings.Contains(said, "empty ident") ||
		strings.Contains(said, "user.useConfigOnly") {
		return research.Errorf(research.CodeRepository,
			"run: git config --global user.name \"Your Name\" && git config --global user.email you@example.com",
			"git does not know who commits")
	}

	return err
}
