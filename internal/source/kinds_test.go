package source_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// kind is one sort of repository that Ratchet meets.
type kind struct {
	name  string
	build func(t *testing.T) site
}

// site is a built repository: where its checkout is, the edited file, and what
// the agent writes there.
type site struct {
	dir  string
	path string
	edit string
	exec bool // the edit also sets the exec bit
}

// lines are long enough for git to see what is text.
func lines(eol string, all ...string) string { return strings.Join(all, eol) + eol }

func configured(t *testing.T, dir string, pairs ...string) {
	t.Helper()

	for i := 0; i < len(pairs); i += 2 {
		git(t, dir, "config", pairs[i], pairs[i+1])
	}
}

var before, after = lines("\n", "a = 1", "b = 2"), lines("\n", "a = 1", "b = 3", "c = 4")

// variants are the kinds of which another one has most; -short leaves them out.
var variants = map[string]bool{
	"core.autocrlf over committed CRLF": true, "CRLF without attributes": true,
	"linked worktree of a bare repository": true, "inside a submodule": true, "packed, index version 4": true,
	"objects borrowed from another repository": true, "worktreeConfig": true, "git directory elsewhere": true,
	"assume-unchanged": true,
}

// quickKinds are those of the quick form.
var quickKinds = map[string]bool{
	"names that need quoting": true, "clean and smudge filter that isn't idempotent": true, "linked worktree": true,
}

