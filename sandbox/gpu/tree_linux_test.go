package gpu_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"ratchet/sandbox/gpu"
)

// A child and its child are ours, with whatever name; our parent is not; one
// that has ended is nobody's.
func TestTree(t *testing.T) {
	whose := gpu.Tree(os.Getpid())

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	odd := filepath.Join(t.TempDir(), "a) b (c 1")
	if err := os.Symlink(exe, odd); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", `"$0" & echo $!; wait`, odd)

	c.Env = append(os.Environ(), helperVariable+"=sleep")

	out, err := c.StdoutPipe()
	if err := errors.Join(err, c.Start()); err != nil {
		t.Fatal(err)
	}

	var grandchild int
	if _, err := fmt.Fscan(out, &grandchild); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(grandchild, syscall.SIGKILL)

	for pid, want := range map[int]gpu.Owner{
		os.Getpid(): gpu.Ours, c.Process.Pid: gpu.Ours, grandchild: gpu.Ours, os.Getppid(): gpu.Foreign, 1: gpu.Foreign,
		1 << 30: gpu.Unseen,
	} {
		if got := whose(pid); got != want {
			t.Errorf("%d: got %v, want %v", pid, got, want)
		}
	}

	if got := gpu.Tree(c.Process.Pid)(os.Getpid()); got != gpu.Foreign {
		t.Errorf("a parent is its child's: %v", got)
	}
	c.Process.Kill()
	c.Wait()

	if got := whose(c.Process.Pid); got != gpu.Unseen {
		t.Errorf("the dead are %v", got)
	}
}
