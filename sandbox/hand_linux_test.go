package sandbox_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ratchet/sandbox"
	"ratchet/sandbox/layers"
)

// TestHandOver hands what a run left to another, seen as the other's layers merge.
func TestHandOver(t *testing.T) {
	t.Parallel()

	base := t.TempDir()
	left, tree := filepath.Join(base, "left"), filepath.Join(base, "tree")

	for file, text := range map[string]string{
		left + "/out.txt": "left", left + "/new.py": "left", left + "/data/a": "left", left + "/data/sub/b": "left",
		left + "/changed": "left", left + "/deep/r/x": "left", left + "/deep/r.py": "left",
		tree + "/data/old": "tree", tree + "/changed": "tree", tree + "/gone": "tree", tree + "/deep/kept": "tree",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}

	if err := layers.MakeWhiteout(filepath.Join(left, "gone")); err != nil {
		t.Skip(err)
	}

	handOver := func(refuse func(string, string) string, paths ...string) ([]string, string) {
		made, why, err := sandbox.HandOver(sandbox.Handover{Paths: paths, From: []string{left, tree},
			To: []string{tree}, Dir: t.TempDir(), Refuse: refuse})
		if err != nil {
			t.Fatal(err)
		}

		return made, why
	}

	made, why := handOver(nil, "out.txt", "data", "gone", "deep/r", "missing/x")
	if why != "" {
		t.Fatal(why)
	}

	seen := t.TempDir()
	if err := layers.CopyStack(append(made, tree), seen); err != nil {
		t.Fatal(err)
	}

	var list []string

	err := filepath.WalkDir(seen, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			text, _ := os.ReadFile(path)
			list = append(list, strings.TrimPrefix(path, seen+"/")+"="+string(text))
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if want := []string{"changed=tree", "data/a=left", "data/old=tree", "data/sub/b=left", "deep/kept=tree",
		"deep/r/x=left", "out.txt=left"}; !slices.Equal(list, want) {
		t.Errorf("seen: %v, want %v", list, want)
	}

	refuse := func(file, at string) string {
		if file == "data/sub/b" && at == left+"/data/sub/b" {
			return "no " + file
		}

		return ""
	}
	if _, why := handOver(refuse, "data"); why != "no data/sub/b" {
		t.Errorf("what is refused: %q", why)
	}

	// Links: where each may lead.
	for target, want := range map[string]string{
		"a": "", "sub/b": "", "./a": "", "../data/a": "", "..": "data/link is a link",
		"../out.txt": "data/link is a link", "/etc/hostname": "data/link is a link",
		"sub/../../out.txt": "data/link is a link", "sub/../a": "data/link is a link",
	} {
		link := filepath.Join(left, "data", "link")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}

		if _, why := handOver(nil, "data"); !strings.HasPrefix(why, want) || (want == "") != (why == "") {
			t.Errorf("a link to %s: %q, want %q", target, why, want)
		}

		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
}
