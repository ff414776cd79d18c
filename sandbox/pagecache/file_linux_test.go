package pagecache

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"ratchet/internal/testform"

	"golang.org/x/sys/unix"
)

// A file that was dropped is read in again, and one that is in memory stays there.
func TestDropAndReadIn(t *testing.T) {
	dir := t.TempDir()

	path := filepath.Join(dir, "data")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 3<<20+17), 0o600); err != nil {
		t.Fatal(err)
	}

	set := Find([]string{dir})
	set.Flush()
	set.Drop()

	if isWhole(t, path) {
		t.Skip("this file system or kernel drops nothing, or does not say what is in memory")
	}
	set.ReadIn(time.Minute)

	if !isWhole(t, path) {
		t.Error("the file was not read in")
	}
	set.Drop()
	set.ReadIn(0)

	if isWhole(t, path) {
		t.Error("it was read in although there was no time")
	}
}

// What is not in memory is read twice, so that reading it costs what it costs later;
// what is there is read only to settle it.
func TestFilesAreReadTwice(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	const size = 1 << 20
	path := filepath.Join(t.TempDir(), "data")

	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	set := Find([]string{path})

	countReads := func(read func(time.Duration)) int {
		before := testform.BytesRead(t)
		read(time.Minute)

		return (testform.BytesRead(t) - before) / size
	}
	isKept := isWhole(t, path)

	if reads := countReads(set.Settle); reads != 2 {
		t.Errorf("settled by %d reads", reads)
	}

	if reads := countReads(set.ReadIn); reads != 0 && isKept {
		t.Errorf("read %d times though it is in memory", reads)
	}

	set.Flush()
	set.Drop()
	isDropped := !isWhole(t, path)

	if reads := countReads(set.ReadIn); reads != 2 && isDropped {
		t.Errorf("read in by %d reads", reads)
	}
}

func isWhole(t *testing.T, path string) bool {
	t.Helper()

	opened, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()

	info, err := opened.Stat()
	if err != nil {
		t.Fatal(err)
	}

	var stat unix.Cachestat_t
	if unix.Cachestat(uint(opened.Fd()), &unix.CachestatRange{Len: 1}, &stat, 0) != nil {
		t.Skip("the kernel does not say what is in memory")
	}

	return isInMemory(int(opened.Fd()), info.Size())
}

// Nothing but regular files is opened: no FIFO, which would block, and no link.
func TestNothingElseIsOpened(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"fifo", "a/fifo"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}

		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.Symlink("/proc/kmsg", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}

	set := Find([]string{dir, filepath.Join(dir, "missing"), filepath.Join(dir, "a/fifo")})
	if len(set.files) != 1 || set.Left != 0 {
		t.Fatalf("%+v", set)
	}

	// What was a file may be a FIFO by the time it is opened.
	set.files = append(set.files, file{filepath.Join(dir, "fifo"), 1 << 20}, file{filepath.Join(dir, "link"), 1 << 20})
	set.ReadIn(time.Minute)
	set.Flush()
	set.Drop()
}
