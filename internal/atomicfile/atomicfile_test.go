package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"ratchet/internal/atomicfile"
)

func requireContent(t *testing.T, path, want string) {
	t.Helper()

	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	if string(got) != want {
		t.Errorf("%s holds %q, want %q", filepath.Base(path), got, want)
	}
}

func requireOnly(t *testing.T, dir string, names ...string) {
	t.Helper()

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}

	if len(entries) != len(names) {
		t.Fatalf("the folder has %v, want %v", entries, names)
	}

	for i, e := range entries {
		if e.Name() != names[i] {
			t.Errorf("the folder has %s, want %s", e.Name(), names[i])
		}
	}
}

func TestWriteReplacesAndLeavesNothing(t *testing.T) {
	for _, d := range []atomicfile.Durability{atomicfile.Durable, atomicfile.ContentFirst, atomicfile.ProcessOnly} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")

		for _, content := range []string{"old and long", "new", ""} {
			if err := atomicfile.Write(path, []byte(content), atomicfile.Options{Durability: d}); err != nil {
				t.Fatal(err)
			}
			requireContent(t, path, content)
		}
		requireOnly(t, dir, "file")
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}

	for name, c := range map[string]struct {
		options atomicfile.Options
		want    fs.FileMode
	}{
		"private":   {atomicfile.Options{Perm: 0o600}, 0o600},
		"exact":     {atomicfile.Options{Perm: 0o600, Mode: 0o666}, 0o666},
		"read-only": {atomicfile.Options{Mode: 0o444}, 0o444},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
				t.Fatal(err)
			}

			if err := atomicfile.Write(path, []byte("new"), c.options); err != nil {
				t.Fatal(err)
			}

			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}

			if info.Mode().Perm() != c.want {
				t.Errorf("mode %v, want %v", info.Mode().Perm(), c.want)
			}
		})
	}
}

func TestDiscardKeepsTheOldContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, flush := range []bool{false, true} {
		f, err := atomicfile.Create(path, atomicfile.Options{})
		if err != nil {
			t.Fatal(err)
		}

		if _, err := f.WriteString("half of"); err != nil {
			t.Fatal(err)
		}

		if flush {
			if err := f.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		requireContent(t, path, "old")
		f.Discard()
		f.Discard()
		requireContent(t, path, "old")
		requireOnly(t, dir, "file")
	}
}

func TestNamedTemporaryFileExcludes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	options := atomicfile.Options{Temp: path + ".new"}

	first, err := atomicfile.Create(path, options)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Discard()

	if _, err := atomicfile.Create(path, options); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second writer got %v, want that the file exists", err)
	}

	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}

	if err := atomicfile.Write(path, []byte("second"), options); err != nil {
		t.Errorf("after the first was done: %v", err)
	}
	requireContent(t, path, "second")
	requireOnly(t, dir, "file")
}

func TestFailureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(target, "full"), 0o777); err != nil {
		t.Fatal(err)
	}

	if err := atomicfile.Write(target, []byte("x"), atomicfile.Options{}); err == nil {
		t.Error("a folder was replaced by a file")
	}
	requireOnly(t, dir, "folder")

	if err := atomicfile.Write(filepath.Join(dir, "none", "file"), nil, atomicfile.Options{}); !errors.Is(err,
		fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}

	if err := atomicfile.SyncDir(filepath.Join(dir, "none")); runtime.GOOS != "windows" && !errors.Is(err,
		fs.ErrNotExist) {
		t.Errorf("the sync of a folder that is not there: %v", err)
	}
}
