//go:build linux

package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/testform"
	"ratchet/sandbox"
)

// patient is how long a test waits for what must merely happen, however busy
// the machine is. Every such wait ends as soon as it has.
const patient = 2 * time.Minute

// helperVariable makes the test binary act as one of the programs below.
const helperVariable = "SANDBOX_TEST_HELPER"

func TestMain(m *testing.M) {
	helper := os.Getenv(helperVariable)

	name, rest, _ := strings.Cut(helper, " ")
	switch name {
	case "":
		os.Exit(m.Run())
	case "daemon": // leaves a process in a session of its own
		startHelper("sleeper", true)
	case "sleeper":
		fmt.Println("up")
		time.Sleep(time.Hour)
	case "hopper": // forks, and the parent exits, for ever
		startHelper("hopper", true)
	case "deaf": // ignores every signal that can be ignored
		signal.Ignore()
		fmt.Println("up")
		time.Sleep(time.Hour)
	case "hostile": // all of the above
		startHelper("daemon", true)
		startHelper("hopper", true)
		startHelper("deaf", true)

		for range 4 {
			startHelper("sleeper", true)
		}
		signal.Ignore()
		time.Sleep(time.Hour)
	case "supervisor": // runs the fixture in the folder rest names, until it is killed
		tier, rest, _ := strings.Cut(rest, " ")
		n, dir, _ := strings.Cut(rest, " ")
		runFixture(tier, n, dir)
	case "closer":
		signal.Ignore()
		closeAll()
	case "attack":
		attacks(rest)
	case "locker":
		l, ok, err := sandbox.TryLock(rest)
		fmt.Println(ok, err, l.Write([]byte("locker")))
		time.Sleep(time.Hour)
	case "ready":
		sandbox.Ready(nil)
		var open []string

		for fd := range 64 {
			if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && !strings.HasPrefix(to,
				"anon_inode") && !strings.HasPrefix(to, "/sys/fs/cgroup") { // the runtime's own
				open = append(open, filepath.Base(to))
			}
		}
		sid, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
		fmt.Printf("session %v, open %v, variable %q\n", int(sid) == os.Getpid(), open, os.Getenv("RATCHET_READY_FD"))
	case "refuse":
		sandbox.Ready(research.Errorf(research.CodeBusy, "wait", "somebody else runs"))
	case "die":
		fmt.Println("no such luck")
		syscall.Exit(3)
	}

	syscall.Exit(0) // os.Exit would write about coverage where the helper's answers are read
}

