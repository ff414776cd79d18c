package source_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/source"
)

func TestOpen(t *testing.T) {
	dir := repository(t, map[string]string{"sub/deep/x": "x\n"})

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_DIR", "/nonsense")
	t.Setenv("GIT_INDEX_FILE", "/nonsense")

	for _, from := range []string{dir, filepath.Join(dir, "sub", "deep"), link} {
		r := open(t, from)

		want := must(filepath.EvalSymlinks(dir))(t)
		if r.Root() != want || r.GitDir() != filepath.Join(want, ".git") || r.CommonDir() != r.GitDir() {
			t.Errorf("from %s: root %s, git dir %s, common dir %s", from, r.Root(), r.GitDir(), r.CommonDir())
		}

		if got := must(r.Changes(t.Context(), must(r.Head(t.Context()))(t).Commit))(t); len(got) != 0 {
			t.Errorf("from %s: changes %v", from, got)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	bare := t.TempDir()
	git(t, bare, "init", "-q", "--bare")
	sha256 := t.TempDir()
	git(t, sha256, "init", "-q", "--object-format=sha256")
	newer := repository(t, map[string]string{"x": "x\n"})
	git(t, newer, "config", "core.repositoryFormatVersion", "1")
	git(t, newer, "config", "extensions.tomorrow", "true")

	normal := repository(t, map[string]string{"x": "x\n"})
	for _, c := range []struct {
		name, dir string
		code      research.Code
		word      string
	}{
		{"no repository", t.TempDir(), research.CodeRepository, "git init"},
		{"missing folder", "/nonsense/there", research.CodeRepository, "not a folder"},
		{"bare", bare, research.CodeRepository, "bare"},
		{"SHA-256", sha256, research.CodeUnsupported, "SHA-1"},
		{"unknown extension", newer, research.CodeUnsupported, "newer git"},
		{"inside .git", filepath.Join(normal, ".git"), research.CodeRepository, ".git folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := source.Open(t.Context(), c.dir)
			wantCode(t, err, c.code, c.word)
		})
	}
	t.Run("another user's", func(t *testing.T) {
		t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1") // scrubbed, like all of GIT_*

		if _, err := source.Open(t.Context(), normal); err != nil {
			t.Error(err)
		}

		if os.Getuid() != 0 {
			t.Skip("only root can give a folder away")
		}

		for _, p := range []string{normal, filepath.Join(normal, ".git")} {
			if err := os.Chown(p, 12345, 12345); err != nil {
				t.Fatal(err)
			}
		}
		_, err := source.Open(t.Context(), normal)
		wantCode(t, err, research.CodeRepository, "safe.directory "+normal)
	})
	t.Run("no git", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := source.Open(t.Context(), normal)
		wantCode(t, err, research.CodeUnsupported, "install git")
	})
}

func TestCheckEditable(t *testing.T) {
	inner := repository(t, map[string]string{"lib.py": "x\n"})
	dir := repository(t, map[string]string{"ok.py": "x\n", "dir/a.py": "x\n", "gone.py": "x\n", ".gitignore": "*.log\n",
		"[a]*.py": "x\n"})
	git(t, dir, "submodule", "--quiet", "add", inner, "lib")

	for link, to := range map[string]string{"link.py": "ok.py", "linkdir": "dir"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "add", "link.py")
	git(t, dir, "commit", "-qm", "more")
	write(t, dir, "new.py", "x\n")
	write(t, dir, "out.log", "x\n")
	os.Remove(filepath.Join(dir, "gone.py"))

	r := open(t, dir)
	for path, word := range map[string]string{
		"ok.py": "", "dir/a.py": "", "[a]*.py": "",
		"new.py": "not tracked", "out.log": "ignored", "gone.py": "git restore", "never.py": "missing",
		"link.py": "a link", "linkdir/a.py": "behind the link linkdir", "dir": "a folder", "lib": "submodule",
		"lib/lib.py": "submodule", "../x": "outside", "/etc/passwd": "not a path", ".git/config": "outside",
		"dir/../ok.py": "outside", "": "not a path", "./ok.py": "not a path", "*.py": "missing",
	} {
		err := r.CheckEditable(t.Context(), path)
		if word == "" {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}

			continue
		}
		t.Run(path, func(t *testing.T) { wantCode(t, err, research.CodeScope, word, path) })
	}
}

