package source_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What two sessions changed in different lines goes together; where they
// changed the same ones, or the file is not text, a person must look.
func TestMerge(t *testing.T) {
	const base = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"
	for _, c := range []struct {
		name, base, ours, theirs, want string
		conflict                       bool
	}{
		{name: "different lines", base: base, ours: "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\n",
			theirs: "one\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n", want: "ONE\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n"},
		{name: "the same change", base: base, ours: "x\n", theirs: "x\n", want: "x\n"},
		{name: "only theirs", base: base, ours: base, theirs: "y\n", want: "y\n"},
		{name: "only ours", base: base, ours: "z\n", theirs: base, want: "z\n"},
		{name: "emptied", base: base, ours: base, theirs: "", want: ""},
		{name: "the same lines", base: base, ours: "x\n", theirs: "y\n", conflict: true},
		{name: "binary", base: "a\x00b", ours: "c\x00b", theirs: "a\x00d", conflict: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := repository(t, map[string]string{"f.txt": c.base, "other": "o\n"})
			was := git(t, dir, "rev-parse", "HEAD")[:40]
			commit := func(content string) string {
				git(t, dir, "checkout", "-q", "--detach", was)
				write(t, dir, "f.txt", content)
				git(t, dir, "commit", "-q", "-a", "--allow-empty", "-m", "edit")

				return git(t, dir, "rev-parse", "HEAD")[:40]
			}
			ours, theirs := commit(c.ours), commit(c.theirs)
			r := open(t, dir)

			tree, conflicts, err := r.Merge(t.Context(), was, ours, theirs, []string{"f.txt"})
			if err != nil {
				t.Fatal(err)
			}

			if c.conflict {
				if diff := cmp.Diff([]string{"f.txt"}, conflicts); diff != "" || tree != "" {
					t.Errorf("tree %q, %s", tree, diff)
				}

				return
			}

			if len(conflicts) > 0 {
				t.Fatalf("conflicts: %v", conflicts)
			}

			if got := git(t, dir, "cat-file", "blob", tree+":f.txt"); got != strings.TrimSuffix(c.want, "\n") {
				t.Errorf("merged to %q", got)
			}

			if got := git(t, dir, "cat-file", "blob", tree+":other"); got != "o" {
				t.Errorf("the other file is %q", got)
			}
		})
	}
}
