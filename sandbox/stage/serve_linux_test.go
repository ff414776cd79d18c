package stage_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/sandbox/stage"
)

func TestMain(m *testing.M) {
	if os.Args[0] == stage.TestName {
		stage.ServeTest()
	}

	os.Exit(m.Run())
}

// patient is how long a test waits for what must merely happen, however busy
// the machine is.
const patient = 2 * time.Minute

// process is a stage under test, from the side of its caller.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	control *os.File
	output  *os.File
}

// coverDir is where a stage writes what it covered; "" when nobody asks.
func coverDir() string {
	if f := flag.Lookup("test.gocoverdir"); f != nil {
		return f.Value.String()
	}

	return ""
}

// start starts a stage, with more as its descriptors from 4 on, and hands it the plan.
func start(t *testing.T, plan *stage.Plan, attr *syscall.SysProcAttr, more ...*os.File) *process {
	t.Helper()

	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}

	control, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()

	output, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()

	if plan.Env == nil {
		plan.Env = []string{"PATH=/usr/bin:/bin"}
	}

	if plan.Dir == "" {
		plan.Dir = t.TempDir()
	}

	p := &process{t: t, control: control, output: output, cmd: &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{stage.TestName}, Env: []string{"GOCOVERDIR=" + coverDir()},
		Stdout: write, Stderr: write, ExtraFiles: append([]*os.File{theirs}, more...), SysProcAttr: attr,
	}}
	if err := p.cmd.Start(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("this machine makes no namespaces: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		control.Close()
		output.Close()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})

	if _, err := control.Write(plan.Encode()); err != nil {
		t.Fatal(err)
	}

	return p
}

// next reads the stage's next message.
func (p *process) next(kind stage.Kind) *stage.Message {
	p.t.Helper()

	m, err := stage.ReadMessage(p.control)
	if err != nil {
		p.t.Fatalf("instead of %c: %v", kind, err)
	}

	if m.Kind != kind {
		p.t.Fatalf("instead of %c: %+v", kind, m)
	}

	return m
}

// end waits for the report, then for the death of everything that could write,
// and returns what was written.
func (p *process) end() (report *stage.Message, output string) {
	p.t.Helper()
	report = p.next(stage.Ended)
	p.output.SetReadDeadline(time.Now().Add(patient))

	b, err := io.ReadAll(p.output)
	if err != nil {
		p.t.Fatalf("something survived: %v, %q", err, b)
	}

	return report, string(b)
}

// awaitLine waits for a line of output.
func (p *process) awaitLine() {
	p.t.Helper()
	p.output.SetReadDeadline(time.Now().Add(patient))

	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := p.output.Read(b); err != nil {
			p.t.Fatal(err)
		}
	}
}

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// subreaper is how a stage without namespaces is started, namespaces how one
// with them is.
func subreaper() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func namespaces(flags uintptr) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | flags}
	if os.Geteuid() == 0 {
		return attr
	}

	id := func(n int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: n, HostID: n, Size: 1}}
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings, attr.GidMappings = id(os.Geteuid()), id(os.Getegid())
	attr.AmbientCaps = []uintptr{0, 1, 3, 4, 8, 12,
		21} // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETPCAP, NET_ADMIN, SYS_ADMIN

	return attr
}

// enforced is what a message says of a key.
func enforced(m *stage.Message, key string) string {
	for i := 0; i+1 < len(m.Enforced); i += 2 {
		if m.Enforced[i] == key {
			return m.Enforced[i+1]
		}
	}

	return ""
}

func TestOutcome(t *testing.T) {
	p := start(t, &stage.Plan{Argv: shell("echo hi; sleep 1000 & setsid sleep 1000 & exit 3")}, subreaper())

	if how := enforced(p.next(stage.Started), "privileges"); !strings.HasPrefix(how, "enforced") {
		t.Errorf("privileges: %q", how)
	}

	m, output := p.end()
	if m.Status.ExitStatus() != 3 || m.TimedOut || m.Killed || len(m.Survivors) > 0 || m.Wall <= 0 {
		t.Errorf("%+v", m)
	}

	if output != "hi\n" {
		t.Errorf("it wrote %q", output)
	}
}

func TestFailures(t *testing.T) {
	p := start(t, &stage.Plan{Argv: shell(":"), Dir: "/nowhere"}, subreaper())
	if m := p.next(stage.Failed); m.Step != "enter" || m.Path != "/nowhere" || m.Errno != syscall.ENOENT {
		t.Errorf("%+v", m)
	}

	p = start(t, &stage.Plan{Argv: []string{"/nowhere/program"}}, subreaper())
	p.next(stage.Started)

	if m := p.next(stage.Failed); m.Step != "execute" || m.Errno != syscall.ENOENT {
		t.Errorf("%+v", m)
	}

	missing := filepath.Join(t.TempDir(), "missing")
	p = start(t, &stage.Plan{Namespaces: true, Argv: shell(":"),
		Views: []stage.View{{Root: "/mnt", Lower: []string{missing}, Inside: -1}}}, namespaces(0))

	if m := p.next(stage.Failed); m.Step != "open" || m.Path != missing || m.Errno != syscall.ENOENT {
		t.Errorf("%+v", m)
	}
}

