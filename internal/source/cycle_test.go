package source_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/source"
	"ratchet/internal/testform"
)

// TestCycle goes through one experiment in every kind of repository, and
// compares with what the real git makes of the same edit.
func TestCycle(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			if testing.Short() && variants[k.name] {
				t.Skip("another kind has most of what it has")
			}

			if !quickKinds[k.name] {
				testform.SkipQuick(t, "the quick kinds have names, a filter, a second checkout")
			}

			s := k.build(t)
			decorate(t, s.dir)
			cycle(t, s)
		})
	}
}

// decorate adds what a user may have lying about: a stash, untracked and ignored files.
func decorate(t *testing.T, dir string) {
	t.Helper()
	git(t, dir, "config", "--add", "stash.showIncludeUntracked", "true")
	write(t, dir, "stashed.txt", "stashed\n")
	git(t, dir, "stash", "push", "-q", "--include-untracked", "--", "stashed.txt")
	write(t, dir, "untracked.txt", "untracked\n")

	exclude := git(t, dir, "rev-parse", "--path-format=absolute", "--git-path", "info/exclude")
	if err := os.MkdirAll(filepath.Dir(exclude), 0o755); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(exclude, []byte("*.ignored\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "x.ignored", "ignored\n")
}

func cycle(t *testing.T, s site) {
	ctx, r := t.Context(), open(t, s.dir)
	head := must(r.Head(ctx))(t)

	base, file := head.Commit, filepath.Join(r.Root(), filepath.FromSlash(s.path))
	if err := r.CheckEditable(ctx, s.path); err != nil {
		t.Fatal(err)
	}
	original := read(t, s.dir, s.path)

	mode := must(os.Lstat(file))(t).Mode()
	if got := must(r.Changes(ctx, base))(t); len(got) != 0 {
		t.Fatalf("changes before the edit: %v", got)
	}
	write(t, s.dir, s.path, s.edit)
	// git itself, which judges us below, misses an edit of equal size within the second of its index.
	if past := time.Now().Add(-time.Hour); os.Chtimes(file, past, past) != nil {
		t.Fatal("can't set the file's time")
	}

	if s.exec {
		if err := os.Chmod(file, 0o755); err != nil {
			t.Fatal(err)
		}
	}

	user := fingerprint(t, r)
	tree := must(r.Snapshot(ctx, base, []string{s.path}))(t)
	commit := must(r.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{base},
		Message: "candidate\n\nRatchet: 1"}))(t)

	name := "refs/ratchet/demo/x/1"
	if err := r.UpdateRefs(ctx, []source.RefUpdate{{Name: name, New: commit}}, "test"); err != nil {
		t.Fatal(err)
	}

	changes := must(r.Changes(ctx, base))(t)
	if diff := cmp.Diff(user, fingerprint(t, r)); diff != "" {
		t.Fatalf("the user's files changed (-before +after):\n%s", diff)
	}

	if want := addedByGit(t, r, s.path); tree != want {
		t.Fatalf("snapshot differs from git add:\n%s", git(t, s.dir, "diff-tree", "-r", want, tree))
	}

	if len(changes) != 1 || changes[0].Path != s.path {
		t.Fatalf("changes against the base: %v", changes)
	}

	if again := must(r.Snapshot(ctx, commit, []string{s.path}))(t); again != tree {
		t.Errorf("a second snapshot gives %s, not %s", again, tree)
	}
	keepAndCompare(t, r, s, head, commit)
	restoreAndCompare(t, r, s, base, commit, original, mode)
	materialiseAndCompare(t, r, s, base, commit)

	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "ratchet-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// addedByGit is the tree that git add and git write-tree make, on a copy of the index.
func addedByGit(t *testing.T, r *source.Repo, path string) string {
	t.Helper()

	at := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(at, []byte(read(t, r.GitDir(), "index")), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"GIT_INDEX_FILE=" + at}
	gitEnv(t, r.Root(), env, "--literal-pathspecs", "add", "--", path)

	return gitEnv(t, r.Root(), env, "write-tree")
}

// keepAndCompare moves the branch and the index; then git must find nothing to do.
func keepAndCompare(t *testing.T, r *source.Repo, s site, head source.Head, commit string) {
	t.Helper()

	ctx := t.Context()
	if err := r.UpdateRefs(ctx, []source.RefUpdate{{Name: head.Branch, New: commit, Old: head.Commit}},
		"keep"); err != nil {
		t.Fatal(err)
	}

	if held, err := r.RefreshIndex(ctx, commit, []string{s.path}); held || err != nil {
		t.Fatal(held, err)
	}

	if got := must(r.Changes(ctx, commit))(t); len(got) != 0 {
		t.Errorf("changes after keep: %v", got)
	}

	if got := git(t, s.dir, "diff", "--cached", "--name-only", "HEAD"); got != "" {
		t.Errorf("staged after keep: %q", got)
	}

	if got := git(t, s.dir, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"); got != "" {
		t.Errorf("git status after keep: %q", got)
	}

	for want, commits := range map[string][]string{commit: {head.Commit, commit}, "": {head.Commit}} {
		if got := must(r.FirstMatching(ctx, commits, []string{s.path}))(t); got != want {
			t.Errorf("same as %q of %v, want %q", got, commits, want)
		}
	}
}

func restoreAndCompare(t *testing.T, r *source.Repo, s site, base, commit, original string, mode fs.FileMode) {
	t.Helper()

	ctx := t.Context()
	if err := r.Restore(ctx, base, s.path); err != nil {
		t.Fatal(err)
	}

	if got := read(t, s.dir, s.path); got != original {
		t.Errorf("restored %q, want %q", got, original)
	}

	info := must(os.Lstat(filepath.Join(r.Root(), filepath.FromSlash(s.path))))(t)
	if got := git(t, s.dir, "config", "--get", "--default=true", "core.fileMode"); got == "true" &&
		info.Mode() != mode {
		t.Errorf("restored mode %v, want %v", info.Mode(), mode)
	}

	if got := git(t, s.dir, "--literal-pathspecs", "diff", "--name-only", base, "--", s.path); got != "" {
		t.Errorf("git sees a difference after restore: %s", got)
	}

	if must(r.FirstMatching(ctx, []string{base}, []string{s.path}))(t) != base {
		t.Error("the restored file is not the same")
	}

	if err := r.Restore(ctx, commit, s.path); err != nil {
		t.Fatal(err)
	}

	if got := read(t, s.dir, s.path); got != s.edit {
		t.Errorf("restored the candidate as %q, want %q", got, s.edit)
	}

	if err := r.Restore(ctx, base, s.path); err != nil {
		t.Fatal(err)
	}
}

func materialiseAndCompare(t *testing.T, r *source.Repo, s site, base, commit string) {
	t.Helper()
	ctx, whole, delta := t.Context(), filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "delta")

	user := fingerprint(t, r)
	if err := r.Materialise(ctx, commit, whole); err != nil {
		t.Fatal(err)
	}

	paths := must(r.MaterialiseDelta(ctx, base, commit, delta))(t)
	if diff := cmp.Diff([]string{s.path}, paths); diff != "" {
		t.Errorf("delta's paths: %s", diff)
	}

	if diff := cmp.Diff(user, fingerprint(t, r)); diff != "" {
		t.Fatalf("the user's files changed (-before +after):\n%s", diff)
	}

	for _, dir := range []string{whole, delta} {
		if got := read(t, dir, s.path); got != s.edit {
			t.Errorf("%s holds %q, want %q", filepath.Base(dir), got, s.edit)
		}

		info := must(os.Lstat(filepath.Join(dir, filepath.FromSlash(s.path))))(t)
		if want := strings.HasPrefix(git(t, s.dir, "--literal-pathspecs", "ls-tree", commit, "--", s.path),
			"100755"); (info.Mode()&0o100 != 0) != want {
			t.Errorf("%s: mode %v, exec %v expected", filepath.Base(dir), info.Mode(), want)
		}
	}
	want := map[string]string{}

	for _, line := range strings.Split(strings.TrimSuffix(git(t, s.dir, "ls-tree", "-r", "-z", commit), "\x00"),
		"\x00") {
		meta, path, _ := strings.Cut(line, "\t")
		if f := strings.Fields(meta); f[1] == "blob" {
			want[path] = f[2]
		}
	}

	if diff := cmp.Diff(want, must(r.TrackedFiles(ctx, commit))(t)); diff != "" {
		t.Errorf("tracked (-git +source):\n%s", diff)
	}

	if diff := cmp.Diff(len(want), files(t, whole)); diff != "" {
		t.Errorf("number of files checked out: %s", diff)
	}
}

func files(t *testing.T, dir string) (n int) {
	t.Helper()

	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return n
}
