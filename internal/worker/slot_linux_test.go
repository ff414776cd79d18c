package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/testform"
	"ratchet/internal/worker"
	"ratchet/sandbox"
)

// A worker that hangs, with the slot in its hand or between two commands of a block, gives
// it back all the same; one that goes on in time keeps it.
func TestSlotIsGivenBack(t *testing.T) {
	testform.SkipQuick(t, "internal/queue has the slot")
	for _, c := range []struct {
		name    string
		longest time.Duration
		hang    func(slot *worker.Slot) // what it does last
	}{
		{"measured for too long", 10 * time.Millisecond, func(*worker.Slot) {}},
		{"between two commands", time.Hour, (*worker.Slot).Pause},
		{"between two commands, again", time.Hour, func(slot *worker.Slot) {
			slot.Pause()

			if err := slot.Hold(time.Hour, nil); err != nil { // it is held: nothing is acquired
				t.Error(err)
			}
			slot.Pause()
		}},
		{"after the last one", time.Hour, (*worker.Slot).Release},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "slot")

			var slot worker.Slot
			err := slot.Hold(c.longest, func() (*sandbox.Lock, error) { return sandbox.AcquireLock(t.Context(), path, 0) })
			if err != nil {
				t.Fatal(err)
			}
			c.hang(&slot)

			other, err := sandbox.AcquireLock(t.Context(), path, time.Millisecond) // ends only when it is given back
			if err != nil {
				t.Fatal(err)
			}
			other.Release()
		})
	}
}

// Of what a run left, only a regular file of its own is read, and nothing is waited for.
func TestReadInLayer(t *testing.T) {
	layer := t.TempDir()
	at := func(name string) string { return filepath.Join(layer, name) }

	outside := filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(outside, []byte("secret"), 0o600),
		os.WriteFile(at("file"), []byte("1"), 0o600),
		os.Symlink("file", at("link")),
		os.Symlink(outside, at("link-out")),
		os.Symlink("/dev/zero", at("link-device")),
		syscall.Mkfifo(at("pipe"), 0o600),
		os.Symlink("pipe", at("link-pipe")),
		os.Symlink("loop", at("loop")),
		os.Mkdir(at("folder"), 0o700),
		os.Truncate(at("file"), 1),
		os.WriteFile(at("huge"), nil, 0o600),
		os.Truncate(at("huge"), 1<<40),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	for name, want := range map[string]string{"file": "1", "link": "1", "link-out": "escapes", "link-device": "escapes",
		"pipe": "a named pipe", "link-pipe": "a named pipe", "loop": "too many", "folder": "a folder",
		"huge": "larger than 16 MiB", "missing": "no such file"} {
		content, err := worker.ReadInLayer(layer, name)

		got := string(content)
		if err != nil {
			got = err.Error()
		}

		if !strings.Contains(got, want) {
			t.Errorf("%s: %.80q, want %q", name, got, want)
		}
	}
}
