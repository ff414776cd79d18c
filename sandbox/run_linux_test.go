package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/testform"
	"ratchet/sandbox"
	"ratchet/sandbox/layers"
)

func TestRunOutcome(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		for _, c := range []struct {
			command, signal, output string
			exit                    int
		}{
			{"echo out; echo err >&2; echo out again", "", "out\nerr\nout again\n", 0},
			{"exit 7", "", "", 7},
			{"kill -SEGV $$", "SIGSEGV", "", -1},
			{"echo $HOME-$PATH", "", "-/usr/bin:/bin\n", 0},
			{"exec no-such-program 2>/dev/null", "", "", 127},
			{"ls /proc/self/fd | wc -l", "", "4\n", 0},
			{"kill -TERM $$; echo still here", "SIGTERM", "", -1},
		} {
			r := mustRun(t, f.spec(c.command))
			if r.Exit != c.exit || r.Signal != c.signal || string(r.Output.Text()) != c.output || r.TimedOut ||
				r.Killed {
				t.Errorf("%s: exit %d signal %q output %q timed out %v killed %v", c.command, r.Exit, r.Signal,
					r.Output.Text(), r.TimedOut, r.Killed)
			}
		}

		r := mustRun(t, f.spec("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.1"))
		if r.CPU < 10*time.Millisecond || r.Wall < 100*time.Millisecond || r.MaxRSS < 100<<10 || r.Slept != 0 {
			t.Errorf("cpu %v wall %v rss %d slept %v", r.CPU, r.Wall, r.MaxRSS, r.Slept)
		}
	})
}

func TestRunImpossible(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		s := f.spec("true")

		s.Dir += "/nowhere"
		if _, err := sandbox.Run(t.Context(), s); research.Describe(err).Code != research.CodeNotFound {
			t.Errorf("a missing folder: %v", err)
		}
		s = f.spec("true")

		s.Views[0].Lower = []string{"/no/such/layer"}
		if _, err := sandbox.Run(t.Context(), s); research.Describe(err).Code != research.CodeNotFound {
			t.Errorf("a missing layer: %v", err)
		}
		s = f.spec("true")
		writeFiles(t, s.Views[0].Upper, map[string]string{"old": ""})

		if _, err := sandbox.Run(t.Context(), s); err == nil {
			t.Error("a used upper folder was accepted")
		}
	})
}

// At the deadline a command may still write its metric; then it dies. Its wall
// is long enough for it to get ready.
func TestRunDeadline(t *testing.T) {
	const metric = "trap 'echo METRIC x=1; exit 0' TERM; echo up; while :; do sleep 0.01; done"
	forEachTier(t, func(t *testing.T, f *fixture) {
		for _, c := range []struct {
			name, command    string
			grace            time.Duration
			exit             int
			signal           string
			killed, mayPrint bool
		}{
			{"uses its grace", metric, patient, 0, "", false, true},
			{"gives in", "echo up; exec sleep 1000", patient, -1, "SIGTERM", false, false},
			{"ignores it", "trap '' TERM; echo up; while :; do :; done", 50 * time.Millisecond, -1, "SIGKILL", true,
				false},
			{"has no grace", "trap '' TERM; echo up; sleep 1000", 0, -1, "SIGKILL", true, false},
		} {
			s, r := f.overrun(t, c.command, c.grace)

			printed := strings.HasSuffix(string(r.Output.Text()), "\nMETRIC x=1\n")
			if !r.TimedOut || r.Exit != c.exit || r.Signal != c.signal || r.Killed != c.killed ||
				printed != c.mayPrint {
				t.Errorf("%s: %+v: %s", c.name, r, r.Output.Text())
			}

			if r.Wall < s.Wall { // how late it is, make abuse measures
				t.Errorf("%s: the command had %v of %v", c.name, r.Wall, s.Wall)
			}

			if r.Enforced["deadline"] == "" {
				t.Errorf("%s: enforced %v", c.name, r.Enforced)
			}
		}
	})
}

func TestRunWithoutDeadline(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		s := f.spec("sleep 0.15; echo done")

		s.Wall = 0
		if r := mustRun(t, s); string(r.Output.Text()) != "done\n" || r.Enforced["deadline"] != "" {
			t.Errorf("%+v", r)
		}
	})
}

