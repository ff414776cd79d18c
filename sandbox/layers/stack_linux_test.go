package layers_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/sandbox/layers"
)

// stack is three layers, topmost first, with everything that overlayfs knows:
//
//	top     file, gone (whiteout), dir/new, opaque/only (opaque), was-dir (a file)
//	middle  dir/middle, dir/both, opaque/hidden
//	bottom  file, gone, dir/both, dir/bottom, was-dir/x
func stack(t *testing.T) []string {
	t.Helper()
	base := t.TempDir()
	top, middle, bottom := filepath.Join(base, "top"), filepath.Join(base, "middle"), filepath.Join(base, "bottom")
	write(t, top, map[string]string{"file": "top", "dir/new": "top", "opaque/only": "top", "was-dir": "top"})
	write(t, middle, map[string]string{"dir/middle": "middle", "dir/both": "middle", "opaque/hidden": "middle"})
	write(t, bottom, map[string]string{"file": "bottom", "gone": "bottom", "dir/both": "bottom",
		"dir/bottom": "bottom", "was-dir/x": "bottom"})

	if err := layers.MakeWhiteout(filepath.Join(top, "gone")); err != nil {
		t.Skip(err)
	}

	makeOpaque(t, filepath.Join(top, "opaque"))
	os.Chmod(filepath.Join(top, "dir"), 0o700)

	return []string{top, middle, bottom}
}

// listTree lists what lies below dir: folders with a slash, files with their content.
func listTree(t *testing.T, dir string) string {
	t.Helper()

	var list []string

	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)

		switch {
		case err != nil || path == dir:
			return err
		case e.IsDir():
			list = append(list, rel+"/")
		default:
			list = append(list, rel+"="+read(t, path))
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return strings.Join(list, " ")
}

func TestCopyStack(t *testing.T) {
	dst := t.TempDir()
	if err := layers.CopyStack(stack(t), dst); err != nil {
		t.Fatal(err)
	}

	const want = "dir/ dir/both=middle dir/bottom=bottom dir/middle=middle dir/new=top file=top" +
		" opaque/ opaque/only=top was-dir=top"
	if got := listTree(t, dst); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	if fi, err := os.Stat(filepath.Join(dst, "dir")); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("a merged folder has the mode %v of its lowest layer, %v", fi.Mode(), err)
	}
}

// The topmost layer as an upper folder on the two others.
func TestListChanges(t *testing.T) {
	dirs := stack(t)
	write(t, dirs[0], map[string]string{"dir/both": "middle"}) // the same content

	changes, err := layers.ListChanges(t.Context(), dirs[0], dirs[1:])
	if err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s %s", c.Path, c.Kind))
	}

	const want = "dir dir, dir/both restored, dir/new written, file written, gone deleted," +
		" opaque/hidden deleted, opaque/only written, was-dir written, was-dir/x deleted"
	if list := strings.Join(got, ", "); list != want {
		t.Errorf("got  %s\nwant %s", list, want)
	}
}

func TestListChangesOfLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		change func(lower, upper string) error
		want   string
	}{
		"same link":  {func(_, upper string) error { return os.Symlink("a", upper+"/link") }, "[{link restored}]"},
		"other link": {func(_, upper string) error { return os.Symlink("b", upper+"/link") }, "[{link written}]"},
		"same file": {func(_, upper string) error { return os.WriteFile(upper+"/a", []byte("aaa"), 0o644) },
			"[{a restored}]"},
		"same length": {func(_, upper string) error { return os.WriteFile(upper+"/a", []byte("aab"), 0o644) },
			"[{a written}]"},
		"other mode": {func(_, upper string) error { return os.WriteFile(upper+"/a", []byte("aaa"), 0o600) },
			"[{a written}]"},
		"new folder":  {func(_, upper string) error { return os.Mkdir(upper+"/new", 0o755) }, "[{new dir}]"},
		"hidden name": {func(_, upper string) error { return layers.MakeWhiteout(upper + "/nothing") }, "[]"},
	} {
		base := t.TempDir()
		lower, upper := base+"/lower", base+"/upper"
		write(t, lower, map[string]string{"a": "aaa"})
		os.Symlink("a", lower+"/link")

		if err := layers.MakeUpper(upper, base+"/work", []string{lower}); err != nil {
			t.Fatal(err)
		}

		if err := c.change(lower, upper); err != nil {
			t.Fatal(name, err)
		}

		changes, err := layers.ListChanges(t.Context(), upper, []string{lower})
		if got := fmt.Sprint(changes); got != c.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

// The upper folder has the mode of what it covers.
func TestMakeUpper(t *testing.T) {
	base := t.TempDir()
	lower, upper := filepath.Join(base, "lower"), filepath.Join(base, "a/upper")
	os.Mkdir(lower, 0o711)

	if err := layers.MakeUpper(upper, filepath.Join(base, "work"), []string{lower}); err != nil {
		t.Fatal(err)
	}

	if fi, err := os.Stat(upper); err != nil || fi.Mode().Perm() != 0o711 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}

	if err := layers.MakeUpper(upper, "", []string{filepath.Join(base, "missing")}); err == nil {
		t.Error("a layer that does not exist was taken")
	}
}
