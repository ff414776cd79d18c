package source_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/source"
)

func TestHead(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q")
	r, ctx := open(t, dir), t.Context()
	_, err := r.Head(ctx)
	wantCode(t, err, research.CodeRepository, "main", "git commit")
	commitFiles(t, dir, map[string]string{"x": "x\n", "HEAD": "a file of that name\n"})

	commit := git(t, dir, "rev-parse", "HEAD", "--")[:40]
	if diff := cmp.Diff(source.Head{Branch: "refs/heads/main", Commit: commit}, must(r.Head(ctx))(t)); diff != "" {
		t.Error(diff)
	}
	git(t, dir, "checkout", "-q", "--detach")

	if diff := cmp.Diff(source.Head{Commit: commit}, must(r.Head(ctx))(t)); diff != "" {
		t.Error(diff)
	}
	git(t, dir, "branch", "ratchet/demo")

	if err := r.AttachHead(ctx, "refs/heads/ratchet/demo", "start"); err != nil {
		t.Fatal(err)
	}

	if got := must(r.Head(ctx))(t).Branch; got != "refs/heads/ratchet/demo" {
		t.Errorf("attached to %s", got)
	}
}

func TestBusy(t *testing.T) {
	conflict := func(t *testing.T) string {
		dir := repository(t, map[string]string{"x": "1\n"})
		git(t, dir, "switch", "-qc", "side")
		commitFiles(t, dir, map[string]string{"x": "2\n"})
		git(t, dir, "switch", "-q", "main")
		commitFiles(t, dir, map[string]string{"x": "3\n"})

		return dir
	}
	for _, c := range []struct {
		name string
		args []string
		word string
	}{
		{"a merge", []string{"merge", "side"}, "git merge --abort"},
		{"a rebase", []string{"rebase", "side"}, "git rebase --abort"},
		{"a rebase", []string{"rebase", "--apply", "side"}, "git rebase --abort"},
		{"a cherry-pick", []string{"cherry-pick", "side"}, "git cherry-pick --abort"},
		{"a revert", []string{"revert", "--no-edit", "side"}, "git revert --abort"},
		{"a bisect", []string{"bisect", "start"}, "git bisect reset"},
		{"an am", []string{"am", "side.patch"}, "git am --abort"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			dir := conflict(t)

			r := open(t, dir)
			if err := r.RequireNoOperation(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "side.patch", git(t, dir, "format-patch", "-1", "--stdout", "side"))
			cmd := exec.Command("git", c.args...)
			cmd.Dir = dir
			_ = cmd.Run() // it stops at the conflict
			wantCode(t, r.RequireNoOperation(t.Context()), research.CodeRepository, c.name, c.word)
		})
	}
}

func TestChanges(t *testing.T) {
	dir := repository(t, map[string]string{"same": "s\n", "edited": "e\n", "gone": "g\n", "mode": "m\n", "type": "t\n",
		"unstaged-only": "u\n", "dropped": "d\n"})
	r, ctx := open(t, dir), t.Context()
	base := must(r.Head(ctx))(t).Commit
	commitFiles(t, dir, map[string]string{"same": "other\n"})
	write(t, dir, "same", "s\n") // HEAD differs, the base doesn't
	write(t, dir, "edited", "E\n")
	write(t, dir, "unstaged-only", "changed\n")
	git(t, dir, "add", "unstaged-only")
	write(t, dir, "unstaged-only", "u\n") // staged, but put back
	write(t, dir, "new", "n\n")
	git(t, dir, "add", "new")
	write(t, dir, "untracked", "?\n")
	os.Remove(filepath.Join(dir, "gone"))
	git(t, dir, "rm", "-q", "--cached", "dropped")

	if err := os.Chmod(filepath.Join(dir, "mode"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, "type"))

	if err := os.Symlink("same", filepath.Join(dir, "type")); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "config", "diff.orderFile", "/nonsense")
	git(t, dir, "config", "diff.external", "false")
	user := fingerprint(t, r)

	want := []source.Change{{Path: "dropped", Kind: "deleted", Removed: 1},
		{Path: "edited", Kind: "modified", Added: 1, Removed: 1}, {Path: "gone", Kind: "deleted", Removed: 1},
		{Path: "mode", Kind: "mode"}, {Path: "new", Kind: "added", Added: 1}, {Path: "type", Kind: "type", Added: 1,
			Removed: 1}}
	if diff := cmp.Diff(want, must(r.Changes(ctx, base))(t)); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff([]string{"dropped", "untracked"}, must(r.Untracked(ctx, 0))(t)); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff(user, fingerprint(t, r)); diff != "" {
		t.Errorf("the user's files changed: %s", diff)
	}
}

