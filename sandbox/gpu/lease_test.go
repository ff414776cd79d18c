package gpu_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/sandbox"
	"ratchet/sandbox/gpu"
)

func lease(t *testing.T, d gpu.Driver, n int) *gpu.Lease {
	t.Helper()

	l, err := gpu.Acquire(t.Context(), d, gpu.Request{N: n, Who: "test", Tick: time.Millisecond,
		Settle: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release(t, l, d) })

	return l
}

func release(t *testing.T, l *gpu.Lease, d gpu.Driver) map[string]string {
	t.Helper()

	quarantined, err := l.Release(context.Background(), d)
	if err != nil {
		t.Error(err)
	}

	return quarantined
}

// refused says how a lease of n devices fails when it should not wait.
func refused(t *testing.T, d gpu.Driver, n int) string {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	l, err := gpu.Acquire(ctx, d, gpu.Request{N: n, Tick: time.Millisecond, Settle: 20 * time.Millisecond})
	if err == nil {
		t.Fatalf("it leased %v", l.UUIDs())
	}

	return fmt.Sprintf("%s: %s", research.Describe(err).Code, err)
}

func TestLeaseChoice(t *testing.T) {
	for name, test := range map[string]struct {
		change func(f *fake)
		n      int
		want   string
	}{
		"equal":        {func(f *fake) {}, 1, "GPU-0"},
		"most free":    {func(f *fake) { f.used(t, "GPU-0", 900*mib); f.used(t, "GPU-1", 600*mib) }, 1, "GPU-2"},
		"in bus order": {func(f *fake) { f.used(t, "GPU-0", 900*mib) }, 3, "GPU-0 GPU-1 GPU-2"},
		"nobody computes": {func(f *fake) {
			f.used(t, "GPU-0",
				0)
			f.machine.Processes["GPU-0"] = []gpu.Process{{PID: 7}}
		}, 1, "GPU-1"},
		"a display may be": {func(f *fake) {
			f.used(t, "GPU-0", 0)
			f.machine.Processes["GPU-0"] = []gpu.Process{{PID: 7, Graphics: true}}
		}, 1, "GPU-0"},
		"instance": {func(f *fake) {
			f.machine.Devices = nil
			f.add(gpu.Device{UUID: "MIG-GPU-0/3/0", MIG: true, Memory: 10240 * mib})
		}, 1, "MIG-GPU-0/3/0"},
		"several are whole": {func(f *fake) { f.add(gpu.Device{UUID: "MIG-1", MIG: true, Memory: 1 << 60}) }, 2,
			"GPU-0 GPU-1"},
		"no memory of their own": {func(f *fake) {
			for i := range 3 {
				f.used(t, fmt.Sprintf("GPU-%d", i), gpu.Unknown)
			}
		}, 1, "GPU-0"},
	} {
		t.Run(name, func(t *testing.T) {
			lockFolder(t)
			f := newFake(3)
			test.change(f)

			l := lease(t, f, test.n)
			if got := strings.Join(l.UUIDs(), " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}

			if q := release(t, l, f); q != nil {
				t.Errorf("quarantined: %v", q)
			}

			if got := strings.Join(lease(t, f, test.n).UUIDs(), " "); got != test.want {
				t.Errorf("the second time %s, want %s", got, test.want)
			}
		})
	}
}

func TestLeaseRefused(t *testing.T) {
	lockFolder(t)
	f := newFake(2)
	f.add(gpu.Device{UUID: "MIG-1", MIG: true})
	f.add(gpu.Device{UUID: "MIG-2", MIG: true})

	for _, test := range []struct {
		d    gpu.Driver
		n    int
		want string
	}{
		{f, 0, "bad_argument: no lease can have 0 GPUs"},
		{f, 3, "unsupported: 3 GPUs are asked for, and this machine can lease 2 at a time"},
		{newFake(0), 1, "unsupported: 1 GPUs are asked for, and this machine can lease 0 at a time"},
		{&fake{machine: machine{Failure: "the driver is gone"}}, 1, "internal: the driver is gone"},
	} {
		if got := refused(t, test.d, test.n); got != test.want {
			t.Errorf("%d: got %q, want %q", test.n, got, test.want)
		}
	}
}

// Two leases of 2 of 3 GPUs exclude each other, the waiting is told, and what
// is not enough is not held meanwhile.
func TestLeaseWaits(t *testing.T) {
	lockFolder(t)
	f := newFake(3)
	first := lease(t, f, 2)
	told := make(chan gpu.Wait, 9)
	done := make(chan string, 1)

	go func() {
		l, err := gpu.Acquire(t.Context(), f,
			gpu.Request{N: 2, Tick: time.Millisecond, Waiting: func(w gpu.Wait) { told <- w }})
		if err != nil {
			t.Error(err)
		}
		got := strings.Join(l.UUIDs(), " ")
		release(t, l, f)

		done <- got
	}()

	if d := cmp.Diff(gpu.Wait{Position: 1, Holders: []string{"test"}}, <-told); d != "" {
		t.Error(d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	behind := 0

	_, err := gpu.Acquire(ctx, f, gpu.Request{N: 1, Tick: time.Millisecond,
		Waiting: func(w gpu.Wait) { behind = w.Position; cancel() }})
	if !errors.Is(err, context.Canceled) || behind != 2 {
		t.Errorf("one GPU is free, but somebody is first: %v, position %d", err, behind)
	}

	select {
	case got := <-done:
		t.Fatalf("it got %s", got)
	default:
	}
	release(t, first, f)

	if got := <-done; !strings.Contains(got, "GPU-0") { // with GPU-1, or with what was free already
		t.Errorf("it got %s", got)
	}
}

// A request for all GPUs gets them although others keep taking single ones.
func TestNobodyStarves(t *testing.T) {
	lockFolder(t)
	f := newFake(2)
	ctx, cancel := context.WithCancel(t.Context())

	var singles sync.WaitGroup
	for range 4 {
		singles.Go(func() {
			for ctx.Err() == nil {
				l, err := gpu.Acquire(ctx, f, gpu.Request{N: 1, Tick: time.Millisecond})
				if err == nil {
					time.Sleep(2 * time.Millisecond)
					release(t, l, f)
				}
			}
		})
	}

	for range 5 {
		release(t, lease(t, f, 2), f)
	}
	cancel()
	singles.Wait()
}

// start runs this binary as a helper and returns its first line.
func start(t *testing.T, helper string) (c *exec.Cmd, line string) {
	t.Helper()

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c = exec.Command(exe)

	c.Env = append(os.Environ(), helperVariable+"="+helper)

	out, err := c.StdoutPipe()
	if err := errors.Join(err, c.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })

	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}

	return c, strings.TrimSpace(line)
}

// A lease falls with a holder that is killed; the next one looks at the memory
// first, waits for it, and sends a device whose memory does not come back to quarantine.
func TestHolderKilled(t *testing.T) {
	for name, test := range map[string]struct {
		left int64 // memory in use after the kill
		back bool  // it comes back a little later
		want string
	}{
		"clean": {500 * mib, false, "GPU-0 GPU-1"},
		"slow":  {3000 * mib, true, "GPU-0 GPU-1"},
		"never": {3000 * mib, false, "unsupported: 2 GPUs are asked for, and 1 can be leased " +
			"(GPU-1: in quarantine: 3000 MiB are in use 20ms after a run's end, 500 MiB before it)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := lockFolder(t)
			f := newFake(2)
			f.file = filepath.Join(t.TempDir(), "machine")
			f.change(t, func(*machine) {})

			c, got := start(t, "hold 2 "+f.file)
			if got != "GPU-0,GPU-1" {
				t.Fatal(got)
			}

			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()

			if _, err := gpu.Acquire(ctx, f, gpu.Request{N: 1, Tick: time.Millisecond}); !errors.Is(err,
				context.DeadlineExceeded) {
				t.Fatalf("both are held: %v", err)
			}
			f.used(t, "GPU-1", test.left)
			c.Process.Kill()
			c.Wait()

			if test.back {
				timer := time.AfterFunc(10*time.Millisecond, func() { f.used(t, "GPU-1", 540*mib) })
				defer timer.Stop()
			}

			if !strings.Contains(test.want, ":") {
				settle := time.Minute

				l, err := gpu.Acquire(t.Context(), f, gpu.Request{N: 2, Tick: time.Millisecond, Settle: settle})
				if err != nil || strings.Join(l.UUIDs(), " ") != test.want {
					t.Fatal(l, err)
				}
				release(t, l, f)
			} else if got := refused(t, f, 2); got != test.want {
				t.Errorf("got %s", got)
			}

			if held, _ := sandbox.Locked(filepath.Join(dir, "gpu-GPU-0.lock")); held {
				t.Error("a lock is left")
			}
		})
	}
}

