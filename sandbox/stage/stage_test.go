//go:build linux

package stage_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/testform"
	"ratchet/sandbox/stage"
)

// The stage is executed for every run. If the packages that are linked beside
// it were initialised first, each run would pay milliseconds for them.
func TestActsBeforeHeavyPackages(t *testing.T) {
	testform.SkipQuick(t, "it builds a binary, and nothing but a start depends on it")
	bin := filepath.Join(t.TempDir(), "heavy")
	if out, err := exec.Command("go", "build", "-o", bin, "./testdata/heavy").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := exec.Command(bin)

	c.Env = append(os.Environ(), "GODEBUG=inittrace=1")

	trace, err := c.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}

	var order []string
	for _, m := range regexp.MustCompile(`(?m)^init (\S+) @`).FindAllSubmatch(trace, -1) {
		order = append(order, string(m[1]))
	}

	stageAt := slices.Index(order, "ratchet/sandbox/stage")
	if stageAt < 0 {
		t.Fatalf("the stage is not initialised: %s", trace)
	}

	for _, heavy := range []string{"reflect", "encoding/json", "net/http", "regexp", "go.yaml.in/yaml/v4"} {
		if i := slices.Index(order, heavy); i < stageAt {
			t.Errorf("%s is initialised at %d, before the stage at %d: has the stage got a new import?", heavy, i,
				stageAt)
		}
	}
	c = exec.Command(bin)

	c.Args[0] = stage.Name
	if out, err := c.CombinedOutput(); c.ProcessState.ExitCode() != 2 || len(out) > 0 {
		t.Errorf("a stage without a caller: %v, %s", err, out)
	}
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports " "}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}

	allowed := "errors io os runtime strconv sync/atomic syscall time unsafe"
	for _, p := range strings.Fields(string(out)) {
		if !slices.Contains(strings.Fields(allowed), p) {
			t.Errorf("the stage imports %s: it must act before heavy packages, so it may only import %s", p, allowed)
		}
	}
}

func TestWire(t *testing.T) {
	plan := &stage.Plan{Namespaces: true, UserXattr: true, Argv: []string{"sh", "-c", "a\nb\x00c"}, Dir: "/ü",
		Env: []string{"A=", ""}, Views: []stage.View{{Root: "/r", Upper: "/u", Work: "/w",
			Lower: []string{"/a:b", "/c,d"}, Inside: -1}},
		Binds: []stage.Bind{{From: "/f", To: "/t", Inside: 3}}, Wall: time.Hour, Grace: -1,
		Loopback: true, NoSocket: true, Confine: true, Root: "/r",
		Links: []stage.Link{{Path: "/bin", Target: "usr/bin"}}, Covers: []stage.Cover{{Path: "/tmp", From: "/f", ReadOnly: true},
			{Path: "/shm", Memory: true, Size: 5}},
		Writable: []string{"/w"}, Readable: []string{"/z"}, Unread: []string{"/x", "/y"}, Cgroup: 9, Wait: true,
		Limits: stage.Limits{FileSize: 1, Tasks: 2, Sample: 3, Memory: 4, Count: 5, CPU: 6}, Children: true}

	got, err := stage.ReadPlan(bytes.NewReader(plan.Encode()))
	if d := cmp.Diff(plan, got); d != "" || err != nil {
		t.Error(err, d)
	}
	m := &stage.Message{Kind: stage.Ended, Pid: 1, Step: "s", Path: "p", Errno: syscall.EPERM, Status: 9, Wall: 1,
		CPU: 2, MaxRSS: 1 << 40, TimedOut: true, Killed: true, Survivors: []int{7, 8}, Exceeded: "memory", MaxTree: 9,
		Ignored: "n", Enforced: []string{"a", "b"}}

	back, err := stage.ReadMessage(bytes.NewReader(m.Encode()))
	if d := cmp.Diff(m, back); d != "" || err != nil {
		t.Error(err, d)
	}

	for n := range len(plan.Encode()) {
		if _, err := stage.ReadPlan(bytes.NewReader(plan.Encode()[:n])); err == nil {
			t.Fatalf("a plan cut at %d was accepted", n)
		}
	}

	if _, err := stage.ReadPlan(bytes.NewReader(bytes.Repeat([]byte{0xff}, 100))); err == nil {
		t.Error("a plan of nonsense was accepted")
	}
}
