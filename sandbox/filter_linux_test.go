package sandbox_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"ratchet/sandbox"
)

// callsProgram makes raw calls: call(number, …) by the native entry, and call32 by
// the one for 32-bit programs, which x86-64 has for every process. Both give the
// error's name, "ok" without one.
const callsProgram = `
import ctypes, errno, mmap, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
def call(number, *arguments):
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(number), *[a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments])
    return "ok" if r != -1 else errno.errorcode[ctypes.get_errno()]
# ebx, ecx and edx from the second to the fourth argument; int 0x80
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("53" "89f8" "89f3" "87ca" "cd80" "5b" "c3"))
enter = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)(
    ctypes.addressof(ctypes.c_char.from_buffer(page)))
def call32(number, a=0, b=0, c=0):
    r = enter(number, a, b, c)
    return "ok" if r >= 0 else errno.errorcode[-r]
# Kernels may be started without the entry for 32-bit programs.
child = os.fork()
if child == 0: call32(20); os._exit(0)
has32 = os.waitpid(child, 0)[1] == 0
`

// python is a confined run of a program in Python 3.
func (f *fixture) python(t *testing.T, program string) sandbox.Spec {
	t.Helper()

	if _, err := exec.LookPath("/usr/bin/python3"); err != nil {
		t.Skip(err)
	}

	writeFiles(t, f.ownFolder("layer"), map[string]string{"calls.py": callsProgram, "program.py": program})
	s := f.spec("exec /usr/bin/python3 -B program.py")
	s.Confined, s.Processes, s.Memory = true, 200, 1<<30

	return s
}

// What has no business in a run is refused, by every entry into the kernel. A call
// that another reason stops first would say so by another error.
func TestRefusedCalls(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers are those of x86-64")
	}

	forEachTier(t, func(t *testing.T, f *fixture) {
		r := mustRun(t, f.python(t, `
from calls import *
def expect(what, got, want):
    if got != want: print(what, "gave", got, "instead of", want)
NEWUSER, NEWPID, VM, SIGCHLD = 0x10000000, 0x20000000, 0x100, 17
expect("keyctl", call(250, 0, -3, 1), "ENOSYS")
expect("keyctl by x32", call(0x40000000 | 250, 0, -3, 1), "ENOSYS")
if has32:
    expect("keyctl by the 32-bit entry", call32(288, 0, -3, 1), "ENOSYS")
    expect("kexec_load by the 32-bit entry", call32(283, 0, 0, 0), "EPERM")
expect("add_key", call(248, b"user", b"k", b"v", 1, -4), "ENOSYS")
expect("request_key", call(249, b"user", b"k", 0, -4), "ENOSYS")
expect("syslog", call(103, 10), "EPERM")
expect("bpf", call(321, 0, 0, 0), "EPERM")
expect("userfaultfd", call(323, 1), "ENOSYS")
expect("mount", call(165, 0, 0, 0, 0, 0), "EPERM")
expect("fsopen", call(430, b"tmpfs", 0), "EPERM")
expect("quotactl", call(179, 0x80000700, 0, 0, 0), "EPERM")
expect("adjtimex", call(159, 0), "EPERM")
expect("unshare of a user namespace", call(272, NEWUSER), "EPERM")
expect("unshare of files", call(272, 0x400), "ok")
expect("clone of a PID namespace", call(56, NEWUSER | NEWPID | SIGCHLD, 0, 0, 0, 0), "EPERM")
expect("TIOCSTI", call(16, 0, 0x5412, b"x"), "EPERM")
expect("TIOCSTI with more bits", call(16, 0, 0x7700005412, b"x"), "EPERM")
expect("adding an encryption key", call(16, 0, 0xc0506617, 0), "EPERM")
fd = os.open("program.py", os.O_RDONLY)
expect("mincore", call(27, 0, 0, 0), "ENOSYS")
expect("cachestat", call(451, fd, 0, 0, 0), "ENOSYS")
expect("process_madvise", call(440, 0, 0, 0, 21, 0), "ENOSYS")
expect("fadvise64 of what is not needed", call(221, fd, 0, 0, 4), "ENOSYS")
expect("fadvise64 of what will be", call(221, fd, 0, 0, 3), "ok")
expect("madvise to page out", call(28, ctypes.addressof(ctypes.c_char.from_buffer(page)) & ~4095, 4096, 21), "EINVAL")
try: os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT); print("preadv2 without waiting gave a byte")
except OSError as e:
    if e.errno != errno.EOPNOTSUPP: print(e)
if os.preadv(fd, [bytearray(1)], 0) != 1: print("preadv gave nothing")
expect("TCGETS of no terminal", call(16, 0, 0x5401, 0), "ENOTTY")
`))
		if text := string(r.Output.Text()); text != "" || r.Exit != 0 {
			t.Errorf("exit %d\n%s", r.Exit, text)
		}

		if !strings.HasPrefix(r.Enforced["calls"], "enforced by a seccomp filter") {
			t.Errorf("%v", r.Enforced)
		}
	})
}

