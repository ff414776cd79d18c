package worker

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"ratchet/internal/research/contract"
	"ratchet/internal/testform"
	"ratchet/sandbox"

	"golang.org/x/sys/unix"
)

// What runs see is read through at first, and after each command that read from disk: it
// may have dropped a file and read it in again, which looks as before and is slower to read.
func TestFilesAreReadAgainAfterDiskReads(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	const size = 1 << 20
	dir := t.TempDir()

	file, err := os.Create(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	if _, err := file.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}

	var stat unix.Cachestat_t
	if unix.Cachestat(uint(file.Fd()), &unix.CachestatRange{}, &stat, 0) != nil {
		t.Skip("the kernel does not say what is in memory")
	}

	visible := visibleFiles{sets: map[string]*visibleSet{}}
	spec := sandbox.Spec{Views: []sandbox.View{{Lower: []string{dir}}}}

	none, some := int64(0), int64(4096)

	for _, step := range []struct {
		name     string
		diskRead *int64
		isCalm   bool // no command ran
		isRead   bool
	}{
		{"at first", nil, true, true},
		{"right after", nil, true, false},
		{"after a command that read nothing from disk", &none, false, false},
		{"after one that did", &some, false, true},
		{"after one whose reads nothing counted", nil, false, true},
	} {
		if !step.isCalm {
			visible.noteCommand(sandbox.Result{DiskRead: step.diskRead})
		}
		before := testform.BytesRead(t)
		visible.prepare(&contract.Program{}, spec)
		read := testform.BytesRead(t) - before

		if isRead := read >= 2*size; isRead != step.isRead {
			t.Errorf("%s: %d bytes were read of %d", step.name, read, size)
		}
	}
}