func TestRunCancelled(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := f.spec("trap '' TERM; echo up; while :; do :; done")
		s.Sink = sink(func([]byte) { cancel() })

		r, err := sandbox.Run(ctx, s)
		if err != nil || !r.Cancelled || !r.Killed || r.TimedOut || string(r.Output.Text()) != "up\n" || r.CPU == 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// Whatever a command leaves behind dies with it, and holding its output does
// not hold up the run.
func TestRunLeavesNothing(t *testing.T) {
	exe, _ := os.Executable()
	forEachTier(t, func(t *testing.T, f *fixture) {
		for _, helper := range []string{"daemon", "hopper"} {
			fifo := filepath.Join(f.dir, helper)
			m := openDeathPipe(t, fifo)
			s := f.spec("exec 3>'" + fifo + "'; '" + exe + "' ; echo ended >&3; sleep 0.05; echo main")
			s.Env = append(s.Env, helperVariable+"="+helper)

			r := mustRun(t, s) // which the helper's copy of the output would make last until the deadline
			if r.TimedOut || r.Killed || r.Exit != 0 || !bytes.Contains(r.Output.Text(), []byte("main\n")) {
				t.Errorf("%s: %+v", helper, r)
			}
			m.awaitDeath(t)
		}
	})
}

// Signals from inside don't reach the stage of a namespace, and killing the
// stage of the other tier is noticed and cleaned up after.
func TestRunAttacksItsStage(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		if f.tier == sandbox.Namespaces {
			r := mustRun(t,
				f.spec("for s in TERM INT HUP QUIT SEGV ABRT CHLD PIPE URG USR1 TSTP STOP KILL 33 34 64; do kill -$s 1; done; sleep 0.05; echo $PPID alive; exit 5"))
			if r.Exit != 5 || string(r.Output.Text()) != "1 alive\n" {
				t.Errorf("%+v: %s", r, r.Output.Text())
			}

			return
		}
		fifo := filepath.Join(f.dir, "fifo")
		m := openDeathPipe(t, fifo)

		r := mustRun(t, f.spec("exec 3>'"+fifo+"'; (trap '' TERM; sleep 100) & kill -KILL $PPID; sleep 100"))
		if !r.Killed || r.Signal != "SIGKILL" {
			t.Errorf("%+v", r)
		}
		m.awaitDeath(t)

		if _, r := f.overrun(t, "trap '' TERM; kill -STOP $PPID; echo up; while :; do sleep 0.02; done",
			0); !r.Killed || !r.TimedOut {
			t.Errorf("a stopped stage: %+v", r)
		}
	})
}

func TestRunOutputBounded(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		s := f.spec("echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last")
		s.Keep = 4000
		var seen counter
		s.Sink = &seen
		r := mustRun(t, s)
		const total = 100000000 + 6 + 1 + 5

		text := string(r.Output.Text())
		if r.Output.Bytes != total || int64(seen) != total || r.Output.Omitted() != total-4000 {
			t.Errorf("bytes %d, seen %d, omitted %d", r.Output.Bytes, seen, r.Output.Omitted())
		}

		if !strings.HasPrefix(text, "first\nxxx") || !strings.HasSuffix(text, "xx\nlast\n") || !strings.Contains(text,
			"\n[ratchet: 99996012 bytes left out]\n") {
			t.Errorf("text of %d bytes: %.20q … %.20q", len(text), text, text[len(text)-20:])
		}
	})
}

// What lies in the pipe when the run is over counts, however long whoever reads
// it was held up: there the metric stands.
func TestRunOutputSlowSink(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		s := f.spec("echo first; sleep 0.1; echo METRIC x=1; head -c 50000 /dev/zero")
		slow := sync.OnceFunc(func() {
			time.Sleep(1500 * time.Millisecond)
		}) // longer than the end of the output is waited for
		s.Sink, s.MaxOutput = sink(func([]byte) { slow() }), 50000

		r := mustRun(t, s)
		if text := string(r.Output.Text()); r.Output.Bytes != 50017 || !strings.HasPrefix(text,
			"first\nMETRIC x=1\n") || r.Exceeded != "output" {
			t.Errorf("%d bytes, %.40q, exceeded %q", r.Output.Bytes, text, r.Exceeded)
		}
	})
}

type sink func([]byte)

