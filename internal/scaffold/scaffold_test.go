package scaffold_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"ratchet/internal/scaffold"
)

// TestProposalsOfTrees holds what is found in a tree, or translated, against the
// goldens that the command is held against too. Those with flags are the command's.
func TestProposalsOfTrees(t *testing.T) {
	cases, err := filepath.Glob("../../cmd/ratchet/testdata/init/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}

	for _, file := range cases {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}

			var request scaffold.Request

			for line := range strings.Lines(string(a.Comment)) {
				if strings.HasPrefix(line, "flags:") {
					t.Skip("it has flags")
				}

				if from, ok := strings.CutPrefix(line, "from:"); ok {
					request.From = strings.TrimSpace(from)
				}
			}
			dir, want := writeTree(t, name, a)

			all, render, err := request.Propose(dir)
			if err != nil {
				t.Fatal(err)
			}

			got, _, err := render(all[0], "", name)
			if err != nil {
				t.Fatal(err)
			}

			if d := cmp.Diff(want, string(got)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// writeTree writes the files below tree/ and returns their folder and the golden program.md.
func writeTree(t *testing.T, name string, a *txtar.Archive) (dir, golden string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name)

	for _, f := range a.Files {
		if f.Name == "golden/program.md" {
			golden = string(f.Data)
		}

		rel, ok := strings.CutPrefix(f.Name, "tree/")
		if !ok {
			continue
		}

		path, mode := filepath.Join(dir, filepath.FromSlash(rel)), os.FileMode(0o644)
		if strings.HasPrefix(string(f.Data), "#!") {
			mode = 0o755
		}

		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(path, f.Data, mode); err != nil {
			t.Fatal(err)
		}
	}

	return dir, golden
}
