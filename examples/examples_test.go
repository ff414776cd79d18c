//go:build unix

package examples_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/examples"
	"ratchet/internal/research/contract"
	"ratchet/internal/testform"
)

// load returns an example, or skips the test where its programs are missing.
func load(t *testing.T, name string) *examples.Example {
	t.Helper()

	x, err := examples.Load(name)
	if err != nil {
		t.Fatal(err)
	}

	for _, program := range x.Needs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the example %s needs %s, which is not on the PATH", name, program)
		}
	}

	return x
}

func write(t *testing.T, x *examples.Example) string {
	t.Helper()

	dir := t.TempDir()
	if err := x.Write(dir); err != nil {
		t.Fatal(err)
	}

	return dir
}

// sh runs a command line in dir for at most limit.
func sh(t *testing.T, dir, line string, limit time.Duration) (string, error) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", line)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the deadline ends what the shell started, too
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	out, err := c.CombinedOutput()

	return string(out), err
}

func TestEveryExampleIsComplete(t *testing.T) {
	for _, name := range examples.Names() {
		x, err := examples.Load(name)
		if err != nil {
			t.Fatal(err)
		}

		dir := write(t, x)
		for _, file := range []string{"README.md", "program.md", ".gitignore"} {
			if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}

		for _, file := range []string{"edits", "out", "bench", "__pycache__"} {
			if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
				t.Errorf("%s: %s lies in the repository; it is not a part of it", name, file)
			}
		}

		if x.About == "" || len(x.Needs) == 0 || len(x.Edits) == 0 {
			t.Errorf("%s: about %q, needs %q, %d edits", name, x.About, x.Needs, len(x.Edits))
		}

		if err := x.Write(dir); err == nil {
			t.Errorf("%s: written twice over the same files without a word", name)
		}
	}

	if _, err := examples.Load("none"); err == nil {
		t.Error("an unknown example loads")
	}
}

func TestProgramsParse(t *testing.T) {
	want := map[string]string{"wordfreq": "cpu", "artifact-size": "output", "tiny-lm": "output"}

	for _, name := range examples.Names() {
		x, _ := examples.Load(name)
		dir := write(t, x)

		text, err := os.ReadFile(filepath.Join(dir, "program.md"))
		if err != nil {
			t.Fatal(err)
		}

		doc, err := contract.ParseProgram(text, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}

		if got := doc.Program.Metric.From.Kind; got != want[name] || doc.Program.Name != name {
			t.Errorf("%s: parsed as %q with the metric from %q", name, doc.Program.Name, got)
		}

		if _, err := os.Stat(filepath.Join(dir, doc.Program.Edit[0])); err != nil {
			t.Errorf("%s: the file to edit: %v", name, err)
		}
	}
}

// TestEdits plays every script on the real programs, keeping what is expected
// to be improved, and looks at what each edit does as far as a machine's speed
// has no say in it. With -short only what is kept is run; the rest must apply.
func TestEdits(t *testing.T) {
	testform.SkipQuick(t, "cmd/ratchet: TestFieldCampaign and the stories play edits; these are the examples'")

	lines := map[string]string{
		"wordfreq":      "go build -buildvcs=false -o bench . && ./bench",
		"artifact-size": "sh build.sh && sh check.sh && sh size.sh",
		"tiny-lm":       "python3 -B train.py",
	}

	for _, name := range examples.Names() {
		t.Run(name, func(t *testing.T) {
			x := load(t, name)

			dir := write(t, x)
			if out, err := sh(t, dir, lines[name], time.Minute); err != nil {
				t.Fatalf("the start version fails: %v\n%s", err, out)
			}

			for _, e := range x.Edits {
				if e.Again {
					continue // the edit before it was played
				}
				play(t, dir, lines[name], e)
			}
		})
	}
}