func (s sink) Write(p []byte) (int, error) { s(p); return len(p), nil }

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func TestRunView(t *testing.T) {
	const edit = `set -e
test "$(cat main.txt)" = lower && test ! -e .git && test "$(readlink link)" = main.txt
echo new > new.txt; mkdir -p fresh/dir; echo f > fresh/dir/f
echo more >> sub/a.txt; rm -r gone; rm link; ln -s sub link
chmod 755 main.txt; touch sub/deep/b.txt; cp sub/deep/b.txt t; cat t > sub/deep/b.txt; rm t`
	forEachTier(t, func(t *testing.T, f *fixture) {
		s := f.spec(edit)

		r := mustRun(t, s)
		if r.Exit != 0 {
			t.Fatalf("%+v: %s", r, r.Output.Text())
		}

		want := []sandbox.Change{{"fresh", "dir"}, {"fresh/dir", "dir"}, {"fresh/dir/f", "written"},
			{"gone", "deleted"}, {"gone/c.txt", "deleted"}, {"link", "written"}, {"main.txt", "written"}, {"new.txt",
				"written"}, {"sub/a.txt", "written"}, {"sub/deep/b.txt", "restored"}}
		if d := cmp.Diff(want, r.Changes); d != "" {
			t.Error(d)
		}

		if got := readFile(t, f.upper(), "sub/a.txt"); got != "amore\n" {
			t.Errorf("sub/a.txt in the upper folder: %q", got)
		}

		if readFile(t, f.root(), "main.txt") != "host" || readFile(t, f.ownFolder("layer"), "sub/a.txt") != "a" {
			t.Error("the host's files changed")
		}

		if _, err := os.Stat(filepath.Join(f.root(), "new.txt")); err == nil {
			t.Error("a file came out of the run")
		}
		first := f.upper()
		s = f.spec("cat new.txt sub/a.txt link/a.txt; ls; mkdir gone; echo d > gone/d.txt; rm -r fresh; echo file > fresh")
		s.Views[0].Lower = append([]string{first}, s.Views[0].Lower...)

		r = mustRun(t, s)
		if got := string(r.Output.Text()); got != "new\namore\namore\nfresh\nlink\nmain.txt\nnew.txt\nsub\n" {
			t.Errorf("on the first run's layer: %q", got)
		}

		want = []sandbox.Change{{"fresh", "written"}, {"fresh/dir", "deleted"}, {"fresh/dir/f", "deleted"},
			{"gone", "dir"}, {"gone/d.txt", "written"}}
		if d := cmp.Diff(want, r.Changes); d != "" {
			t.Error(d)
		}
		second := f.upper()
		s = f.spec("ls gone; cat fresh")

		s.Views[0].Lower = append([]string{second, first}, s.Views[0].Lower...)
		if r = mustRun(t, s); string(r.Output.Text()) != "d.txt\nfile\n" || len(r.Changes) != 0 {
			t.Errorf("on both layers: %q, %v", r.Output.Text(), r.Changes)
		}
	})
}

// A folder that is removed and made again hides what was in it.
func TestRunViewFolderReplaced(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		r := mustRun(t, f.spec("rm -r sub; mkdir sub; echo n > sub/n; mv gone went"))

		want := []sandbox.Change{{"gone", "deleted"}, {"gone/c.txt", "deleted"}, {"sub/a.txt", "deleted"},
			{"sub/deep", "deleted"}, {"sub/deep/b.txt", "deleted"}, {"sub/n", "written"}, {"went", "dir"},
			{"went/c.txt", "written"}}
		if d := cmp.Diff(want, r.Changes); d != "" {
			t.Error(d)
		}

		layer := filepath.Join(f.dir, "copied layer")
		if err := layers.Copy(f.upper(), layer); err != nil {
			t.Fatal(err)
		}
		s := f.spec("ls sub went")

		s.Views[0].Lower = append([]string{layer}, s.Views[0].Lower...)
		if r := mustRun(t, s); string(r.Output.Text()) != "sub:\nn\n\nwent:\nc.txt\n" {
			t.Errorf("on the copied layer: %q", r.Output.Text())
		}
	})
}

func TestRunManyLayers(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		s := f.spec("cat top; ls | wc -l")
		for i := range 100 {
			layer := f.ownFolder("layers of a rather long name/" + strings.Repeat("x", i+1))
			writeFiles(t, layer, map[string]string{"top": filepath.Base(layer), filepath.Base(layer): ""})
			s.Views[0].Lower = append(s.Views[0].Lower, layer)
		}
		slices.Reverse(s.Views[0].Lower)

		if r := mustRun(t, s); string(r.Output.Text()) != strings.Repeat("x", 100)+"105\n" {
			t.Errorf("%+v: %s", r, r.Output.Text())
		}
	})
}

func TestRunCarryAndCache(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		s := f.spec(`cat ignored/lib.txt packages/p/lib.txt single; { echo no > ignored/lib.txt; } 2>/dev/null; rm -f ignored/lib.txt 2>/dev/null; chmod 777 single 2>/dev/null
cat "$CACHE/old"; echo new > "$CACHE/new"; echo x > changed; true`)
		cache := f.ownFolder("cache view")
		writeFiles(t, f.ownFolder("cache layer"), map[string]string{"old": "old"})
		s.Views = append(s.Views, sandbox.View{Root: cache, Lower: []string{f.ownFolder("cache layer")},
			Upper: f.ownFolder("cache-upper"), Work: f.ownFolder("cache-work")})
		s.Env = append(s.Env, "CACHE="+cache)
		lib := filepath.Join(f.root(), "ignored")
		s.Binds = []sandbox.Bind{{lib, lib}, {lib, filepath.Join(f.root(), "packages/p")},
			{filepath.Join(lib, "lib.txt"), filepath.Join(f.root(), "single")}}

		r := mustRun(t, s)
		if got := string(r.Output.Text()); got != "carriedcarriedcarriedold" {
			t.Errorf("output %q", got)
		}

		if d := cmp.Diff([]sandbox.Change{{"changed", "written"}}, r.Changes); d != "" {
			t.Error(d)
		}

		if readFile(t, f.root(), "ignored/lib.txt") != "carried" {
			t.Error("a carried file changed")
		}

		if fi, _ := os.Stat(filepath.Join(lib, "lib.txt")); fi.Mode().Perm() != 0o644 {
			t.Error("a carried file's mode changed")
		}

		if readFile(t, f.ownFolder("cache-upper"), "new") != "new\n" {
			t.Error("the cache's upper folder lacks what was written")
		}

		if r.Enforced["carry"] == "" || r.Enforced["view"] == "" || r.Enforced["tree"] == "" {
			t.Errorf("enforced %v", r.Enforced)
		}
	})
}

