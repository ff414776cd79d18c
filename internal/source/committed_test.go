package source_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/source"
	"ratchet/internal/testform"
)

// evil is what the tests put in the evaluator's place; trueScore is what is committed.
const (
	trueScore = "echo METRIC cost=100\n"
	evilScore = "echo METRIC cost=1\n"
)

// TestOtherContentForGit holds that a run gets what the commit names, whatever this clone
// puts in its place: the true content, or a refusal that names the file or the object.
func TestOtherContentForGit(t *testing.T) {
	testform.SkipQuick(t, "TestCycle has a filter")
	for name, test := range map[string]struct {
		play    func(t *testing.T, dir, blob string)
		refused []string // words of the refusal, nil where the true content is read
	}{
		"replaced blob": {func(t *testing.T, dir, blob string) {
			git(t, dir, "replace", blob, storeText(t, dir, evilScore))
		}, nil},
		"replaced tree": {func(t *testing.T, dir, _ string) {
			other := makeTree(t, dir, storeText(t, dir, evilScore))
			git(t, dir, "replace", git(t, dir, "rev-parse", "HEAD^{tree}"), other)
		}, nil},
		"replaced commit": {func(t *testing.T, dir, _ string) {
			other := git(t, dir, "commit-tree", "-m", "evil", makeTree(t, dir, storeText(t, dir, evilScore)))
			git(t, dir, "replace", "HEAD", other)
		}, nil},
		"branch and tag named like the commit": {func(t *testing.T, dir, _ string) {
			at := git(t, dir, "rev-parse", "HEAD")
			other := git(t, dir, "commit-tree", "-m", "evil", makeTree(t, dir, storeText(t, dir, evilScore)))
			git(t, dir, "update-ref", "refs/heads/"+at, other)
			git(t, dir, "update-ref", "refs/tags/"+at, other)
		}, nil},
		"loose object overwritten": {func(t *testing.T, dir, blob string) {
			overwriteLoose(t, dir, blob, evilScore)
		}, []string{"blob", "damaged", "git fsck"}},
		"filter of info/attributes": {func(t *testing.T, dir, _ string) {
			git(t, dir, "config", "filter.evil.smudge", "sed s/100/1/")
			write(t, dir, ".git/info/attributes", "score.sh filter=evil\n")
		}, []string{"score.sh", "info/attributes"}},
		"filter of the user's attributes": {func(t *testing.T, dir, _ string) {
			git(t, dir, "config", "filter.evil.smudge", "sed s/100/1/")
			write(t, dir, ".git/evil", "*.sh filter=evil\n")
			git(t, dir, "config", "core.attributesFile", filepath.Join(dir, ".git/evil"))
		}, []string{"score.sh", "core.attributesFile"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := repository(t, map[string]string{"score.sh": trueScore, "x": "1\n"})
			commit, blob := git(t, dir, "rev-parse", "HEAD"), git(t, dir, "rev-parse", "HEAD:score.sh")
			test.play(t, dir, blob)

			r, to := open(t, dir), t.TempDir()
			err := r.Materialise(t.Context(), commit, to)

			if test.refused != nil {
				wantCode(t, err, research.CodeRepository, test.refused...)
				return
			}

			if err != nil {
				t.Fatal(err)
			}

			if got := read(t, to, "score.sh"); got != trueScore {
				t.Errorf("the run sees %q", got)
			}

			if got := string(must(r.Blob(t.Context(), commit, "score.sh"))(t)); got != trueScore {
				t.Errorf("read %q", got)
			}
		})
	}
}

// TestOtherContentInDelta holds the same for what a candidate changes.
func TestOtherContentInDelta(t *testing.T) {
	dir := repository(t, map[string]string{"prog.sh": trueScore})
	r, ctx := open(t, dir), t.Context()
	base := must(r.Head(ctx))(t).Commit
	tree := must(r.ReplaceFile(ctx, base, "prog.sh", []byte("echo 90\n")))(t)
	next := must(r.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{base}, Message: "m"}))(t)

	overwriteLoose(t, dir, git(t, dir, "rev-parse", next+":prog.sh"), "echo 10\n")
	_, err := r.MaterialiseDelta(ctx, base, next, t.TempDir())
	wantCode(t, err, research.CodeRepository, "damaged")
}

// TestGrafts holds that a graft gives no commit other parents.
func TestGrafts(t *testing.T) {
	dir := repository(t, map[string]string{"x": "1\n"})
	first := git(t, dir, "rev-parse", "HEAD")
	commitFiles(t, dir, map[string]string{"x": "2\n"})
	second := git(t, dir, "rev-parse", "HEAD")
	write(t, dir, ".git/info/grafts", second+"\n")

	if ok := must(open(t, dir).IsAncestor(t.Context(), first, second))(t); !ok {
		t.Error("the graft was followed")
	}
}

func storeText(t *testing.T, dir, content string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "content")
	write(t, filepath.Dir(at), "content", content)

	return git(t, dir, "hash-object", "-w", at)
}

// makeTree is a tree with that blob as score.sh.
func makeTree(t *testing.T, dir, blob string) string {
	t.Helper()
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(t.TempDir(), "index")}
	gitEnv(t, dir, index, "update-index", "--add", "--cacheinfo", "100644,"+blob+",score.sh")

	return gitEnv(t, dir, index, "write-tree")
}

// overwriteLoose writes other content into the file of a loose blob.
func overwriteLoose(t *testing.T, dir, hash, content string) {
	t.Helper()
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	fmt.Fprintf(w, "blob %d\x00%s", len(content), content)
	w.Close()

	name := filepath.Join(dir, ".git/objects", hash[:2], hash[2:])
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(name, packed.Bytes(), 0o444); err != nil {
		t.Fatal(err)
	}

	if got := git(t, dir, "cat-file", "blob", hash); got != strings.TrimSpace(content) {
		t.Fatalf("git itself reads %q", got)
	}
}
