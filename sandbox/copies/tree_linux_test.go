package copies_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ratchet/internal/research"
	"ratchet/sandbox/copies"
	"ratchet/sandbox/layers"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()

	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755),
			os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// fixture is a repository with one view, a second view inside the first and a
// carried folder.
type fixture struct {
	root, layer, upper, copy string
	views                    []copies.View
	binds                    []copies.Bind
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	base := t.TempDir()
	f := fixture{root: base + "/repo", layer: base + "/layer", upper: base + "/upper", copy: base + "/copy"}
	write(t, f.layer, map[string]string{"main.txt": "lower", "sub/a.txt": "a", "sub/b.txt": "b", "gone/c.txt": "c"})
	write(t, base+"/cache-layer", map[string]string{"old": "cached"})
	write(t, base+"/lib", map[string]string{"lib.txt": "carried", "secret/key": "key"})

	if err := errors.Join(os.Mkdir(f.root, 0o755), os.Mkdir(f.copy, 0o755)); err != nil {
		t.Fatal(err)
	}

	f.views = []copies.View{
		{Root: f.root, Lower: []string{f.layer}, Upper: f.upper, Work: base + "/work"},
		{Root: f.root + "/cache", Lower: []string{base + "/cache-layer"}, Upper: base + "/cache-upper"},
	}
	f.binds = []copies.Bind{{From: base + "/lib", To: f.root + "/deep/lib", Omit: []string{"secret"}}}

	return f
}

func (f fixture) make(t *testing.T) *copies.Tree {
	t.Helper()

	tree, err := copies.Make(f.copy, f.views, f.binds)
	if err != nil {
		t.Fatal(err)
	}

	return tree
}

func (f fixture) changes(t *testing.T, view int) string {
	t.Helper()

	changes, err := layers.ListChanges(t.Context(), f.views[view].Upper, f.views[view].Lower)
	if err != nil {
		t.Fatal(err)
	}

	return fmt.Sprint(changes)
}

func TestPlace(t *testing.T) {
	f := newFixture(t)
	tree := f.make(t)
	main, cache := tree.Folders()[0], tree.Folders()[1]

	for path, want := range map[string]string{
		f.root:              main,
		f.root + "/sub/x":   main + "/sub/x",
		f.root + "/cache/x": cache + "/x",
		f.root + "2/sub":    f.root + "2/sub",
		"/usr/bin":          "/usr/bin",
	} {
		if got := tree.Place(path); got != want {
			t.Errorf("%s lies at %s, not %s", path, got, want)
		}
	}

	for variable, want := range map[string]string{
		"HOME=" + f.root + "/sub/":              "HOME=" + main + "/sub",
		"PATH=/bin:" + f.root + "/bin:/usr/bin": "PATH=/bin:" + main + "/bin:/usr/bin",
		"TEXT=see " + f.root:                    "TEXT=see " + f.root,
		"EMPTY=":                                "EMPTY=",
	} {
		if got := tree.PlaceVariable(variable); got != want {
			t.Errorf("%s became %s, not %s", variable, got, want)
		}
	}

	if _, err := os.Lstat(main + "/deep/lib/secret"); err == nil {
		t.Error("what is to be left out was copied")
	}
}

// What was not touched, and what is carried, is not a change.
func TestCollectNothing(t *testing.T) {
	f := newFixture(t)
	tree := f.make(t)
	write(t, tree.Folders()[0], map[string]string{"deep/lib/lib.txt": "rewritten"})

	if err := tree.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := f.changes(t, 0) + f.changes(t, 1); got != "[][]" {
		t.Error(got)
	}

	if left, err := os.ReadDir(f.upper); err != nil || len(left) > 0 {
		t.Errorf("the upper folder has %v, %v", left, err)
	}
}

func TestCollect(t *testing.T) {
	f := newFixture(t)
	tree := f.make(t)
	main, cache := tree.Folders()[0], tree.Folders()[1]

	write(t, main, map[string]string{"sub/a.txt": "A", "new/d.txt": "d"})
	write(t, cache, map[string]string{"fresh": "fresh"})

	if err := errors.Join(os.RemoveAll(main+"/gone"), os.Remove(main+"/sub/b.txt"),
		os.Chmod(main+"/new", 0o500)); err != nil {
		t.Fatal(err)
	}

	if err := tree.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(f.upper+"/new", 0o755)

	const want = "[{gone deleted} {gone/c.txt deleted} {new dir} {new/d.txt written} {sub/a.txt written} {sub/b.txt deleted}]"
	if got := f.changes(t, 0); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	if got := f.changes(t, 1); got != "[{fresh written}]" {
		t.Error(got)
	}

	if fi, err := os.Stat(f.upper + "/new"); err != nil || fi.Mode().Perm() != 0o500 {
		t.Errorf("a new folder has the mode %v, %v", fi.Mode(), err)
	}
}

func TestMakeRefuses(t *testing.T) {
	f := newFixture(t)
	f.binds[0].To = "/somewhere/else"

	_, err := copies.Make(f.copy, f.views, f.binds)
	if err == nil || research.Describe(err).Code != research.CodeUnsupported {
		t.Errorf("a bind outside of every view: %v", err)
	}

	f = newFixture(t)
	f.views[0].Root += "/missing"

	if _, err := copies.Make(f.copy, f.views, nil); err == nil {
		t.Error("a root that does not exist was taken")
	}
}
