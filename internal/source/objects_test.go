package source_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/source"
)

func TestUpdateRefs(t *testing.T) {
	dir := repository(t, map[string]string{"x": "1\n"})
	r, ctx := open(t, dir), t.Context()
	a := must(r.Head(ctx))(t).Commit
	commitFiles(t, dir, map[string]string{"x": "2\n"})
	b := must(r.Head(ctx))(t).Commit
	n := "refs/ratchet/demo/"

	update := func(u ...source.RefUpdate) error { return r.UpdateRefs(ctx, u, "why\nnot") }
	if err := update(source.RefUpdate{Name: n + "incumbent", New: a},
		source.RefUpdate{Name: n + "x/1", New: a}); err != nil {
		t.Fatal(err)
	}

	for name, err := range map[string]error{
		"exists": update(source.RefUpdate{Name: n + "new", New: a}, source.RefUpdate{Name: n + "incumbent", New: b}),
		"moved": update(source.RefUpdate{Name: n + "new", New: a},
			source.RefUpdate{Name: n + "incumbent", New: b, Old: b}),
		"missing":  update(source.RefUpdate{Name: n + "none", New: b, Old: b}),
		"gone":     update(source.RefUpdate{Name: n + "none", Old: b}),
		"mismatch": update(source.RefUpdate{Name: n + "x/1", Old: b}),
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, err, research.CodeConflict, n) })
	}

	if got := must(r.Ref(ctx, n+"new"))(t); got != "" {
		t.Error("half of a refused transaction was done")
	}

	if err := update(source.RefUpdate{Name: n + "incumbent", New: b, Old: a},
		source.RefUpdate{Name: n + "x/1", Old: a}); err != nil {
		t.Fatal(err)
	}

	want := []source.RefUpdate{{Name: n + "incumbent", New: b, Old: b}}
	if diff := cmp.Diff(want, must(r.Refs(ctx, "refs/ratchet/demo"))(t)); diff != "" {
		t.Error(diff)
	}

	if got := must(r.Ref(ctx, n+"incumbent"))(t); got != b {
		t.Errorf("incumbent is %s", got)
	}
	write(t, dir, ".git/refs/ratchet/demo/incumbent.lock", "")
	git(t, dir, "pack-refs", "--all")
	wantCode(t, update(source.RefUpdate{Name: n + "incumbent", New: a, Old: b}), research.CodeConflict,
		"incumbent.lock")

	if err := update(); err != nil {
		t.Error(err)
	}

	if update(source.RefUpdate{Name: n + "x/2"}) == nil {
		t.Error("an update of nothing to nothing was taken")
	}
}

