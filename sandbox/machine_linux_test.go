package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/sandbox"
)

func TestDetect(t *testing.T) {
	dir := t.TempDir()

	tier, why, err := sandbox.Detect(t.Context(), dir)
	if err != nil || (tier == sandbox.Namespaces) != (why == "") {
		t.Errorf("%q, %q, %v", tier, why, err)
	}
	t.Logf("this machine: %s %s", tier, why)

	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("the trial left %v", left)
	}
	t.Setenv(sandbox.TierVariable, "copies")

	if tier, why, err := sandbox.Detect(t.Context(), dir); tier != sandbox.Copies || why == "" || err != nil {
		t.Errorf("forced: %q, %q, %v", tier, why, err)
	}
	t.Setenv(sandbox.TierVariable, "magic")

	if _, _, err := sandbox.Detect(t.Context(), dir); research.Describe(err).Code != research.CodeBadArgument {
		t.Errorf("nonsense: %v", err)
	}
	t.Setenv(sandbox.TierVariable, "")

	if _, _, err := sandbox.Detect(t.Context(), filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing folder was fine")
	}
}

func TestDetach(t *testing.T) {
	logPath := filepath.Join(t.TempDir(), "log")
	exe, _ := os.Executable()

	start := func(helper string) (int, error) {
		return sandbox.Detach([]string{exe}, []string{helperVariable + "=" + helper}, "/", logPath)
	}
	if pid, err := start("ready"); err != nil || pid <= 1 {
		t.Fatalf("ready: pid %d, %v", pid, err)
	}
	// Its session is its own, it has 0, 1 and 2, and no notice of how it was started.
	const want = "session true, open [null log log], variable \"\"\n"

	for end := time.Now().Add(patient); readFile(t, logPath) == "" && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}

	if d := cmp.Diff(want, readFile(t, logPath)); d != "" {
		t.Error(d)
	}

	_, err := start("refuse")
	if d := cmp.Diff(&research.Error{Code: research.CodeBusy, Msg: "somebody else runs", Next: "wait"},
		research.Describe(err)); d != "" {
		t.Error(d)
	}

	if _, err := start("die"); err == nil || !strings.Contains(err.Error(), "no such luck") ||
		strings.Contains(err.Error(), "session") {
		t.Errorf("an early death: %v", err)
	}

	if _, err := sandbox.Detach([]string{"/no/such/program"}, nil, "/", logPath); err == nil {
		t.Error("a missing program was started")
	}

	if _, err := sandbox.Detach([]string{exe}, nil, "/no/such/folder", logPath); err == nil {
		t.Error("a missing folder was entered")
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	locked := func(want bool) {
		t.Helper()

		if got, err := sandbox.Locked(path); got != want || err != nil {
			t.Errorf("Locked = %v, %v", got, err)
		}
	}
	locked(false)
	l, ok, err := sandbox.TryLock(path)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	locked(true)

	for _, text := range []string{"a long first text", "short"} {
		if err := l.Write([]byte(text)); err != nil || readFile(t, path) != text {
			t.Errorf("%v, %q", err, readFile(t, path))
		}
	}

	if _, ok, err := sandbox.TryLock(path); ok || err != nil {
		t.Errorf("taken twice: %v, %v", ok, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()

	if _, err := sandbox.AcquireLock(ctx, path, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { l.Release() })

	m, err := sandbox.AcquireLock(t.Context(), path, time.Millisecond)
	if err != nil || readFile(t, path) != "" {
		t.Fatalf("%v, %q", err, readFile(t, path))
	}

	if err := errors.Join(m.Release(), m.Release()); err != nil {
		t.Error(err)
	}
	locked(false)
}

// A lock falls with its holder, is not inherited, and survives the removal of its file.
func TestLockOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	c := exec.Command("/proc/self/exe")
	c.Env = []string{helperVariable + "=locker " + path}

	out, _ := c.StdoutPipe()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 100)

	n, _ := out.Read(line)
	if string(line[:n]) != "true <nil> <nil>\n" {
		t.Fatalf("the other process: %q", line[:n])
	}

	if held, _ := sandbox.Locked(path); !held || readFile(t, path) != "locker" {
		t.Errorf("held %v, %q", held, readFile(t, path))
	}

	if _, ok, _ := sandbox.TryLock(path); ok {
		t.Error("taken from its holder")
	}
	c.Process.Kill()
	c.Wait()
	l, ok, err := sandbox.TryLock(path)
	if !ok || err != nil {
		t.Fatalf("after the holder's death: %v, %v", ok, err)
	}

	child := exec.Command("sleep", "100")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}

	defer func() { child.Process.Kill(); child.Wait() }()
	l.Release()

	if held, _ := sandbox.Locked(path); held {
		t.Error("a child inherited the lock")
	}
}

