package source_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/source"
	"ratchet/internal/testform"
)

// chain commits the texts one after the other and weaves them.
func chain(t *testing.T, texts []string) (r *source.Repo, w *source.Weave, dir string, commits []string) {
	t.Helper()
	dir = repository(t, map[string]string{"f.txt": texts[0], "other": "o\n"})
	commits = []string{git(t, dir, "rev-parse", "HEAD")}
	var links []source.Link

	for _, text := range texts[1:] {
		write(t, dir, "f.txt", text)
		git(t, dir, "commit", "-q", "-a", "--allow-empty", "-m", "edit")
		commits = append(commits, git(t, dir, "rev-parse", "HEAD"))
		links = append(links, source.Link{From: commits[len(commits)-2], To: commits[len(commits)-1],
			Paths: []string{"f.txt"}})
	}
	r = open(t, dir)

	w, err := r.Weave(t.Context(), commits[0], links)
	if err != nil {
		t.Fatal(err)
	}

	return r, w, dir, commits
}

// Any of a chain's changes can be left out, neighbours' too, with those that
// build on it and no others.
func TestWeave(t *testing.T) {
	for _, c := range []struct {
		name  string
		texts []string
		out   int    // the change that is left out
		ties  []int  // what builds on it
		want  string // without it and those
	}{
		{name: "far apart", texts: []string{"a\nb\nc\nd\n", "A\nb\nc\nd\n", "A\nb\nc\nD\n"}, want: "a\nb\nc\nD\n"},
		{name: "neighbours", texts: []string{"a\nb\n", "A\nb\n", "A\nB\n"}, want: "a\nB\n"},
		{name: "appended one after the other", texts: []string{"a\n", "a\n1\n", "a\n1\n2\n", "a\n1\n2\n3\n"}, out: 1,
			want: "a\n1\n3\n"},
		{name: "the same line twice", texts: []string{"n=1\n", "n=2\n", "n=3\n"}, ties: []int{1}, want: "n=1\n"},
		{name: "the newer of two on one line", texts: []string{"n=1\n", "n=2\n", "n=3\n"}, out: 1, want: "n=2\n"},
		{name: "into its block", texts: []string{"a\n", "a\n{\n}\n", "a\n{\nx\n}\n", "A\n{\nx\n}\n"}, ties: []int{1},
			want: "A\n"},
		{name: "what builds on what builds on it", texts: []string{"a\n", "a\nb\n", "a\nb2\n", "a\nb3\n", "a\nb3\nz\n"},
			ties: []int{1, 2}, want: "a\nz\n"},
		{name: "taken away", texts: []string{"a\nb\nc\n", "a\nc\n", "a\nC\n"}, want: "a\nb\nC\n"},
		{name: "no line break at the end", texts: []string{"a", "a\nb", "a\nb\nc\n"}, out: 0, ties: []int{1},
			want: "a"},
		{name: "line ends stay", texts: []string{"a\r\nb\r\n", "A\r\nb\r\n", "A\r\nB\r\n"}, want: "a\r\nB\r\n"},
		{name: "binary", texts: []string{"a\x00\nb\n", "A\x00\nb\n", "A\x00\nB\n"}, want: "a\x00\nB\n"},
		{name: "emptied and filled", texts: []string{"a\n", "", "b\n"}, out: 1, want: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w, dir, commits := chain(t, c.texts)
			if diff := cmp.Diff(c.ties, w.Ties(c.out)); diff != "" {
				t.Errorf("ties: %s", diff)
			}

			gone := map[int]bool{c.out: true}
			for _, i := range c.ties {
				gone[i] = true
			}

			tree, err := r.Woven(t.Context(), w, commits[len(commits)-1], func(i int) bool { return !gone[i] })
			if err != nil {
				t.Fatal(err)
			}

			if got := blob(t, r, tree, "f.txt"); got != c.want {
				t.Errorf("without %d: %q, want %q", c.out, got, c.want)
			}

			if got := blob(t, r, tree, "other"); got != "o\n" {
				t.Errorf("the other file is %q", got)
			}

			if got := git(t, dir, "status", "--porcelain"); got != "" {
				t.Errorf("the checkout was touched: %s", got)
			}
		})
	}
}

func blob(t *testing.T, r *source.Repo, tree, path string) string {
	t.Helper()

	b, err := r.FileInTree(t.Context(), tree, path)
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

// Every prefix of a random chain is what was committed, and a change that is
// left out leaves no line of its own, nor takes one.
func TestWeavePrefixes(t *testing.T) {
	testform.SkipQuick(t, "TestWeave has the like with one prefix")
	r := rand.New(rand.NewPCG(5, 5))
	lines := strings.Split("a b c d e f g h", " ")

	texts := []string{strings.Join(lines, "\n") + "\n"}
	for i := range 25 {
		at := r.IntN(len(lines))
		switch r.IntN(3) {
		case 0:
			lines = append(lines[:at:at], append([]string{fmt.Sprint("new", i)}, lines[at:]...)...)
		case 1:
			lines = append(lines[:at:at], append([]string{fmt.Sprint("was", lines[at], i)}, lines[at+1:]...)...)
		default:
			if len(lines) > 3 {
				lines = append(lines[:at:at], lines[at+1:]...)
			}
		}

		texts = append(texts, strings.Join(lines, "\n")+"\n")
	}

	repo, w, _, commits := chain(t, texts)
	for n, want := range texts {
		tree, err := repo.Woven(t.Context(), w, commits[len(commits)-1], func(i int) bool { return i < n })
		if err != nil {
			t.Fatal(err)
		}

		if got := blob(t, repo, tree, "f.txt"); got != want {
			t.Fatalf("the first %d changes give %q, want %q", n, got, want)
		}
	}
}

// A chain that does not hang together is refused, not guessed at.
func TestWeaveOfBrokenChain(t *testing.T) {
	dir := repository(t, map[string]string{"f.txt": "a\n"})
	a := git(t, dir, "rev-parse", "HEAD")
	write(t, dir, "f.txt", "b\n")
	git(t, dir, "commit", "-qam", "b")
	b := git(t, dir, "rev-parse", "HEAD")

	_, err := open(t, dir).Weave(t.Context(), a, []source.Link{{From: b, To: a, Paths: []string{"f.txt"}}})
	if code := research.Describe(err).Code; code != research.CodeConflict {
		t.Errorf("got %v", err)
	}
}

// A fixed commit depends on nothing but what it is given.
func TestFixedCommit(t *testing.T) {
	dir := repository(t, map[string]string{"f.txt": "a\n"})
	r := open(t, dir)
	spec := source.CommitSpec{Tree: git(t, dir, "rev-parse", "HEAD^{tree}"), Message: "m", Fixed: true}

	one, err := r.Commit(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "config", "user.name", "Bob")

	two, err := open(t, dir).Commit(t.Context(), spec)
	if err != nil || one != two {
		t.Errorf("%s, then %s %v", one, two, err)
	}
}