// Quarantine ends when the memory is back, or a person says so.
func TestQuarantine(t *testing.T) {
	lockFolder(t)
	f := newFake(2)
	quarantine := func() {
		t.Helper()
		l := lease(t, f, 2)
		f.used(t, "GPU-0", 2000*mib)

		want := map[string]string{"GPU-0": "2000 MiB are in use 20ms after a run's end, 500 MiB before it"}
		if d := cmp.Diff(want, release(t, l, f)); d != "" {
			t.Fatal(d)
		}

		if got := lease(t, f, 1).UUIDs()[0]; got != "GPU-1" {
			t.Fatalf("leased %s", got)
		}

		if got := refused(t, f, 2); !strings.HasPrefix(got,
			"unsupported: 2 GPUs are asked for, and 1 can be leased (GPU-0: in quarantine: ") {
			t.Fatal(got)
		}
	}
	quarantine()

	list, err := gpu.Survey(f)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}

	if s := list[0]; s.Held || s.Quarantine == nil || s.MemoryUsed != 2000*mib ||
		time.Since(s.Quarantine.Since) > time.Minute {
		t.Errorf("%+v", s)
	}

	if s := list[1]; !s.Held || s.Holder != "test" || s.Quarantine != nil {
		t.Errorf("%+v", s)
	}

	if err := gpu.Clear("GPU-1"); research.Describe(err).Code != research.CodeBusy {
		t.Errorf("cleared what is leased: %v", err)
	}

	if err := gpu.Clear("GPU-7"); research.Describe(err).Code != research.CodeNotFound {
		t.Errorf("cleared what is not there: %v", err)
	}

	if err := gpu.Clear("GPU-0"); err != nil {
		t.Error(err)
	}

	if got := lease(t, f, 1).UUIDs()[0]; got != "GPU-0" {
		t.Errorf("leased %s", got)
	}
}

