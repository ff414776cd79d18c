package hostinfo_test

import (
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ratchet/sandbox/hostinfo"
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
		busy, all, ok := hostinfo.SumCPUTime(strings.NewReader(test.stat), test.cpus)

		const tick = 10 * time.Millisecond
		if ok != test.ok || ok && (busy != time.Duration(test.busy)*tick || all != time.Duration(test.all)*tick) {
			t.Errorf("%v: %v busy of %v, %v", test.cpus, busy, all, ok)
		}
	}
}

// A process that was busy is in what the meter saw, and exactly its share is
// left out when it is told to be the run's own. Both hold however busy the rest
// of the machine is, so other tests may run beside this one, and however long
// this one is held up: what is compared was read within a moment.
func TestOutside(t *testing.T) {
	const window, slack = 800 * time.Millisecond, .15 // CPUs; ticks of 10 ms err by some hundredths
	m, started := hostinfo.StartLoad(), time.Now()

	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(window)
	cmd.Process.Kill()
	cmd.Wait()
	own := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	var all, rest, none float64
	var ok, ok2, ok3 bool

	var took time.Duration
	for moment := time.Hour; moment > took/100; moment = time.Since(started) - took {
		took = time.Since(started)
		all, ok = m.Outside(0)
		rest, ok2 = m.Outside(own)
		none, ok3 = m.Outside(time.Hour)
	}

	if !ok || !ok2 || !ok3 {
		t.Skip("this system does not tell")
	}
	share := own.Seconds() / took.Seconds()
	t.Logf("CPUs busy: %.2f, of them %.2f a process of %v, %.2f beside it", all, share, own, rest)

	if share < 2*slack {
		t.Skipf("others left the process only %v of %v", own, took)
	}

	if all < share-slack {
		t.Errorf("%.2f CPUs were busy, but one process alone used %.2f", all, share)
	}

	if left := all - rest; math.Abs(left-share) > slack {
		t.Errorf("%.2f CPUs are the run's own and %.2f were left out", share, left)
	}

	if none != 0 {
		t.Errorf("less than nothing is %v", none)
	}
}

func BenchmarkStartLoad(b *testing.B) {
	for b.Loop() {
		hostinfo.StartLoad()
	}
}