func TestUpdateRefsNameInTheWay(t *testing.T) {
	dir := repository(t, map[string]string{"x": "1\n"})
	r, ctx := open(t, dir), t.Context()
	a := must(r.Head(ctx))(t).Commit
	git(t, dir, "branch", "ratchet")

	for _, packed := range []bool{false, true} {
		if packed {
			git(t, dir, "pack-refs", "--all")
		}
		err := r.UpdateRefs(ctx, []source.RefUpdate{{Name: "refs/heads/ratchet/demo", New: a}}, "start")
		wantCode(t, err, research.CodeRepository, "refs/heads/ratchet,", "git branch -m ratchet ratchet-old")
	}
	// A symbolic ref is replaced, never followed to somebody's branch.
	git(t, dir, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
	commitFiles(t, dir, map[string]string{"x": "2\n"})

	b := must(r.Head(ctx))(t).Commit
	if err := r.UpdateRefs(ctx, []source.RefUpdate{{Name: "refs/heads/alias", New: a, Old: b}}, "x"); err != nil {
		t.Fatal(err)
	}

	if got := must(r.Ref(ctx, "refs/heads/main"))(t); got != b {
		t.Errorf("main moved to %s", got)
	}
}

func TestCommitIdentity(t *testing.T) {
	dir := repository(t, map[string]string{"x": "1\n"})
	git(t, dir, "config", "commit.gpgSign", "true")
	ctx := t.Context()
	commit := func(t *testing.T, message string) (string, error) {
		r := open(t, dir)
		head := must(r.Head(ctx))(t).Commit

		return r.Commit(ctx, source.CommitSpec{Tree: must(r.Tree(ctx, head))(t), Parents: []string{head},
			Message: message})
	}
	show := func(t *testing.T, c string) string { return git(t, dir, "show", "-s", "--format=%an <%ae> %cn|%B", c) }
	t.Run("configured", func(t *testing.T) {
		if got := show(t,
			must(commit(t, "été\n\nRatchet: 1"))(t)); got != "Ada <ada@example.com> Ada|été\n\nRatchet: 1" {
			t.Error(got)
		}
	})
	t.Run("environment", func(t *testing.T) {
		t.Setenv("GIT_AUTHOR_NAME", "Bob")
		t.Setenv("GIT_CONFIG_COUNT", "1")
		t.Setenv("GIT_CONFIG_KEY_0", "user.name")
		t.Setenv("GIT_CONFIG_VALUE_0", "Cleo")

		if got := show(t, must(commit(t, "m"))(t)); got != "Bob <ada@example.com> Cleo|m" {
			t.Error(got)
		}
	})
	t.Run("none", func(t *testing.T) {
		t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
		git(t, dir, "config", "user.useConfigOnly", "true")
		_, err := commit(t, "m")
		wantCode(t, err, research.CodeRepository, "user.name", "user.email")
	})
}

// TestNoHooks goes through every writing call in a repository whose hooks fail
// and leave a mark.
func TestNoHooks(t *testing.T) {
	dir := repository(t, map[string]string{"x": "1\n"})
	git(t, dir, "branch", "side")
	mark := filepath.Join(t.TempDir(), "mark")

	hooks := filepath.Join(dir, ".git", "hooks")
	for _, h := range []string{"pre-commit", "commit-msg", "reference-transaction", "post-index-change",
		"post-checkout", "monitor"} {
		if err := os.MkdirAll(hooks, 0o755); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(filepath.Join(hooks, h), []byte("#!/bin/sh\necho "+h+" >>'"+mark+"'\nexit 1\n"),
			0o755); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "config", "core.hooksPath", hooks)
	git(t, dir, "config", "core.fsmonitor", filepath.Join(hooks, "monitor"))
	r, ctx := open(t, dir), t.Context()
	head := must(r.Head(ctx))(t)
	write(t, dir, "x", "2\n")
	tree := must(r.Snapshot(ctx, head.Commit, []string{"x"}))(t)
	c := must(r.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{head.Commit}, Message: "m"}))(t)
	must(r.Changes(ctx, head.Commit))(t)

	for _, err := range []error{
		r.UpdateRefs(ctx, []source.RefUpdate{{Name: head.Branch, New: c, Old: head.Commit}}, "keep"),
		r.AttachHead(ctx, head.Branch, "attach"),
		r.Restore(ctx, c, "x"),
		r.Materialise(ctx, c, t.TempDir()),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	must(r.RefreshIndex(ctx, c, []string{"x"}))(t)

	if err := r.Switch(ctx, "side"); err != nil {
		t.Error(err)
	}

	if _, err := os.Stat(mark); err == nil {
		t.Errorf("hooks ran: %s", read(t, filepath.Dir(mark), "mark"))
	}
}

func TestReading(t *testing.T) {
	dir := repository(t, map[string]string{"a/x": "1\n2\n3\n", "b": "b\x00b\n"})
	r, ctx := open(t, dir), t.Context()
	first := must(r.Head(ctx))(t).Commit
	tree := must(r.ReplaceFile(ctx, first, "a/x", []byte("1\r\n2\nfour\nfive\n")))(t)

	second := must(r.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{first}, Message: "m"}))(t)
	if got := string(must(r.Blob(ctx, second, "a/x"))(t)); got != "1\r\n2\nfour\nfive\n" {
		t.Errorf("blob %q", got)
	}

	tree = must(r.ReplaceFile(ctx, second, "new/program.md", nil))(t)
	if got := git(t, dir, "ls-tree", "-r", "--name-only", tree); got != "a/x\nb\nnew/program.md" {
		t.Errorf("tree %q", got)
	}

	for _, path := range []string{"a", "none", "a/x/y", "a/none"} {
		_, err := r.Blob(ctx, second, path)
		wantCode(t, err, research.CodeNotFound, path)
	}

	diff := must(r.Diff(ctx, first, second, nil, 0))(t)
	if !strings.HasPrefix(diff, "diff --git a/a/x b/a/x\n") || !strings.Contains(diff, "\n-3\n+four\n+five\n") {
		t.Errorf("diff:\n%s", diff)
	}

	if cut := must(r.Diff(ctx, first, second, []string{"a/x"}, 60))(t); !strings.HasPrefix(diff,
		strings.Split(cut, "…")[0]) || !strings.HasSuffix(cut, "bytes\n") || len(cut) > 90 {
		t.Errorf("cut diff:\n%s", cut)
	}

	if got := must(r.Diff(ctx, first, second, []string{"b"}, 100))(t); got != "" {
		t.Errorf("diff of b: %s", got)
	}
	git(t, dir, "tag", "-am", "t", "v1", second)

	for rev, want := range map[string]string{"HEAD": first, "main": first, "v1": second, second[:12]: second,
		"v1~1": first} {
		if got := must(r.Resolve(ctx, rev))(t); got != want {
			t.Errorf("%s is %s, want %s", rev, got, want)
		}
	}

	for _, rev := range []string{"", "none", "--all", "HEAD:b", "-n1"} {
		_, err := r.Resolve(ctx, rev)
		wantCode(t, err, research.CodeNotFound)
	}
}

