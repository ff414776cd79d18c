package layers_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

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

func read(t *testing.T, path ...string) string {
	t.Helper()

	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

// makeOpaque marks a folder as overlayfs in a user namespace does.
func makeOpaque(t *testing.T, dir string) {
	t.Helper()

	if err := syscall.Setxattr(dir, "user.overlay.opaque", []byte("y"), 0); err != nil {
		t.Skipf("this file system keeps no attributes: %v", err)
	}
}

func TestCopy(t *testing.T) {
	base := t.TempDir()
	src, dst := filepath.Join(base, "src"), filepath.Join(base, "dst")
	write(t, src, map[string]string{"a": "a", "dir/b": "b", "closed/c": "c"})
	when := time.Date(2001, 2, 3, 4, 5, 6, 700, time.UTC)
	os.Symlink("dir/b", filepath.Join(src, "link"))
	os.Chmod(filepath.Join(src, "a"), 0o751)
	os.Chtimes(filepath.Join(src, "a"), when, when)
	os.Chtimes(filepath.Join(src, "dir"), when, when)
	os.Chmod(filepath.Join(src, "closed"), 0o555)

	defer os.Chmod(filepath.Join(src, "closed"), 0o755)
	defer os.Chmod(filepath.Join(dst, "closed"), 0o755)

	if err := layers.Copy(src, dst); err != nil {
		t.Fatal(err)
	}

	for _, file := range []string{"a", "dir", "dir/b", "closed", "closed/c", "link"} {
		was, _ := os.Lstat(filepath.Join(src, file))

		is, err := os.Lstat(filepath.Join(dst, file))
		if err != nil || was.Mode() != is.Mode() || !was.ModTime().Equal(is.ModTime()) {
			t.Errorf("%s: %v %v, want %v %v (%v)", file, is.Mode(), is.ModTime(), was.Mode(), was.ModTime(), err)
		}

		if os.SameFile(was, is) {
			t.Errorf("%s is the same file", file)
		}
	}

	if read(t, dst, "link") != "b" || read(t, dst, "closed/c") != "c" {
		t.Error("other content")
	}

	if err := layers.Copy(src, dst); err == nil {
		t.Error("files in the way were overwritten")
	}
}

// A layer stays a layer: its whiteouts and opaque marks are copied, a socket is not.
func TestCopyLayer(t *testing.T) {
	base := t.TempDir()
	src, dst := filepath.Join(base, "src"), filepath.Join(base, "dst")
	write(t, src, map[string]string{"replaced/new": "new"})

	if err := layers.MakeWhiteout(filepath.Join(src, "gone")); err != nil {
		t.Skip(err)
	}

	makeOpaque(t, filepath.Join(src, "replaced"))

	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)

	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(src, "socket")}); err != nil {
		t.Fatal(err)
	}

	if err := layers.Copy(src, dst); err != nil {
		t.Fatal(err)
	}

	lower := filepath.Join(base, "lower")
	write(t, lower, map[string]string{"gone": "gone", "replaced/old": "old", "kept": "kept"})

	names, err := layers.ListNames([]string{dst})
	if err != nil || len(names) != 2 {
		t.Errorf("the copy has %v, %v", names, err)
	}

	if e, err := layers.Lookup([]string{dst, lower}, "gone"); err != nil || e.Info != nil {
		t.Errorf("the whiteout hides nothing: %+v, %v", e, err)
	}

	if e, err := layers.Lookup([]string{dst, lower}, "replaced"); err != nil || len(e.Dirs) != 1 {
		t.Errorf("the opaque folder hides nothing: %+v, %v", e, err)
	}
}