// startHelper starts this binary as another helper, with the same output.
func startHelper(helper string, session bool) {
	c := exec.Command("/proc/self/exe")
	c.Env = []string{helperVariable + "=" + helper, abuseMark + "=" + os.Getenv(abuseMark)}
	c.Stdout, c.Stderr = os.Stdout, os.Stderr

	c.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// hostileTo runs this binary with its output, and so its descendants', in fifo.
func hostileTo(fifo string) string {
	exe, _ := os.Executable()
	return fmt.Sprintf("exec '%s' >'%s'", exe, fifo)
}

// fixture is a repository on the host, with an immutable layer of the tree
// under test in its own .git folder, at a path full of characters that mean something to mount.
type fixture struct {
	dir  string
	tier sandbox.Tier
	n    int

	begins time.Duration // of a command, until it can say so
}

func (f *fixture) root() string { return filepath.Join(f.dir, `we ird,co:lon ü\b`, "repo") }

func (f *fixture) ownFolder(name string) string {
	return filepath.Join(f.root(), ".git", "ratchet", name)
}

func (f *fixture) upper() string { return f.ownFolder(fmt.Sprintf("upper-%d", f.n)) }

// spec is a run of command on the fixture's layer with a fresh upper folder.
func (f *fixture) spec(command string) sandbox.Spec {
	f.n++

	return sandbox.Spec{
		Command: command, Dir: f.root(), Env: []string{"PATH=/usr/bin:/bin"},
		Views: []sandbox.View{{Root: f.root(), Lower: []string{f.ownFolder("layer")}, Upper: f.upper(),
			Work: f.ownFolder(fmt.Sprintf("work-%d", f.n))}},
		Wall: patient, Grace: time.Second, Keep: 1 << 16, Scratch: f.ownFolder("scratch"), Kept: f.ownFolder("kept"),
		Tier: f.tier,
	}
}

// forEachTier runs a test in both tiers, with a fixture for each.
func forEachTier(t *testing.T, test func(t *testing.T, f *fixture)) {
	for i, tier := range []sandbox.Tier{sandbox.Namespaces, sandbox.Copies} {
		if !testform.HasTurn(t, i, 2) {
			continue // make check has both tiers
		}

		t.Run(string(tier), func(t *testing.T) {
			t.Parallel()
			f := &fixture{dir: t.TempDir(), tier: tier}
			writeFiles(t, f.root(), map[string]string{"main.txt": "host", "ignored/lib.txt": "carried"})
			writeFiles(t, f.ownFolder("layer"),
				map[string]string{"main.txt": "lower", "sub/a.txt": "a", "sub/deep/b.txt": "b",
					"gone/c.txt": "c"})

			if err := os.Symlink("main.txt", filepath.Join(f.ownFolder("layer"), "link")); err != nil {
				t.Fatal(err)
			}
			test(t, f)

			if left, err := os.ReadDir(f.ownFolder("scratch")); err == nil && len(left) > 0 {
				t.Errorf("the scratch folder still holds %v", left)
			}
		})
	}
}

// hasTurn says whether case i is tried in the fixture's tier: with -short each is
// in one of the tiers as root, and in the other one as another user; in the quick
// form only one of them has it.
func (f *fixture) hasTurn(i int) bool {
	if !testing.Short() {
		return true
	}

	isRoot := os.Geteuid() == 0
	if testform.IsQuick() && (i/2%2 == 0) != isRoot {
		return false
	}

	return (i%2 == 0) == (f.tier == sandbox.Namespaces) == isRoot
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()

	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755),
			os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func readFile(t *testing.T, path ...string) string {
	t.Helper()

	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

func mustRun(t *testing.T, s sandbox.Spec) sandbox.Result {
	t.Helper()

	r, err := sandbox.Run(t.Context(), s)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}

	if len(r.Survivors) > 0 {
		t.Errorf("survivors: %v", r.Survivors)
	}

	return r
}

// overrun makes a run that lasts beyond its wall. Its command says "up" when it
// is ready for that: where the deadline came first, as on a busy machine, nothing
// is shown, and it is run again with more time.
func (f *fixture) overrun(t *testing.T, command string, grace time.Duration) (sandbox.Spec, sandbox.Result) {
	t.Helper()

	for wall := 100 * time.Millisecond; ; wall *= 4 {
		s := f.spec(command)
		s.Wall, s.Grace = wall, grace

		r := mustRun(t, s)
		if bytes.HasPrefix(r.Output.Text(), []byte("up\n")) || wall > patient {
			return s, r
		}
	}
}

// deathPipe is a fifo whose write end the run's processes hold: its end
// proves that all of them are dead.
type deathPipe struct{ f *os.File }

func openDeathPipe(t *testing.T, path string) deathPipe {
	t.Helper()

	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}

	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })

	return deathPipe{f}
}

// awaitLines waits until n lines came.
func (m deathPipe) awaitLines(t *testing.T, n int) {
	t.Helper()

	buf := make([]byte, 1)
	for end := time.Now().Add(patient); n > 0 && time.Now().Before(end); {
		if k, _ := m.f.Read(buf); k == 0 {
			time.Sleep(time.Millisecond) // nobody has opened it yet
		} else if buf[0] == '\n' {
			n--
		}
	}

	if n > 0 {
		t.Fatal("the processes of the run did not come up")
	}
}

// awaitDeath waits for the end and says when it came.
func (m deathPipe) awaitDeath(t *testing.T) time.Time {
	t.Helper()
	m.f.SetReadDeadline(time.Now().Add(patient))

	if _, err := io.Copy(io.Discard, m.f); err != nil {
		t.Fatalf("something survived: %v", err)
	}

	return time.Now()
}