// TestRepositoryChangesUnderneath holds that an open Repo reads what other
// processes pack, prune and write meanwhile.
func TestRepositoryChangesUnderneath(t *testing.T) {
	dir := repository(t, map[string]string{"a/x": "1\n"})
	r, ctx := open(t, dir), t.Context()
	git(t, dir, "gc", "-q")
	must(r.Blob(ctx, must(r.Head(ctx))(t).Commit, "a/x"))(t)

	for i := range 3 {
		commitFiles(t, dir, map[string]string{"a/x": strings.Repeat("y\n", i+1)})
		git(t, dir, "repack", "-adq")

		if got := string(must(r.Blob(ctx, must(r.Head(ctx))(t).Commit, "a/x"))(t)); len(got) != 2*(i+1) {
			t.Errorf("read %q after repack %d", got, i)
		}
	}
}

// TestPartialClone holds that what is here is worked with, that nothing is fetched
// (a fetch runs what the configuration names), and that the error says how to fetch it.
func TestPartialClone(t *testing.T) {
	from := repository(t, map[string]string{"a/x": "1\n"})
	commitFiles(t, from, map[string]string{"a/x": "2\n"})
	git(t, from, "config", "uploadpack.allowFilter", "true")
	dir := filepath.Join(t.TempDir(), "partial")
	git(t, t.TempDir(), "clone", "-q", "--filter=tree:0", "file://"+from, dir)
	ran := filepath.Join(t.TempDir(), "ran")
	git(t, dir, "config", "remote.origin.uploadpack", "touch "+ran+"; git-upload-pack")
	r, ctx := open(t, dir), t.Context()

	first := must(r.Resolve(ctx, "HEAD~1"))(t)
	_, err := r.Blob(ctx, first, "a/x")
	wantCode(t, err, research.CodeNotFound, "git fetch --refetch")

	if _, err := os.Stat(ran); err == nil {
		t.Error("a fetch ran the configured command")
	}

	cycle(t, site{dir: dir, path: "a/x", edit: "3\n"})
}

func TestReftable(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", "--ref-format=reftable", dir).CombinedOutput(); err != nil {
		t.Skipf("this git has no reftable: %s", out)
	}
	commitFiles(t, dir, map[string]string{"x": before})
	cycle(t, site{dir: dir, path: "x", edit: after})
}

// TestAttributesOfTheCommit holds that a checkout follows the attributes of
// the commit it is of, not those that the user's work tree has at the moment.
func TestAttributesOfTheCommit(t *testing.T) {
	dir := repository(t, map[string]string{"s/x.py": "1\n2\n"})
	r, ctx := open(t, dir), t.Context()
	plain := must(r.Head(ctx))(t).Commit
	commitFiles(t, dir, map[string]string{"s/.gitattributes": "*.py text eol=crlf\n"})
	crlf := must(r.Head(ctx))(t).Commit

	next := must(r.Commit(ctx, source.CommitSpec{Tree: must(r.ReplaceFile(ctx, crlf, "s/x.py", []byte("1\n3\n")))(t),
		Parents: []string{crlf}}))(t)
	for _, at := range []string{plain, next} {
		git(t, dir, "checkout", "-q", "--force", at)

		for commit, want := range map[string]string{plain: "1\n2\n", crlf: "1\r\n2\r\n"} {
			to := t.TempDir()
			if err := r.Materialise(ctx, commit, to); err != nil {
				t.Fatal(err)
			}

			if got := read(t, to, "s/x.py"); got != want {
				t.Errorf("with %s checked out, %s gives %q, want %q", at, commit, got, want)
			}
		}
		to := t.TempDir()
		must(r.MaterialiseDelta(ctx, crlf, next, to))(t)

		if got := read(t, to, "s/x.py"); got != "1\r\n3\r\n" {
			t.Errorf("with %s checked out, the delta gives %q", at, got)
		}
	}
}

// TestConcurrent is for the race detector: one Repo, many callers.
func TestConcurrent(t *testing.T) {
	dir := repository(t, map[string]string{"a/x": "1\n", "b": "b\n"})
	r := open(t, dir)
	base := must(r.Head(t.Context()))(t).Commit
	write(t, dir, "a/x", "2\n")

	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			tree := must(r.Snapshot(ctx, base, []string{"a/x"}))(t)

			c := must(r.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{base}, Message: "m"}))(t)
			if got := string(must(r.Blob(ctx, c, "a/x"))(t)); got != "2\n" {
				t.Errorf("read %q", got)
			}

			if n := len(must(r.Changes(ctx, base))(t)); n != 1 {
				t.Errorf("%d changes", n)
			}

			if err := r.UpdateRefs(ctx, []source.RefUpdate{{Name: fmt.Sprint("refs/ratchet/c/x/", i), New: c}},
				"m"); err != nil {
				t.Error(err)
			}
		})
	}
}
