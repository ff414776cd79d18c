package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/ledger"
)

// A layer under the file system calls of a child process: the kernel asks this
// process's listener (seccomp user notification) before each of them, and the
// listener lets it pass or fails it. Nothing in the ledger knows of it.

// faultEnv makes the test binary a child that appends to the ledger that it
// names; faultPlan is the fault, as JSON.
const (
	faultEnv  = "LEDGER_TEST_FAULT"
	faultPlan = "LEDGER_TEST_FAULT_PLAN"
)

// plan says which of the calls of the child's first append fail.
type plan struct {
	Call    int // from 1
	Onwards bool
	Errno   syscall.Errno
}

// outcome is what the child saw.
type outcome struct {
	Calls  []string // of the first append, as "name file"
	First  string   // the code of its error, "" if it went through
	Again  string   // the code of the repetition's error
	Repeat []string // its calls
}

var faultCalls = map[uint32]string{unix.SYS_PWRITE64: "write", unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fdatasync",
	unix.SYS_FTRUNCATE: "truncate", unix.SYS_RENAMEAT: "rename"}

// notification and answer are the kernel's struct seccomp_notif and seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type answer struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// faults is the listener.
type faults struct {
	fd    int
	mu    sync.Mutex
	plan  plan
	calls []string
}

// intercept installs the filter on every thread of this process, for good.
func intercept() (*faults, error) {
	runtime.LockOSThread()

	defer runtime.UnlockOSThread()

	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the call's number
	for nr := range faultCalls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	}

	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}

	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, err
	}

	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH|unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return nil, errno
	}

	return &faults{fd: int(fd)}, nil
}

// serve answers the kernel until the process ends.
func (f *faults) serve() {
	for {
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(f.fd), unix.SECCOMP_IOCTL_NOTIF_RECV,
			uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue
		}

		a := answer{id: n.id, flags: 1} // go on
		if errno := f.decide(n); errno != 0 {
			a = answer{id: n.id, errno: -int32(errno)}
		}
		unix.Syscall(unix.SYS_IOCTL, uintptr(f.fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
	}
}

func (f *faults) decide(n notification) syscall.Errno {
	name := faultCalls[uint32(n.nr)]
	if target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n.args[0])); err == nil && name != "rename" {
		name += " " + filepath.Base(target)
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	f.calls = append(f.calls, name)
	if k := len(f.calls); k == f.plan.Call || f.plan.Onwards && f.plan.Call > 0 && k > f.plan.Call {
		return f.plan.Errno
	}

	return 0
}

// with lets act happen under a plan, and returns the calls that it made.
func (f *faults) with(p plan, act func() error) (calls []string, code research.Code) {
	f.mu.Lock()
	f.plan, f.calls = p, nil
	f.mu.Unlock()
	err := act()
	f.mu.Lock()
	defer f.mu.Unlock()

	if err != nil {
		code = codeOf(err)
	}

	return f.calls, code
}

func codeOf(err error) research.Code {
	var e *research.Error
	if errors.As(err, &e) && e.Next != "" {
		return e.Code
	}

	return research.Code(err.Error())
}

func faulty(path string) {
	f, err := intercept()
	if err != nil {
		fmt.Println("skip:", err)
		return
	}

	go f.serve()
	var p plan
	json.Unmarshal([]byte(os.Getenv(faultPlan)), &p)

	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		fmt.Println("skip:", err)
		return
	}
	act := func() error { _, err := l.Append(context.Background(), keyed()...); return err }
	var o outcome
	var first, again research.Code
	o.Calls, first = f.with(p, act)
	p.Call = map[bool]int{true: 1}[p.Onwards]
	o.Repeat, again = f.with(p, act)
	o.First, o.Again = string(first), string(again)
	json.NewEncoder(os.Stdout).Encode(o)
}

// keyed begins a campaign of its own, by keys.
func keyed() []history.Entry {
	all := append(opening(), experiment(1, hypothesis(1), "no gain")...)
	for i := range all {
		all[i].Campaign, all[i].Key = "second", fmt.Sprint(i)
	}

	return all
}

// inject runs the child on the ledger at path.
func inject(t *testing.T, path string, p plan) outcome {
	t.Helper()
	raw, _ := json.Marshal(p)
	cmd := exec.Command(os.Args[0])

	cmd.Env = append(os.Environ(), faultEnv+"="+path, faultPlan+"="+string(raw), "GODEBUG=asyncpreemptoff=1")

	out, err := cmd.CombinedOutput()
	if strings.HasPrefix(string(out), "skip:") {
		t.Skipf("no seccomp notifications here: %s", out)
	}

	var o outcome
	if err = errors.Join(err, json.Unmarshal(out, &o)); err != nil {
		t.Fatalf("%+v: %v\n%s", p, err, out)
	}

	return o
}

// Every single write, truncation, sync and rename of an append fails in turn,
// alone or with all that follow: the call says so, what was acknowledged
// before is there, the ledger opens again, and the repeated call appends once.
func TestFaults(t *testing.T) {
	for _, begun := range []bool{true, false} {
		for _, onwards := range []bool{false, true} {
			t.Run(fmt.Sprintf("begun=%t,onwards=%t", begun, onwards), func(t *testing.T) {
				if !begun || onwards {
					testform.SkipQuick(t, "one of the four ways")
				}
				t.Parallel()
				eachFault(t, begun, onwards)
			})
		}
	}
}

func eachFault(t *testing.T, begun, onwards bool) {
	for k := 1; ; k++ {
		l := fresh(t)

		before := 0
		if begun {
			before = len(put(t, l, opening()...))
		}

		o := inject(t, l.Path(), plan{Call: k, Onwards: onwards, Errno: syscall.EIO})
		if len(o.Calls) < k { // the append has no more of them
			if o.First != "" || k < 12 {
				t.Errorf("without a fault, after %d calls: %+v", k-1, o)
			}
			t.Logf("%d faults", k-1)

			return
		}

		failed := o.Calls[k-1]
		if o.First != string(research.CodeStorage) {
			t.Errorf("call %d (%s) failed, and the append gave %q", k, failed, o.First)
		}

		if want := map[bool]string{true: string(research.CodeStorage)}[onwards]; o.Again != want {
			t.Errorf("call %d (%s) failed, and the repeated append gave %q, want %q", k, failed, o.Again, want)
		}
		synced := 0

		for _, c := range o.Repeat {
			if c == "fdatasync ledger.db" {
				synced++
			}
		}

		if !onwards && strings.HasSuffix(failed, " ledger.db") && synced < 2 {
			t.Errorf("after %s failed, the repeated append trusted what the kernel showed: %v", failed, o.Repeat)
		}
		put(t, l, keyed()...)

		rep, err := l.Verify(t.Context())
		if want := uint64(before + len(keyed())); err != nil || rep.Records != want || rep.Anchor != want {
			t.Errorf("after %s failed: %+v, %v", failed, rep, err)
		}
	}
}