func play(t *testing.T, dir, line string, e examples.Edit) {
	t.Helper()

	before := map[string][]byte{}
	for _, file := range e.Files() {
		before[file], _ = os.ReadFile(filepath.Join(dir, file))
	}

	if err := e.Apply(dir); err != nil {
		t.Fatal(err)
	}

	improved := slices.Contains(e.Outcome, "improved")
	if improved || !testing.Short() {
		out, err := sh(t, dir, line, limitOf(e))
		if strings.Contains(out, "# wordfreq") {
			t.Errorf("%s does not compile:\n%s", e.Name, out)
		}

		if failed := err != nil; failed != slices.Contains(e.Outcome, "invalid") {
			t.Errorf("%s is to end %v, and the program says %v\n%s", e.Name, e.Outcome, err, out)
		}
	}

	if improved {
		return
	}

	for file, content := range before {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// limitOf is short for the edit that is meant to hang.
func limitOf(e examples.Edit) time.Duration {
	if strings.Contains(e.Lesson, "deadline") {
		return 3 * time.Second
	}

	return 5 * time.Minute
}

func TestTheDemoShowsEveryAnswer(t *testing.T) {
	x, err := examples.Load("wordfreq")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	again := 0

	for i, e := range x.Edits {
		got[e.Outcome[0]]++
		if e.Again {
			again++

			if diff := cmp.Diff(x.Edits[i-1].Hunks, e.Hunks); diff != "" {
				t.Errorf("%s is not the edit before it: %s", e.Name, diff)
			}
		}
	}

	want := map[string]int{"improved": 4, "invalid": 3, "out_of_scope": 2, "already_judged": 1,
		"contract_changed": 1, "regressed": 1, "inconclusive": 3, "equivalent": 1}
	if diff := cmp.Diff(want, got); diff != "" || again != 1 {
		t.Errorf("outcomes (-want +got), %d again:\n%s", again, diff)
	}
}

func TestArtifactSizeIsDeterministicAndFollowsTheScript(t *testing.T) {
	x := load(t, "artifact-size")
	dir := write(t, x)
	size := func() int {
		t.Helper()

		out, err := sh(t, dir, "sh build.sh && sh size.sh", time.Minute)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}

		n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(out), "METRIC bytes="))
		if err != nil {
			t.Fatal(err)
		}

		return n
	}

	best := size()
	if again := size(); again != best {
		t.Fatalf("two builds of the same sources have %d and %d bytes", best, again)
	}

	for _, e := range x.Edits {
		script, _ := os.ReadFile(filepath.Join(dir, "build.sh"))
		if err := e.Apply(dir); err != nil {
			t.Fatal(err)
		}
		got := size()

		verdict := "equivalent"
		if got < best {
			verdict = "improved"
		} else if got > best {
			verdict = "regressed"
		}

		if verdict != e.Outcome[0] && e.Outcome[0] != "invalid" {
			t.Errorf("%s: %d → %d bytes is %s, want %v", e.Name, best, got, verdict, e.Outcome)
		}

		if e.Outcome[0] == "improved" {
			best = got
		} else if err := os.WriteFile(filepath.Join(dir, "build.sh"), script, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWordfreqTextIsAMegabyteAndFrozen(t *testing.T) {
	testform.SkipQuick(t, "it is about the example, and nothing of Ratchet takes part")
	x := load(t, "wordfreq")
	dir := write(t, x)

	first, err := sh(t, dir, "go build -buildvcs=false -o bench . && ./bench", time.Minute)
	if err != nil {
		t.Fatalf("%v\n%s", err, first)
	}
	second, _ := sh(t, dir, "./bench", time.Minute)

	var rounds, size int
	if _, err := fmt.Sscanf(first, "%d rounds over %d bytes", &rounds, &size); err != nil || size < 1<<20 {
		t.Errorf("%q: %v", first, err)
	}

	if first != second {
		t.Errorf("two runs say %q and %q", first, second)
	}
}

func TestTinyLMIsNoisyAndLearns(t *testing.T) {
	testform.SkipQuick(t, "it trains an example, and nothing of Ratchet takes part")

	x := load(t, "tiny-lm")
	dir := write(t, x)
	bits := func() (string, float64) {
		out, err := sh(t, dir, "python3 -B train.py", time.Minute)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}

		v, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(out), "METRIC val_bpb="), 64)
		if err != nil {
			t.Fatal(err)
		}

		return out, v
	}

	first, start := bits()
	if second, _ := bits(); first == second {
		t.Errorf("two runs agree to the last digit: %s", first)
	}

	for _, e := range x.Edits {
		if e.Outcome[0] == "improved" {
			if err := e.Apply(dir); err != nil {
				t.Fatal(err)
			}

			_, now := bits()
			if now > .95*start {
				t.Errorf("%s: %.4f → %.4f bits is no clear gain", e.Name, start, now)
			}
			start = now
		}
	}
}

func TestParseEdit(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"no outcome", "hypothesis: x\n\n@@ f\n+a\n", "needs a hypothesis and an outcome"},
		{"unknown key", "hypothesis: x\nresult: y\n\n", `unknown key "result"`},
		{"no file", "hypothesis: x\noutcome: improved\n\n+a\n", "before the first @@"},
		{"bad line", "hypothesis: x\noutcome: improved\n\n@@ f\nabc\n", "begins with none of"},
	} {
		if _, err := examples.ParseEdit(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}

	e, err := examples.ParseEdit("hypothesis: x\noutcome: improved\n\n@@ f\n a\n\n-b\n+c\n")
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]examples.Hunk{{File: "f", Old: "a\n\nb\n", New: "a\n\nc\n"}}, e.Hunks); diff != "" {
		t.Error(diff)
	}
}

func TestApplyRefusesAnUnclearPlace(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")

	twice := []byte("a\nb\na\n")
	if err := os.WriteFile(name, twice, 0o644); err != nil {
		t.Fatal(err)
	}

	for _, old := range []string{"a\n", "c\n", ""} {
		e := examples.Edit{Name: "x", Hunks: []examples.Hunk{{File: "f", Old: old, New: "z\n"}}}
		if err := e.Apply(dir); !errors.Is(err, examples.ErrNoPlace) {
			t.Errorf("%q: %v", old, err)
		}
	}

	if got, _ := os.ReadFile(name); !bytes.Equal(got, twice) {
		t.Errorf("a refused edit changed the file to %q", got)
	}
}
