package meter_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ratchet/sandbox/meter"
)

const mib = 1 << 20

func fill(t *testing.T, path string, bytes int) {
	t.Helper()

	if err := os.WriteFile(path, make([]byte, bytes), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Disk counts what came after New, each file once, and no holes.
func TestDisk(t *testing.T) {
	dir := t.TempDir()
	fill(t, filepath.Join(dir, "before"), 2*mib)
	m := meter.New(meter.Limits{Disk: mib}, nil, []string{dir, filepath.Join(dir, "missing")})

	if used := m.Disk(); used != 0 {
		t.Errorf("%d bytes before anything was written", used)
	}

	fill(t, filepath.Join(dir, "new"), mib)
	os.Link(filepath.Join(dir, "new"), filepath.Join(dir, "again"))
	fill(t, filepath.Join(dir, "hole"), 0)
	os.Truncate(filepath.Join(dir, "hole"), 100*mib)

	if used := m.Disk(); used < mib || used > mib+mib/4 {
		t.Errorf("%d bytes of %d", used, mib)
	}
}

func TestWatchDisk(t *testing.T) {
	dir := t.TempDir()
	m := meter.New(meter.Limits{Disk: mib}, nil, []string{dir})
	begun, gone, exceeded := make(chan struct{}), make(chan struct{}), make(chan string)

	go func() { exceeded <- m.Watch(os.Getpid(), begun, gone) }()

	fill(t, filepath.Join(dir, "big"), 2*mib)
	close(begun)

	if limit := <-exceeded; limit != meter.DiskLimit {
		t.Errorf("it exceeded %q", limit)
	}
}

// A file that has no name any more counts as long as a process has it open.
func TestWatchDeletedFiles(t *testing.T) {
	dir := t.TempDir()

	cmd := exec.Command("/bin/sh", "-c",
		"exec 3>held; rm held; head -c 2097152 /dev/zero >&3; exec sleep 60")
	cmd.Dir = dir

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()

	m := meter.New(meter.Limits{Disk: mib}, nil, []string{dir})
	begun, gone := make(chan struct{}), make(chan struct{})
	close(begun)
	timer := time.AfterFunc(2*time.Minute, func() { close(gone) })
	defer timer.Stop()

	if limit := m.Watch(os.Getpid(), begun, gone); limit != meter.DiskLimit {
		t.Errorf("it exceeded %q", limit)
	}
}

// The end of a run, before or after its beginning, ends the watching.
func TestWatchEnds(t *testing.T) {
	for _, begins := range []bool{false, true} {
		m := meter.New(meter.Limits{Disk: 1 << 40}, nil, []string{t.TempDir()})
		begun, gone := make(chan struct{}), make(chan struct{})

		if begins {
			close(begun)
			time.AfterFunc(5*meter.Interval, func() { close(gone) })
		} else {
			close(gone)
		}

		if limit := m.Watch(os.Getpid(), begun, gone); limit != "" {
			t.Errorf("it exceeded %q", limit)
		}
	}

	if limit := meter.New(meter.Limits{}, nil, nil).Watch(os.Getpid(), nil, nil); limit != "" {
		t.Errorf("without limits it exceeded %q", limit)
	}
}
