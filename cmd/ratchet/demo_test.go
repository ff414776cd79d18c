package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/examples"
	"ratchet/internal/testform"
)

// The whole script of the deterministic example, by the real binary in an empty home.
func TestDemo(t *testing.T) {
	testform.SkipQuick(t, "make demo plays one, and internal/demo: TestPlayWithRightAnswers")
	t.Parallel()

	x, err := examples.Load("artifact-size")
	if err != nil {
		t.Fatal(err)
	}

	for _, program := range x.Needs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the example needs %s", program)
		}
	}
	home, temp := t.TempDir(), t.TempDir()
	c := exec.CommandContext(t.Context(), ratchet, "demo", "--example", "artifact-size")
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + temp}
	b, err := c.CombinedOutput()

	out := string(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	for want, n := range map[string]int{"improved kept": 3, "equivalent kept": 1, "regressed reverted": 1,
		"invalid invalid": 1, "UNEXPECTED": 0, "ratchet install CLIENT": 1, "\x1b": 0} {
		if got := strings.Count(out, want); got != n {
			t.Errorf("%q occurs %d times, want %d", want, got, n)
		}
	}

	if left, _ := filepath.Glob(filepath.Join(temp, "ratchet-demo-*")); len(left) > 0 {
		t.Errorf("the demo left %q", left)
	}

	if left, _ := os.ReadDir(home); len(left) > 0 {
		t.Errorf("the demo left %v in the home folder", left)
	}

	if t.Failed() {
		t.Log(out)
	}
}

func TestDemoListsTheExamples(t *testing.T) {
	t.Parallel()

	out, err := exec.CommandContext(t.Context(), ratchet, "demo", "--list").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	for _, name := range examples.Names() {
		if !strings.Contains(string(out), name) {
			t.Errorf("%s is not listed:\n%s", name, out)
		}
	}

	c := exec.CommandContext(t.Context(), ratchet, "demo", "--example", "none")
	if b, _ := c.CombinedOutput(); c.ProcessState.ExitCode() != 2 {
		t.Errorf("an unknown example ends with exit code %d: %s", c.ProcessState.ExitCode(), b)
	}
}