// TestChangesOfTouched holds that touched files are no change, and that seeing
// so does not write the index, which plain `git diff` does.
func TestChangesOfTouched(t *testing.T) {
	inner := repository(t, map[string]string{"lib.py": "x\n"})
	dir := repository(t, map[string]string{"a": "a\n", "b": "b\n"})
	git(t, dir, "submodule", "--quiet", "add", inner, "lib")
	git(t, dir, "commit", "-qm", "submodule")
	r, ctx := open(t, dir), t.Context()
	base := must(r.Head(ctx))(t).Commit

	for _, f := range []string{"a", "b"} {
		if err := os.Chtimes(filepath.Join(dir, f), time.Time{}, time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, "lib/lib.py", "dirty\n")

	user := fingerprint(t, r)
	if got := must(r.Changes(ctx, base))(t); len(got) != 0 {
		t.Errorf("changes: %v", got)
	}

	if diff := cmp.Diff(user, fingerprint(t, r)); diff != "" {
		t.Errorf("the user's files changed: %s", diff)
	}
	git(t, filepath.Join(dir, "lib"), "commit", "-qam", "moved")

	if diff := cmp.Diff([]source.Change{{Path: "lib", Kind: "modified", Added: 1, Removed: 1}},
		must(r.Changes(ctx, base))(t)); diff != "" {
		t.Error(diff)
	}
}

func TestUntrackedAndIgnored(t *testing.T) {
	dir := repository(t, map[string]string{"sub/x": "x\n", ".gitignore": "node_modules/\n*.log\n", "kept.log2": "x\n"})
	for _, f := range []string{"b \"q\"", "a\nb", "sub/new", "whole/one", "whole/two", "node_modules/m", "x.log"} {
		write(t, dir, f, "x\n")
	}
	r, ctx := open(t, dir), t.Context()

	want := []string{"a\nb", "b \"q\"", "sub/new", "whole/"}
	if diff := cmp.Diff(want, must(r.Untracked(ctx, 0))(t)); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff(want[:2], must(r.Untracked(ctx, 2))(t)); diff != "" {
		t.Error(diff)
	}

	got := must(r.Ignored(ctx, []string{"x.log", "node_modules", "sub/x", "whole", "never.log", ":odd[.log"}))(t)
	if diff := cmp.Diff([]string{"x.log", "node_modules", "never.log", ":odd[.log"}, got); diff != "" {
		t.Error(diff)
	}

	if got := must(r.Ignored(ctx, []string{"sub/x"}))(t); len(got) != 0 {
		t.Errorf("ignored: %v", got)
	}
	_, err := r.Ignored(ctx, []string{"../outside"})
	wantCode(t, err, research.CodeRepository, "outside")
}

func TestSwitchAndWorktreeOf(t *testing.T) {
	dir := repository(t, map[string]string{"x": "1\n"})
	git(t, dir, "branch", "same")
	git(t, dir, "switch", "-qc", "other")
	commitFiles(t, dir, map[string]string{"x": "2\n"})
	linked := must(filepath.EvalSymlinks(t.TempDir()))(t)
	linked = filepath.Join(linked, "wt\nwith break")
	git(t, dir, "worktree", "add", "-q", linked, "main")

	r, ctx := open(t, dir), t.Context()
	for branch, want := range map[string]string{"refs/heads/other": r.Root(), "refs/heads/main": linked,
		"refs/heads/same": "", "refs/heads/none": ""} {
		if got := must(r.WorktreeOf(ctx, branch))(t); got != want {
			t.Errorf("%s is checked out in %q, want %q", branch, got, want)
		}
	}
	wantCode(t, r.Switch(ctx, "refs/heads/main"), research.CodeRepository, "already", "git switch main")
	os.RemoveAll(linked)

	if got := must(r.WorktreeOf(ctx, "refs/heads/main"))(t); got != "" {
		t.Errorf("a removed checkout is named: %q", got)
	}
	git(t, dir, "worktree", "prune")
	write(t, dir, "x", "dirty\n")
	wantCode(t, r.Switch(ctx, "refs/heads/same"), research.CodeRepository, "overwritten", "x", "git switch same")
	write(t, dir, "x", "2\n")

	if err := r.Switch(ctx, "refs/heads/same"); err != nil {
		t.Fatal(err)
	}

	if got := read(t, dir, "x"); got != "1\n" || must(r.Head(ctx))(t).Branch != "refs/heads/same" {
		t.Errorf("x holds %q", got)
	}
	wantCode(t, r.Switch(ctx, "refs/heads/none"), research.CodeRepository, "none")
}

func TestRefreshIndexHeld(t *testing.T) {
	dir := repository(t, map[string]string{"a/x": "1\n", "y": "y\n"})
	r, ctx := open(t, dir), t.Context()
	first := must(r.Head(ctx))(t).Commit
	commitFiles(t, dir, map[string]string{"a/x": "2\n", "new": "n\n"})
	write(t, dir, ".git/index.lock", "")

	user := fingerprint(t, r)
	if held, err := r.RefreshIndex(ctx, first, []string{"a/x"}); !held || err != nil {
		t.Fatalf("held %v, %v", held, err)
	}

	if diff := cmp.Diff(user, fingerprint(t, r)); diff != "" {
		t.Error(diff)
	}
	os.Remove(filepath.Join(dir, ".git/index.lock"))

	if held, err := r.RefreshIndex(ctx, first, []string{"a/x", "new"}); held || err != nil {
		t.Fatalf("held %v, %v", held, err)
	}

	if got := git(t, dir, "diff", "--cached", "--name-only", first); got != "" {
		t.Errorf("the index differs from the commit in %q", got)
	}
}
