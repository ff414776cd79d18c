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

// A folder of a module is found to be one by the go.mod above it, up to the repository's root.
func TestDetectBelowAModule(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root, "repo/go.mod", "module x\n")
	writeFile(t, root, "repo/.git", "gitdir: elsewhere\n")
	writeFile(t, root, "repo/sub/a.go", "package sub\n\nfunc Sum() {}\n")
	writeFile(t, root, "repo/sub/a_test.go", "package sub\n\nfunc BenchmarkSum(b *testing.B) { Sum() }\n")
	writeFile(t, root, "go.mod", "module above\n")
	writeFile(t, root, "alone/a_test.go", "package alone\n\nfunc BenchmarkSum(b *testing.B) {}\n")

	all, _, err := scaffold.Request{}.Propose(filepath.Join(root, "repo", "sub"))
	if err != nil || all[0].Use != "BenchmarkSum" || all[0].Edit[0] != "a.go" || all[0].Build != "go test -c -o bench.test ." {
		t.Errorf("%+v, %v", all[0], err)
	}

	if all, _, err = (scaffold.Request{}).Propose(filepath.Join(root, "alone")); err != nil || all[0].Run != "" {
		t.Errorf("outside of a repository: %+v, %v", all[0], err)
	}
}

// Projects below the folder have their commands run there, and their files named from above.
func TestDetectProjectsBelow(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root, "services/api/go.mod", "module api\n")
	writeFile(t, root, "services/api/sum.go", "package api\n\nfunc Sum() {}\n")
	writeFile(t, root, "services/api/sum_test.go", "package api\n\nfunc BenchmarkSum(b *testing.B) { Sum() }\n")

	all, _, err := scaffold.Request{}.Propose(root)
	if err != nil || all[0].Edit[0] != "services/api/sum.go" || all[0].Run[:len("cd services/api && ")] != "cd services/api && " {
		t.Errorf("%+v, %v", all[0], err)
	}
}