func TestSnapshotRefusesAndRemoves(t *testing.T) {
	dir := repository(t, map[string]string{"a/b/x.py": "x\n", "y.py": "y\n", "z.py": "z\n", "real/f": "f\n"})
	r, ctx := open(t, dir), t.Context()
	base := must(r.Head(ctx))(t).Commit
	os.Remove(filepath.Join(dir, "y.py"))

	if err := os.Mkdir(filepath.Join(dir, "y.py"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := r.Snapshot(ctx, base, []string{"y.py"})
	wantCode(t, err, research.CodeScope, "y.py is a folder")
	wantCode(t, r.Restore(ctx, base, "y.py"), research.CodeScope, "folder")
	wantCode(t, r.Restore(ctx, base, "nothing"), research.CodeNotFound, "nothing")

	if err := os.Symlink("real", filepath.Join(dir, "alias")); err != nil {
		t.Fatal(err)
	}
	_, err = r.Snapshot(ctx, base, []string{"alias/f"})
	wantCode(t, err, research.CodeScope, "behind the link alias")
	_, err = r.Snapshot(ctx, "1111111111111111111111111111111111111111", []string{"z.py"})
	wantCode(t, err, research.CodeNotFound)

	// A missing file is removed, and so is the folder it leaves empty; a link is stored as one.
	os.RemoveAll(filepath.Join(dir, "a"))
	os.Remove(filepath.Join(dir, "z.py"))

	if err := os.Symlink("real/f", filepath.Join(dir, "z.py")); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, "y.py"))
	write(t, dir, "y.py", "y\n")
	write(t, dir, "new/n.py", "n\n")
	tree := must(r.Snapshot(ctx, base, []string{"a/b/x.py", "z.py", "new/n.py", "never/was"}))(t)
	git(t, dir, "add", "-A", "--", "a", "z.py", "new")

	if want := git(t, dir, "write-tree"); tree != want {
		t.Errorf("tree differs from git's:\n%s", git(t, dir, "diff-tree", "-r", want, tree))
	}

	same := func(p string) bool { return must(r.FirstMatching(ctx, []string{base}, []string{p}))(t) == base }
	for _, p := range []string{"a/b/x.py", "z.py"} {
		if same(p) {
			t.Errorf("%s is said to be the same", p)
		}

		if err := r.Restore(ctx, base, p); err != nil {
			t.Fatal(err)
		}

		if !same(p) {
			t.Errorf("%s is not the same after restore", p)
		}
	}

	if same("new/n.py") || !same("never/was") {
		t.Error("a file that the commit lacks")
	}

	none := must(r.Snapshot(ctx, base, []string{"real/f"}))(t)
	if want := git(t, dir, "rev-parse", base+"^{tree}"); none != want {
		t.Errorf("a snapshot of no change is %s, want %s", none, want)
	}
}

// TestSnapshotOfNothingLeft removes the only file, which leaves git's empty tree.
func TestSnapshotOfNothingLeft(t *testing.T) {
	dir := repository(t, map[string]string{"a/x.py": "x\n"})
	r, ctx := open(t, dir), t.Context()
	os.RemoveAll(filepath.Join(dir, "a"))

	got := must(r.Snapshot(ctx, must(r.Head(ctx))(t).Commit, []string{"a/x.py"}))(t)
	if got != "4b825dc642cb6eb9a060e54bf8d69288fbee4904" || git(t, dir, "cat-file", "-t", got) != "tree" {
		t.Errorf("tree %s", got)
	}
}

func TestRequiredFilterFails(t *testing.T) {
	dir := repository(t, map[string]string{"x.py": "x\n", "y.txt": "y\n"})
	base := git(t, dir, "rev-parse", "HEAD")
	commitFiles(t, dir, map[string]string{".gitattributes": "*.py filter=gone\n"})
	git(t, dir, "config", "filter.gone.clean", "no-such-command-here")
	git(t, dir, "config", "filter.gone.smudge", "no-such-command-here")
	git(t, dir, "config", "filter.gone.required", "true")
	r, ctx := open(t, dir), t.Context()
	write(t, dir, "x.py", "changed\n")
	_, err := r.Snapshot(ctx, base, []string{"x.py"})
	wantCode(t, err, research.CodeRepository, "filter", "gone")
	wantCode(t, r.Restore(ctx, base, "x.py"), research.CodeRepository, "filter", "gone")

	if got := read(t, dir, "x.py"); got != "changed\n" {
		t.Errorf("a failed restore left %q", got)
	}
	wantCode(t, r.Materialise(ctx, "HEAD^{tree}", t.TempDir()), research.CodeNotFound)
	wantCode(t, r.Materialise(ctx, git(t, dir, "rev-parse", "HEAD"), t.TempDir()), research.CodeRepository, "filter")
}

func TestMaterialiseDeltaRefusesRemoval(t *testing.T) {
	dir := repository(t, map[string]string{"a/x": "x\n", "b": "b\n"})
	r, ctx := open(t, dir), t.Context()
	first := must(r.Head(ctx))(t).Commit
	git(t, dir, "rm", "-q", "a/x")
	commitFiles(t, dir, map[string]string{"c/d/e": "e\n", "b": "b2\n"})
	second := must(r.Head(ctx))(t).Commit
	_, err := r.MaterialiseDelta(ctx, first, second, t.TempDir())
	wantCode(t, err, research.CodeUnsupported, "a/x")
	to := t.TempDir()
	git(t, dir, "checkout", "-q", first, "--", "a/x")
	git(t, dir, "commit", "-qm", "back")

	third := must(r.Head(ctx))(t).Commit
	if diff := cmp.Diff([]string{"b", "c/d/e"}, must(r.MaterialiseDelta(ctx, first, third, to))(t)); diff != "" {
		t.Error(diff)
	}

	if n := files(t, to); n != 2 {
		t.Errorf("%d files in the delta", n)
	}

	if got := must(r.MaterialiseDelta(ctx, third, third, to))(t); len(got) != 0 {
		t.Errorf("delta of nothing: %v", got)
	}

	if err := r.Materialise(ctx, third, to); err == nil {
		t.Error("a folder with files in it was taken")
	}
}

// TestCancel shows that a call ends with its context, even while a filter hangs.
func TestCancel(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := repository(t, map[string]string{"x.py": "x\n"})
	write(t, dir, ".git/info/attributes", "*.py filter=slow\n")
	git(t, dir, "config", "filter.slow.clean", "exec sleep 1000")
	r := open(t, dir)
	base := must(r.Head(t.Context()))(t).Commit
	write(t, dir, "x.py", "changed\n")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := r.Snapshot(ctx, base, []string{"x.py"})
	wantCode(t, err, research.CodeCancelled)

	if !errors.Is(err, context.DeadlineExceeded) { // else it came back when the filter ended, without an error
		t.Error(err)
	}
}