func TestSlots(t *testing.T) {
	name := "test-" + filepath.Base(t.TempDir()) + "-" + filepath.Base(filepath.Dir(t.TempDir()))

	dir, shared, err := sandbox.LockDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, shared %v", dir, shared)
	t.Cleanup(func() {
		os.Remove(filepath.Join(dir, name+".0"))
		os.Remove(filepath.Join(dir, name+".1"))
		os.Remove(filepath.Join(dir, name+".queue"))
	})

	a, err := sandbox.AcquireSlot(t.Context(), name, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Write([]byte("the first"))

	b, err := sandbox.AcquireSlot(t.Context(), name, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	var told []string

	c, err := sandbox.AcquireSlot(t.Context(), name, 2, func(place int, holder string) {
		if place != 1 {
			t.Errorf("the only one that waits is told the place %d", place)
		}

		told = append(told, holder)
		a.Release()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()

	if d := cmp.Diff([]string{"the first"}, told); d != "" {
		t.Error(d)
	}

	if fi, err := os.Stat(filepath.Join(dir, name+".0")); err != nil || (shared && fi.Mode().Perm() != 0o666) {
		t.Errorf("%v, %v", fi.Mode(), err)
	}

	if _, err := sandbox.AcquireSlot(t.Context(), "../x", 1, nil); err == nil {
		t.Error("a slot outside the folder")
	}
}

func TestCopiesRefuse(t *testing.T) {
	const root = "/home/u/repo"

	for _, c := range []struct {
		name, file, content, link string
		refused                   bool
	}{
		{"a venv", "pyvenv.cfg", "home = /usr/bin\ncommand = python -m venv /home/u/repo/.venv\n", "", true},
		{"a venv of a neighbour", "pyvenv.cfg", "command = python -m venv /home/u/repo2/.venv\n", "", false},
		{"a script", "bin/pip", "#!/home/u/repo/.venv/bin/python\nimport pip\n", "", true},
		{"a script that mentions it later", "bin/activate", "#!/bin/sh\nVIRTUAL_ENV=/home/u/repo/.venv\n", "", false},
		{"an editable install", "lib/python3.11/site-packages/__editable__.x.pth", "/home/u/repo/src\n", "", true},
		{"node's own links", ".bin/tsc", "", "../typescript/bin/tsc", false},
		{"an absolute link", ".bin/tsc", "", "/home/u/repo/tools/tsc", true},
		{"plain files", "lib/x.js", "/home/u/repo", "", false},
	} {
		dir := filepath.Join(t.TempDir(), "[carried]")
		if c.link == "" {
			writeFiles(t, dir, map[string]string{c.file: c.content})
		} else {
			writeFiles(t, dir, map[string]string{".bin/other": ""})
			os.Symlink(c.link, filepath.Join(dir, c.file))
		}

		err := sandbox.CopiesRefuse([]sandbox.Bind{{From: dir, To: root + "/.venv"}}, root)
		if (err != nil) != c.refused || (err != nil && research.Describe(err).Code != research.CodeUnsupported) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestOutputText(t *testing.T) {
	for _, c := range []struct {
		out  sandbox.Output
		want string
	}{
		{sandbox.Output{}, ""},
		{sandbox.Output{Head: []byte("a"), Tail: []byte("b"), Bytes: 2}, "ab"},
		{sandbox.Output{Head: []byte("a\n"), Tail: []byte("b"), Bytes: 10}, "a\n[ratchet: 7 bytes left out]\nb"},
		{sandbox.Output{Bytes: 10}, "[ratchet: 10 bytes left out]\n"},
	} {
		if got := string(c.out.Text()); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// BenchmarkStart prints what a run costs over a bare start of the same command,
// with bubblewrap beside it where it is installed. Each round starts every kind
// once, so that what else the machine does falls on all alike; medians, in ms:
// go test ./sandbox -run '^$' -bench Start -benchtime 200x
func BenchmarkStart(b *testing.B) {
	kinds := []startKind{{name: "bare", start: command("/bin/sh", "-c", "true")}}
	if bwrap, err := exec.LookPath("bwrap"); err == nil {
		kinds = append(kinds, startKind{name: "bwrap",
			start: command(bwrap, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/",
				"--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "/bin/sh", "-c", "true")})
	}

	for _, tier := range []sandbox.Tier{sandbox.Namespaces, sandbox.Copies} {
		f := &fixture{dir: b.TempDir(), tier: tier}
		for _, dir := range []string{f.root(), f.ownFolder("layer"), filepath.Join(f.dir, "home/.ssh")} {
			os.MkdirAll(dir, 0o755)
		}
		confine := func(s *sandbox.Spec) {
			s.Confined, s.Network, s.Hidden = true, sandbox.NetworkLoopback, []string{filepath.Join(f.dir, "home/.ssh")}
		}
		kinds = append(kinds, startKind{name: string(tier), start: f.start(func(*sandbox.Spec) {})},
			startKind{name: string(tier) + "-confined", start: f.start(confine)},
			startKind{name: string(tier) + "-limited", start: f.start(func(s *sandbox.Spec) {
				confine(s)
				s.Memory, s.Processes, s.Disk, s.CPU = 1<<30, 512, 1<<30, time.Minute
			})})
	}

	for b.Loop() {
		for i := range kinds {
			begin := time.Now()

			if err := kinds[i].start(); err != nil {
				b.Fatal(kinds[i].name, err)
			}
			kinds[i].took = append(kinds[i].took, time.Since(begin))
		}
	}

	for _, k := range kinds {
		slices.Sort(k.took)
		b.ReportMetric(float64(k.took[len(k.took)/2].Microseconds())/1e3, k.name+"-ms")
	}
}

type startKind struct {
	name  string
	start func() error
	took  []time.Duration
}

func command(argv ...string) func() error {
	return func() error { return exec.Command(argv[0], argv[1:]...).Run() }
}

// start makes one run that does nothing.
func (f *fixture) start(change func(s *sandbox.Spec)) func() error {
	return func() error {
		s := f.spec("true")
		change(&s)

		r, err := sandbox.Run(context.Background(), s)
		if err == nil && r.Exit != 0 {
			err = fmt.Errorf("exit status %d", r.Exit)
		}

		return err
	}
}