var kinds = []kind{
	{"plain", func(t *testing.T) site {
		return site{dir: repository(t, map[string]string{"train.py": before, "other.txt": "x\n"}), path: "train.py",
			edit: after}
	}},
	{"deep path beside links", func(t *testing.T) site {
		dir := repository(t, map[string]string{"a/b/c/train.py": before, "a/b/other": "x\n", "a-b": "y\n",
			"a.txt": "z\n"})
		if err := os.Symlink("a.txt", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		commitFiles(t, dir, nil)

		return site{dir: dir, path: "a/b/c/train.py", edit: after}
	}},
	{"names that need quoting", func(t *testing.T) site {
		path := "dé \"q\"/li\nne'\\ [x]*?.py"
		return site{dir: repository(t, map[string]string{path: before, "dé \"q\"/li": "x\n"}), path: path, edit: after}
	}},
	{"core.autocrlf", func(t *testing.T) site {
		dir := repository(t, map[string]string{"train.py": before})
		configured(t, dir, "core.autocrlf", "true")
		os.Remove(filepath.Join(dir, "train.py"))
		git(t, dir, "checkout", "-q", "--", "train.py")

		return site{dir: dir, path: "train.py", edit: strings.ReplaceAll(after, "\n", "\r\n")}
	}},
	{"core.autocrlf over committed CRLF", func(t *testing.T) site {
		dir := repository(t, map[string]string{"train.py": strings.ReplaceAll(before, "\n", "\r\n")})
		configured(t, dir, "core.autocrlf", "true")

		return site{dir: dir, path: "train.py", edit: strings.ReplaceAll(after, "\n", "\r\n")}
	}},
	{"CRLF without attributes", func(t *testing.T) site {
		return site{dir: repository(t, map[string]string{"train.py": strings.ReplaceAll(before, "\n", "\r\n")}),
			path: "train.py", edit: strings.ReplaceAll(after, "\n", "\r\n")}
	}},
	{"eol=crlf below a folder", func(t *testing.T) site {
		dir := repository(t, map[string]string{"sub/.gitattributes": "*.py text eol=crlf\n",
			"sub/deep/train.py": before})
		os.Remove(filepath.Join(dir, "sub/deep/train.py"))
		git(t, dir, "checkout", "-q", "--", ".")

		return site{dir: dir, path: "sub/deep/train.py", edit: strings.ReplaceAll(after, "\n", "\r\n")}
	}},
	{"working-tree-encoding", func(t *testing.T) site {
		utf := func(s string) string {
			out := []byte{}
			for _, u := range utf16.Encode([]rune(s)) {
				out = append(out, byte(u), byte(u>>8))
			}

			return string(out)
		}
		dir := repository(t, map[string]string{".gitattributes": "*.py text working-tree-encoding=UTF-16LE eol=lf\n",
			"train.py": utf(before)})

		return site{dir: dir, path: "train.py", edit: utf(after)}
	}},
	{"clean and smudge filter that isn't idempotent", func(t *testing.T) site {
		dir := t.TempDir()
		git(t, dir, "init", "-q")
		configured(t, dir, "filter.rot.clean", "tr a-z b-za", "filter.rot.smudge", "tr b-za a-z", "filter.rot.required",
			"true")
		commitFiles(t, dir, map[string]string{".gitattributes": "*.py filter=rot\n", "train.py": before})

		return site{dir: dir, path: "train.py", edit: after}
	}},
	{"pointer filter", pointerFilter},
	{"exec bit set by the edit", func(t *testing.T) site {
		return site{dir: repository(t, map[string]string{"run.sh": before}), path: "run.sh", edit: after, exec: true}
	}},
	{"core.fileMode=false", func(t *testing.T) site {
		dir := repository(t, map[string]string{"run.sh": before})
		configured(t, dir, "core.fileMode", "false")
		git(t, dir, "update-index", "--chmod=+x", "run.sh")
		git(t, dir, "commit", "-qm", "exec")

		return site{dir: dir, path: "run.sh", edit: after}
	}},
	{"linked worktree", func(t *testing.T) site {
		main := repository(t, map[string]string{"sub/train.py": before})
		dir := filepath.Join(t.TempDir(), "linked")
		git(t, main, "worktree", "add", "-q", "-b", "side", dir)

		return site{dir: dir, path: "sub/train.py", edit: after}
	}},
	{"linked worktree of a bare repository", func(t *testing.T) site {
		bare := filepath.Join(t.TempDir(), "bare.git")
		git(t, t.TempDir(), "clone", "-q", "--bare", repository(t, map[string]string{"train.py": before}), bare)
		dir := filepath.Join(t.TempDir(), "linked")
		git(t, bare, "worktree", "add", "-q", "-b", "side", dir)

		return site{dir: dir, path: "train.py", edit: after}
	}},
	{"submodule", func(t *testing.T) site {
		inner := repository(t, map[string]string{"lib.py": "x\n"})
		dir := repository(t, map[string]string{"train.py": before})
		git(t, dir, "submodule", "--quiet", "add", inner, "lib")
		git(t, dir, "commit", "-qm", "submodule")
		write(t, dir, "lib/lib.py", "dirty content inside is not a change\n")

		return site{dir: dir, path: "train.py", edit: after}
	}},
	{"inside a submodule", func(t *testing.T) site {
		inner := repository(t, map[string]string{"lib.py": before})
		dir := repository(t, map[string]string{"train.py": before})
		git(t, dir, "submodule", "--quiet", "add", inner, "lib")
		git(t, filepath.Join(dir, "lib"), "checkout", "-q", "-B", "main")

		return site{dir: filepath.Join(dir, "lib"), path: "lib.py", edit: after}
	}},
	{"sparse checkout", func(t *testing.T) site {
		dir := repository(t, map[string]string{"in/train.py": before, "out/x": "x\n", "out/deep/y": "y\n",
			".gitattributes": "*.py text\n"})
		git(t, dir, "sparse-checkout", "set", "--cone", "--sparse-index", "in")

		return site{dir: dir, path: "in/train.py", edit: after}
	}},
	{"assume-unchanged", func(t *testing.T) site {
		dir := repository(t, map[string]string{"train.py": before, "local.cfg": "x\n"})
		git(t, dir, "update-index", "--assume-unchanged", "local.cfg")
		write(t, dir, "local.cfg", "mine\n")

		return site{dir: dir, path: "train.py", edit: after}
	}},
	{"split index", func(t *testing.T) site {
		dir := repository(t, map[string]string{"train.py": before, "x": "x\n"})
		configured(t, dir, "core.splitIndex", "true")
		git(t, dir, "update-index", "--split-index")

		return site{dir: dir, path: "train.py", edit: after}
	}},
	{"packed, index version 4", func(t *testing.T) site {
		dir := repository(t, map[string]string{"a/train.py": before, "b/x": "x\n"})
		git(t, dir, "gc", "-q")
		git(t, dir, "update-index", "--index-version", "4")

		return site{dir: dir, path: "a/train.py", edit: after}
	}},
	{"objects borrowed from another repository", func(t *testing.T) site {
		dir := filepath.Join(t.TempDir(), "shared")
		git(t, t.TempDir(), "clone", "-q", "--shared", repository(t, map[string]string{"a/train.py": before}), dir)

		return site{dir: dir, path: "a/train.py", edit: after}
	}},
	{"worktreeConfig", func(t *testing.T) site {
		dir := repository(t, map[string]string{"train.py": before})
		configured(t, dir, "extensions.worktreeConfig", "true")
		git(t, dir, "config", "--worktree", "core.autocrlf", "true")
		os.Remove(filepath.Join(dir, "train.py"))
		git(t, dir, "checkout", "-q", "--", "train.py")

		return site{dir: dir, path: "train.py", edit: strings.ReplaceAll(after, "\n", "\r\n")}
	}},
	{"git directory elsewhere", func(t *testing.T) site {
		dir, gitDir := t.TempDir(), filepath.Join(t.TempDir(), "store.git")
		git(t, dir, "init", "-q", "--separate-git-dir", gitDir)
		commitFiles(t, dir, map[string]string{"train.py": before})

		return site{dir: dir, path: "train.py", edit: after}
	}},
}

// pointerFilter stores a file as a pointer to a blob beside the repository, as
// large file storages do.
func pointerFilter(t *testing.T) site {
	dir, store := t.TempDir(), t.TempDir()
	git(t, dir, "init", "-q")
	clean := "f='" + store + "'/$$; cat >$f; h=$(git hash-object --no-filters $f); mv $f '" + store +
		"'/$h; echo pointer $h"
	smudge := "read p h; cat '" + store + "'/$h"
	configured(t, dir, "filter.big.clean", clean, "filter.big.smudge", smudge, "filter.big.required", "true")
	commitFiles(t, dir, map[string]string{".gitattributes": "*.bin filter=big -text\n",
		"m/model.bin": hex.Dump([]byte(before))})

	return site{dir: dir, path: "m/model.bin", edit: hex.Dump([]byte(after))}
}