// A run finds nothing of the run before it in what the kernel shares without a name
// in the file system.
func TestRunsShareNoMemory(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		name := fmt.Sprintf("/ratchet-test-%d-%s", os.Getpid(), f.tier)
		program := fmt.Sprintf(`
from calls import *
import pathlib
name, key, create = %q, %d, 0o1000
seen, made = [], []
file = pathlib.Path("/dev/shm" + name)
if file.exists(): seen.append("file")
file.write_text("x")
for what, make in (("segment", lambda flags: libc.shmget(key, 4096, flags)),
                   ("queue", lambda flags: libc.msgget(key, flags)), ("semaphores", lambda flags: libc.semget(key, 1, flags))):
    if make(0o600) >= 0: seen.append(what)
    if make(create | 0o600) < 0: print("no", what)
mq_open = ctypes.CDLL("librt.so.1").mq_open
if mq_open(name.encode(), os.O_RDWR) >= 0: seen.append("message queue")
mq_open(name.encode(), os.O_RDWR | os.O_CREAT, 0o600, None)
for what, make in (("folder", os.mkdir), ("FIFO", os.mkfifo), ("link", lambda path: os.symlink("x", path))):
    try: make("/dev/shm" + name + what); made.append(what)
    except OSError: pass
print("seen", seen, "made", made)
`, name, os.Getpid()<<4|len(f.tier)&0xf)

		for run := range 2 {
			want := "seen [] made ['folder', 'FIFO', 'link']\n" // in a /dev/shm of its own
			if f.tier == sandbox.Copies {
				want = "seen [] made []\n" // only files can be removed after the run
			}

			spec := f.python(t, program)
			spec.Kept = t.TempDir()

			r := mustRun(t, spec)
			if text := string(r.Output.Text()); text != want {
				t.Errorf("run %d: %s, want %s", run, text, want)
			}

			if !strings.HasPrefix(r.Enforced["ipc"], "enforced by") {
				t.Errorf("%v", r.Enforced)
			}
		}
	})
}

// A process whose children are in no account makes the run say so, however it
// comes to ignore them.
func TestHiddenChildren(t *testing.T) {
	action := `
from calls import *
import signal, threading
rt_sigaction = 13 if x86 else 134
def act(handler, flags): return struct.pack("QQQQ", handler, flags | 0x04000000, 0, 0)
`
	hides := map[string]string{
		"SIG_IGN":      "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
		"SA_NOCLDWAIT": "call(rt_sigaction, 17, act(0, 2), 0, 8)",
		"in a grandchild, for a moment": `
if os.fork() == 0:
    if os.fork() == 0:
        call(rt_sigaction, 17, act(0, 2), 0, 8); call(rt_sigaction, 17, act(0, 0), 0, 8); os._exit(0)
    os.wait(); os._exit(0)
os.wait()`,
		"with its memory closed": "libc.prctl(4, 0); call(rt_sigaction, 17, act(0, 2), 0, 8)",
		// The stage sees what is set change under its eyes sooner or later.
		"changed by another thread": `
memory = ctypes.create_string_buffer(act(0, 0), 32)
def flip():
    while True: memory[8:16] = struct.pack("Q", 2 | 0x04000000); memory[8:16] = struct.pack("Q", 0x04000000)
threading.Thread(target=flip, daemon=True).start()
for _ in range(200): libc.syscall(rt_sigaction, 17, memory, None, 8)
`,
	}
	honest := map[string]string{
		"many short children":    "for _ in range(100): os.system('true')",
		"orphans":                "os.system('for i in 1 2 3; do (true &) & done')",
		"a question":             "signal.getsignal(signal.SIGCHLD); call(rt_sigaction, 17, 0, 0, 8)",
		"a handler":              "signal.signal(signal.SIGCHLD, lambda *_: None); os.system('true')",
		"another signal ignored": "signal.signal(signal.SIGUSR1, signal.SIG_IGN); os.system('true')",
	}

	forEachTier(t, func(t *testing.T, f *fixture) {
		run := func(name, program string) sandbox.Result {
			s := f.python(t, action+program)
			s.CountMaxRSS = true // a group does not count it

			r := mustRun(t, s)
			if text := string(r.Output.Text()); r.Exit != 0 || text != "" {
				t.Errorf("%s: exit %d, %s", name, r.Exit, text)
			}

			if !strings.HasPrefix(r.Enforced["accounting"], "enforced by") {
				t.Skipf("%v", r.Enforced["accounting"])
			}

			return r
		}

		for name, program := range hides {
			if r := run(name, program); !strings.Contains(r.Hidden, "ignored SIGCHLD") || !strings.Contains(r.Hidden,
				"python3") {
				t.Errorf("%s: hidden: %q", name, r.Hidden)
			}
		}

		for name, program := range honest {
			if r := run(name, program); r.Hidden != "" {
				t.Errorf("%s: hidden: %q", name, r.Hidden)
			}
		}
	})
}