// The deadline kills what ignores SIGTERM. Where it came before the command
// ignored that, as on a busy machine, nothing is shown, and it gets more time.
func TestDeadline(t *testing.T) {
	const grace = 50 * time.Millisecond

	for name, attr := range map[string]*syscall.SysProcAttr{"subreaper": subreaper(), "namespaces": namespaces(0)} {
		t.Run(name, func(t *testing.T) {
			for wall := 50 * time.Millisecond; ; wall *= 4 {
				p := start(t, &stage.Plan{Namespaces: name == "namespaces", Wall: wall, Grace: grace,
					Argv: shell("trap '' TERM; echo up; while :; do sleep 1; done")}, attr)
				p.next(stage.Started)

				m, output := p.end()
				if output == "" && wall < patient {
					continue
				}

				if !m.TimedOut || !m.Killed || m.Status.Signal() != syscall.SIGKILL || m.Wall < wall+grace {
					t.Errorf("%+v", m)
				}

				return
			}
		})
	}
}

// When the caller's end of the control socket is shut, the run is killed.
func TestLease(t *testing.T) {
	p := start(t, &stage.Plan{Argv: shell("echo up; sleep 1000")}, subreaper())
	p.next(stage.Started)
	p.awaitLine()

	if err := syscall.Shutdown(int(p.control.Fd()), syscall.SHUT_WR); err != nil {
		t.Fatal(err)
	}

	if m, _ := p.end(); !m.Killed || m.TimedOut {
		t.Errorf("%+v", m)
	}
}

// The command waits for the byte that says that it is in its cgroup.
func TestWait(t *testing.T) {
	p := start(t, &stage.Plan{Argv: shell("echo up"), Wait: true}, subreaper())
	p.control.Write([]byte{'G'})
	p.next(stage.Started)

	if m, output := p.end(); m.Status.ExitStatus() != 0 || output != "up\n" {
		t.Errorf("%+v, %q", m, output)
	}
}

func TestSampledLimits(t *testing.T) {
	const look = 5 * time.Millisecond

	for want, c := range map[string]struct {
		limits stage.Limits
		script string
	}{
		"processes": {stage.Limits{Sample: look, Count: 5},
			"for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait"},
		"memory": {stage.Limits{Sample: look, Memory: 20 << 20},
			"head -c 60000000 /dev/zero | tail -c 50000000 | sleep 1000"},
		"cpu": {stage.Limits{Sample: look, CPU: 50 * time.Millisecond}, "while :; do :; done"},
	} {
		t.Run(want, func(t *testing.T) {
			p := start(t, &stage.Plan{Argv: shell(c.script), Limits: c.limits}, subreaper())
			p.next(stage.Started)

			if m, _ := p.end(); m.Exceeded != want || !m.Killed {
				t.Errorf("%+v", m)
			}
		})
	}
}

// A file can't grow beyond its limit.
func TestFileSize(t *testing.T) {
	dir := t.TempDir()
	p := start(t, &stage.Plan{Argv: shell("head -c 100000 /dev/zero > big"), Dir: dir,
		Limits: stage.Limits{FileSize: 4096, Tasks: 4096}}, subreaper())
	p.next(stage.Started)
	p.end()

	if fi, err := os.Stat(filepath.Join(dir, "big")); err != nil || fi.Size() > 4096 {
		t.Errorf("%v, %v", fi.Size(), err)
	}
}

// Where a filter keeps a run from other processes, which there is without namespaces and
// Landlock, a stage may still trace its command, to limit its processes before its first
// instruction, and the run its own children. Processes outside are closed to it.
func TestTracing(t *testing.T) {
	python, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Skip(err)
	}

	outside := exec.Command("/bin/sleep", "600")
	if err := outside.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		outside.Process.Kill()
		outside.Wait()
	})

	program := fmt.Sprintf(`
import ctypes, errno, os, resource
print(resource.getrlimit(resource.RLIMIT_NPROC)[0])
libc = ctypes.CDLL(None, use_errno=True)
def ptrace(request, pid):
    failed = libc.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, None)
    return errno.errorcode[ctypes.get_errno()] if failed else "ok"
TRACEME, CONT, ATTACH, SEIZE = 0, 7, 16, 0x4206
print(ptrace(ATTACH, %d), ptrace(SEIZE, %[1]d))
child = os.fork()
if child == 0: os.kill(os.getpid(), 19 if ptrace(TRACEME, 0) == "ok" else 9); os._exit(7)
print(os.WIFSTOPPED(os.waitpid(child, 0)[1]), ptrace(CONT, child), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
`, outside.Process.Pid)

	p := start(t, &stage.Plan{Argv: []string{python, "-c", program},
		Limits: stage.Limits{Tasks: 4096}}, subreaper())
	p.next(stage.Started)
	if _, output := p.end(); output != "4096\nEPERM EPERM\nTrue ok 7\n" {
		t.Errorf("tracing: %q", output)
	}
}

// A detached program gets descriptor 4 as its descriptor 3 and belongs to
// nobody here.
func TestDetach(t *testing.T) {
	ready, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()

	p := start(t, &stage.Plan{Detach: true,
		Argv: []string{"/bin/sh", "sh", "-c", "echo $$ >&3"}}, subreaper(), write)
	write.Close()

	m := p.next(stage.Started)
	if parent, err := p.cmd.Process.Wait(); err != nil || parent.Pid() == m.Pid {
		t.Errorf("%v, %v", parent, err)
	}

	ready.SetReadDeadline(time.Now().Add(patient))

	said, err := io.ReadAll(ready)
	if err != nil || string(said) != fmt.Sprintln(m.Pid) {
		t.Errorf("process %d said %q, %v", m.Pid, said, err)
	}
}