// The tree under test must not choose what a carried folder covers.
func TestRunCarryBehindLink(t *testing.T) {
	f := &fixture{dir: t.TempDir(), tier: sandbox.Namespaces}
	writeFiles(t, f.root(), map[string]string{"main.txt": "host"})
	writeFiles(t, f.ownFolder("layer"), map[string]string{"main.txt": "lower"})
	writeFiles(t, f.dir, map[string]string{"outside/keep/x": "outside"})

	if err := os.Symlink(filepath.Join(f.dir, "outside"), filepath.Join(f.ownFolder("layer"), "way")); err != nil {
		t.Fatal(err)
	}
	s := f.spec("cat way/keep/x")

	s.Binds = []sandbox.Bind{{f.root(), filepath.Join(f.root(), "way/keep")}}
	if r, err := sandbox.Run(t.Context(), s); err == nil {
		t.Errorf("a link was followed: %+v", r)
	}
}

func TestRunReadOnlyView(t *testing.T) {
	f := &fixture{dir: t.TempDir(), tier: sandbox.Namespaces}
	writeFiles(t, f.root(), map[string]string{"main.txt": "host"})
	writeFiles(t, f.ownFolder("layer"), map[string]string{"main.txt": "lower"})
	s := f.spec("cat main.txt; echo no 2>/dev/null > main.txt")

	s.Views[0].Upper, s.Views[0].Work = "", ""
	if r := mustRun(t, s); r.Exit == 0 || !strings.HasPrefix(string(r.Output.Text()), "lower") || readFile(t,
		f.ownFolder("layer"), "main.txt") != "lower" {
		t.Errorf("%+v", r)
	}
}

// Everything above holds for a user without privileges.
func TestUnprivileged(t *testing.T) {
	testform.SkipQuick(t, "the same cases run as this user")

	if os.Geteuid() != 0 {
		t.Skip("this is the unprivileged run, or could not become one")
	}
	t.Parallel()
	const nobody = 65534

	dir, err := os.MkdirTemp("", "sandbox-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	exe, _ := os.Executable()

	self := filepath.Join(dir, "test")
	if err := layers.Copy(exe, self); err != nil {
		t.Fatal(err)
	}
	os.Chmod(self, 0o755)
	os.Chmod(dir, 0o755)
	os.Chown(dir, nobody, nobody)
	c := exec.Command(self, fmt.Sprintf("-test.short=%v", testing.Short()),
		"-test.run=^Test(Run(Outcome|Deadline|Attacks|View|Carry)|Detect|Confined|Privileges|Network|Abuse|Budgets|Promises)", fmt.Sprintf("-test.v=%v", testing.Verbose()), fmt.Sprintf("-abuse.trials=%d", *abuseTrials), fmt.Sprintf("-abuse.table=%v", *abuseTable), "-test.timeout=2h")
	c.Dir = dir
	c.Env = []string{"TMPDIR=" + dir, "PATH=" + os.Getenv("PATH"), testform.CI + "=" + os.Getenv(testform.CI)}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}

	out, err := c.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("PASS")) {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}

	if testing.Verbose() {
		t.Logf("as nobody:\n%s", out)
	}

	for _, line := range strings.Split(string(out), "\n") {
		if *abuseTable && strings.HasPrefix(line, "| ") {
			fmt.Println(line)
		}
	}
}

func TestSlept(t *testing.T) {
	for _, c := range []struct{ boot, mono, want time.Duration }{
		{5 * time.Second, 5 * time.Second, 0},
		{5*time.Second + 9*time.Millisecond, 5 * time.Second, 0},
		{65 * time.Second, 5 * time.Second, time.Minute},
		{5 * time.Second, 5*time.Second + time.Millisecond, 0},
	} {
		if got := sandbox.Slept(c.boot, c.mono); got != c.want {
			t.Errorf("Slept(%v, %v) = %v, want %v", c.boot, c.mono, got, c.want)
		}
	}
}
