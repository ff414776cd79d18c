package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ratchet/internal/source"
)

// BenchmarkCalls times every call of an experiment's cycle, in a small and in a
// large packed repository. Run: go test -run - -bench Calls ./internal/source
func BenchmarkCalls(b *testing.B) {
	for _, n := range []int{20, 5000, 50000} {
		if n > 5000 && os.Getenv("RATCHET_BENCH_LARGE") == "" {
			continue
		}
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) { benchmarkCalls(b, n) })
	}
}

func benchmarkCalls(b *testing.B, n int) {
	dir, path, ctx := b.TempDir(), "d1/train.py", b.Context()
	git(b, dir, "init", "-q")

	for i := range n {
		write(b, dir, fmt.Sprintf("d%d/e%d/f%d.txt", i%10, i/10%20, i), fmt.Sprint("content ", i, "\n"))
	}
	commitFiles(b, dir, map[string]string{path: before})
	git(b, dir, "gc", "-q")
	write(b, dir, path, after)
	r, err := source.Open(ctx, dir)
	check(b, err)
	head, err := r.Head(ctx)
	check(b, err)
	tree, err := r.Snapshot(ctx, head.Commit, []string{path})
	check(b, err)
	commit, err := r.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{head.Commit}, Message: "m"})
	check(b, err)

	out, i := b.TempDir(), 0
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"Open", func() error { _, err := source.Open(ctx, dir); return err }},
		{"Head", func() error { _, err := r.Head(ctx); return err }},
		{"RequireNoOperation", func() error { return r.RequireNoOperation(ctx) }},
		{"CheckEditable", func() error { return r.CheckEditable(ctx, path) }},
		{"Changes", func() error { _, err := r.Changes(ctx, head.Commit); return err }},
		{"Untracked", func() error { _, err := r.Untracked(ctx, 10); return err }},
		{"Snapshot", func() error { _, err := r.Snapshot(ctx, head.Commit, []string{path}); return err }},
		{"SnapshotOfNoChange", func() error { _, err := r.Snapshot(ctx, commit, []string{path}); return err }},
		{"Commit", func() error {
			_, err := r.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{head.Commit}, Message: "m"})
			return err
		}},
		{"UpdateRefs", func() error {
			i++
			return r.UpdateRefs(ctx, []source.RefUpdate{{Name: fmt.Sprintf("refs/ratchet/b/x/%d", i), New: commit}},
				"m")
		}},
		{"Ref", func() error { _, err := r.Ref(ctx, "refs/ratchet/b/x/1"); return err }},
		{"Same", func() error { _, err := r.FirstMatching(ctx, []string{commit}, []string{path}); return err }},
		{"Restore", func() error { return r.Restore(ctx, commit, path) }},
		{"RefreshIndex", func() error { _, err := r.RefreshIndex(ctx, commit, []string{path}); return err }},
		{"Tree", func() error { _, err := r.Tree(ctx, commit); return err }},
		{"Blob", func() error { _, err := r.Blob(ctx, head.Commit, path); return err }},
		{"Tracked", func() error { _, err := r.TrackedFiles(ctx, head.Commit); return err }},
		{"MaterialiseDelta", func() error { _, err := r.MaterialiseDelta(ctx, head.Commit, commit, out); return err }},
		{"Materialise", func() error {
			i++
			return r.Materialise(ctx, commit, filepath.Join(out, fmt.Sprint("whole", i)))
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				check(b, c.call())
			}
		})
	}
}

func check(b *testing.B, err error) {
	b.Helper()

	if err != nil {
		b.Fatal(err)
	}
}
