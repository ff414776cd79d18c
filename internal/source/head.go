package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ratchet/internal/fault"
	"ratchet/internal/research"
)

// Head is where a checkout stands.
type Head struct {
	Branch string // refs/heads/…, "" when detached
	Commit string
}

// Head returns where this checkout stands. CodeRepository on a branch without commits.
// A branch that is a loose file is read in place, since it outranks the packed refs;
// those come next. Git is asked about the rest.
func (r *Repo) Head(ctx context.Context) (Head, error) {
	if branch := r.headBranch(); branch != "" {
		loose, err := os.ReadFile(filepath.Join(r.commonDir, filepath.FromSlash(branch)))
		if commit := strings.TrimSpace(string(loose)); err == nil && isHash(commit) {
			return Head{Branch: branch, Commit: commit}, nil
		}

		if errors.Is(err, fs.ErrNotExist) {
			if commit, ok := r.findPackedRef(branch); ok {
				return Head{Branch: branch, Commit: commit}, nil
			}
		}
	}

	out, err := r.git(ctx, nil, "rev-parse", "HEAD^{commit}", "--symbolic-full-name", "HEAD")
	if err != nil {
		if name, symErr := r.git(ctx, nil, "symbolic-ref", "-q", "HEAD"); symErr == nil {
			return Head{}, research.Errorf(research.CodeRepository, "make the first commit: git add -A && git commit",
				"the branch %s has no commit yet", strings.TrimPrefix(strings.TrimSpace(string(name)), "refs/heads/"))
		}

		return Head{}, err
	}

	commit, branch, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !strings.HasPrefix(branch, "refs/heads/") {
		branch = ""
	}

	return Head{Branch: branch, Commit: commit}, nil
}

// headBranch is the branch that HEAD's own file names, "" when detached or when
// the repository keeps its refs elsewhere.
func (r *Repo) headBranch() string {
	content, err := os.ReadFile(filepath.Join(r.gitDir, "HEAD"))
	if err != nil {
		return ""
	}

	branch, symbolic := strings.CutPrefix(strings.TrimSpace(string(content)), "ref: ")
	if !symbolic || !strings.HasPrefix(branch, "refs/heads/") {
		return ""
	}

	if branch == "refs/heads/.invalid" { // a reftable repository has this in the file
		return ""
	}

	return branch
}

// isHash says whether s is a whole object name.
func isHash(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == ""
}

// Branch is the checked-out branch (refs/heads/…), "" when detached. It asks
// git only where HEAD's file does not tell.
func (r *Repo) Branch(ctx context.Context) string {
	if branch := r.headBranch(); branch != "" {
		return branch
	}

	out, err := r.git(ctx, nil, "symbolic-ref", "-q", "HEAD")
	if err != nil {
		return ""
	}

	return strings.TrimSpace(string(out))
}

// operations are git's unfinished ones: the file in the checkout's git
// directory that shows it, its name and what ends it. A rebase may hold a
// cherry-pick, so it comes first.
var operations = [...]struct{ file, name, end string }{
	{"rebase-apply/applying", "an am", "git am --continue, or git am --abort"},
	{"rebase-apply", "a rebase", "git rebase --continue, or git rebase --abort"},
	{"rebase-merge", "a rebase", "git rebase --continue, or git rebase --abort"},
	{"MERGE_HEAD", "a merge", "git merge --continue, or git merge --abort"},
	{"CHERRY_PICK_HEAD", "a cherry-pick", "git cherry-pick --continue, or git cherry-pick --abort"},
	{"REVERT_HEAD", "a revert", "git revert --continue, or git revert --abort"},
	{"sequencer", "a cherry-pick or revert", "git cherry-pick --abort, or git revert --abort"},
	{"BISECT_LOG", "a bisect", "git bisect reset"},
}

// RequireNoOperation refuses while a merge, rebase, am, cherry-pick, revert or bisect is
// unfinished in this checkout. CodeRepository with the command that ends it.
func (r *Repo) RequireNoOperation(ctx context.Context) error {
	for _, op := range operations {
		if _, err := os.Lstat(filepath.Join(r.gitDir, filepath.FromSlash(op.file))); err == nil {
			return research.Errorf(research.CodeRepository, "finish it first: "+op.end,
				"%s is in progress in this checkout", op.name)
		}
	}

	return ctx.Err()
}

// AttachHead makes HEAD name a branch (refs/heads/…) without touching any
// file or the index. why goes into the reflog.
func (r *Repo) AttachHead(ctx context.Context, branch, why string) error {
	return fault.At("git.head", func() error {
		_, err := r.git(ctx, nil, "symbolic-ref", "-m", reflogMessage(why), "HEAD", branch)
		return err
	})
}

// IsAncestor says whether commit a is b or lies in b's past.
func (o *Objects) IsAncestor(ctx context.Context, a, b string) (bool, error) {
	out, err := o.git(ctx, nil, "rev-list", "--max-count=1", a, "^"+b, "--")
	return len(out) == 0 && err == nil, err
}

// WorktreeOf is the root of the checkout that has the branch (refs/heads/…)
// checked out, "" if none has or its folder is gone.
func (r *Repo) WorktreeOf(ctx context.Context, branch string) (path string, err error) {
	out, err := r.git(ctx, nil, "for-each-ref", "--format=%(refname)%00%(HEAD)%00%(worktreepath)%00%00", branch)
	if err != nil {
		return "", err
	}

	for line := range strings.SplitSeq(string(out), "\x00\x00\n") {
		values := strings.SplitN(line, "\x00", 3)
		if len(values) < 3 {
			continue
		}

		name, head, worktree := values[0], values[1], values[2]
		if name != branch || worktree == "" {
			continue
		}

		if head == "*" { // of this checkout
			return r.root, nil
		}

		path = filepath.FromSlash(worktree)
		if _, err := os.Stat(path); err != nil {
			return "", nil
		}

		return path, nil
	}

	return "", nil
}

// Switch checks out a branch (refs/heads/… or its short name), as `git switch` does. CodeRepository where git refuses, with its reason
// and the files in the way.
func (r *Repo) Switch(ctx context.Context, branch string) error {
	short := strings.TrimPrefix(branch, "refs/heads/")

	err := fault.At("git.switch", func() error {
		_, err := r.git(ctx, nil, "switch", "--quiet", "--no-guess", "--", short)
		return err
	})

	said := stderrOf(err)
	if said == "" {
		return err
	}

	// Git lists the files in the way, each after a tab.
	var files []string
	for line := range strings.Lines(said) {
		if file, ok := strings.CutPrefix(line, "\t"); ok {
			files = append(files, strings.TrimSpace(file))
		}
	}

	why := strings.TrimSuffix(firstLine(said)+" "+strings.Join(files, ", "), " ")

	return research.Errorf(research.CodeRepository, "commit or stash what is in the way, then run: git switch "+short,
		"git does not switch to %s: %s", short, why)
}
