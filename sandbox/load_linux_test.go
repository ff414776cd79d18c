package sandbox_test

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"ratchet/sandbox"
)

func TestSumCPUTime(t *testing.T) {
	const stat = "cpu  9999 9999 9999 9999 9999 9999 9999 9999 9999 9999\n" +
		"cpu0 100 20 3 1000 500 4 5 6 90 10\n" +
		"cpu1 7000 0 0 1 0 0 0 0 0 0\n" +
		"cpu10 1 1 1 10 10 1 1 1 0 0\n" +
		"intr 5 0 0\nctxt 7\n"
	for _, test := range []struct {
		stat      string
		cpus      []int
		busy, all int // ticks of 10 ms
		ok        bool
	}{
		{stat, []int{0}, 138, 1638, true}, // without idle, iowait; guest not twice; with stolen time
		{stat, []int{0, 10}, 144, 1664, true},
		{stat, []int{0, 2}, 138, 1638, false},
		{stat, nil, 0, 0, false},
		{"intr 5\n", []int{0}, 0, 0, false},
		{"cpu0 1 2 3 x 5 6 7 8 9 10\n", []int{0}, 0, 0, false},
	} {
		busy, all, ok := sandbox.SumCPUTime(strings.NewReader(test.stat), test.cpus)
		const tick = 10 * time.Millisecond
		if ok != test.ok || ok && (busy != time.Duration(test.busy)*tick || all != time.Duration(test.all)*tick) {
			t.Errorf("%v: %v busy of %v, %v", test.cpus, busy, all, ok)
		}
	}
}

// burn keeps one CPU busy in another process for as long as it says, and tells
// what CPU time that took.
func burn(t *testing.T, wall time.Duration) time.Duration {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(wall)
	cmd.Process.Kill()
	cmd.Wait()
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// A busy process shows, as others than the run or, if it is told to be the
// run, not at all. The machine may be shared: what else happens on it may
// spoil a try, so one of several has to do.
func TestOutside(t *testing.T) {
	const window = 400 * time.Millisecond
	full := true
	for range 4 {
		m := sandbox.StartLoad()
		time.Sleep(window)
		quiet, ok := m.Outside(0)
		m = sandbox.StartLoad()
		own := burn(t, window)
		busy, ok2 := m.Outside(0)
		rest, ok3 := m.Outside(own)
		if none, ok := m.Outside(time.Hour); ok && none != 0 {
			t.Errorf("less than nothing is %v", none)
		}
		if !ok || !ok2 || !ok3 {
			t.Skip("this system does not tell")
		}
		t.Logf("CPUs busy: %.2f before, %.2f while a process used %v, %.2f beside it", quiet, busy, own, rest)
		if busy-quiet >= .3 && busy-rest >= .3 && rest-quiet < .3 {
			return
		}
		full = full && quiet > float64(runtime.NumCPU())-.6
	}
	if full {
		t.Skip("others use all of the machine")
	}
	t.Error("one busy process does not show, or shows as others' though it is the run's own")
}

func BenchmarkStartLoad(b *testing.B) {
	for b.Loop() {
		sandbox.StartLoad()
	}
}