func TestQuarantineEndsByItself(t *testing.T) {
	lockFolder(t)
	f := newFake(1)
	l := lease(t, f, 1)
	f.used(t, "GPU-0", 2000*mib)

	if release(t, l, f) == nil {
		t.Fatal("no quarantine")
	}
	f.used(t, "GPU-0", 510*mib)
	lease(t, f, 1)
}

// What the record of a device says can't be read: it must show that it is idle.
func TestBrokenRecord(t *testing.T) {
	dir := lockFolder(t)
	f := newFake(1)

	if err := errors.Join(os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "gpu-GPU-0.json"), []byte(`{"uuid":`), 0o600)); err != nil {
		t.Fatal(err)
	}

	if got := refused(t, f, 1); !strings.Contains(got, "in quarantine") {
		t.Error(got)
	}
	f.used(t, "GPU-0", 3*mib)
	lease(t, f, 1)
}

// A driver that dies while a lease is held leaves the looking to the next holder.
func TestDriverDiesInLease(t *testing.T) {
	lockFolder(t)
	f := newFake(1)
	l := lease(t, f, 1)
	f.used(t, "GPU-0", 2000*mib)
	f.change(t, func(m *machine) { m.Failure = "gone" })

	if _, err := l.Release(t.Context(), f); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("got %v", err)
	}
	f.change(t, func(m *machine) { m.Failure = "" })

	if got := refused(t, f, 1); !strings.Contains(got, "in quarantine: 2000 MiB") {
		t.Error(got)
	}
}

// Many processes lease and release; no device has two holders, and none waits for ever.
func TestLeasesOfManyProcesses(t *testing.T) {
	lockFolder(t)
	f := newFake(4)
	f.file = filepath.Join(t.TempDir(), "machine")
	f.change(t, func(*machine) {})

	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			if _, got := start(t, fmt.Sprintf("churn %s %d 8", f.file, 1+i%4)); got != "done" {
				t.Error(got)
			}
		})
	}
	all.Wait()
}

// churn leases n devices several times, and marks each by a folder that only one can make.
func churn(file string, n, times int) {
	marks := filepath.Dir(file)

	f := &fake{file: file}
	for range times {
		l, err := gpu.Acquire(context.Background(), f, gpu.Request{N: n, Tick: time.Millisecond})
		if err != nil || len(l.UUIDs()) != n {
			fmt.Println(l, err)
			return
		}

		for _, uuid := range l.UUIDs() {
			if err := os.Mkdir(filepath.Join(marks, uuid), 0o700); err != nil {
				fmt.Println(err)
				return
			}
		}
		time.Sleep(time.Millisecond)

		for _, uuid := range l.UUIDs() {
			os.Remove(filepath.Join(marks, uuid))
		}

		if q, err := l.Release(context.Background(), f); q != nil || err != nil {
			fmt.Println(q, err)
			return
		}
	}
	fmt.Println("done")
}
