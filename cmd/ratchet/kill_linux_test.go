package main_test

import (
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

var kills = flag.Int("kills", 0, "how often the kill -9 tests kill (0: 8, or 3 with -short)")

func killsOfEach() int {
	switch {
	case *kills > 0:
		return *kills
	case testing.Short():
		return 3
	default:
		return 8
	}
}

// A client that dies takes its server's whole process group with it. The run
// under way finishes, and a new server reports its verdict.
func TestKillServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.roomFor(killsOfEach())
	g := s.gated()
	c := s.connect()
	c.calibrated()
	text := "slow " + repoFiles["work.txt"]

	for n := 1; n <= killsOfEach(); n++ {
		g.shut()
		s.write("work.txt", fmt.Sprintf("%s%d", text, n))

		a := c.call("run_experiment", map[string]any{"hypothesis": fmt.Sprintf("edit %d", n), "wait_seconds": 0})
		if a.Status != "running" {
			t.Fatalf("trial %d: %s", n, a.text)
		}

		if n%2 == 0 { // else the run is under way for sure
			g.open()
		}
		time.Sleep(time.Duration(n%7) * 30 * time.Millisecond)
		c.kill()
		g.open()
		c = s.connect()

		a = c.call("wait_run", map[string]any{"id": fmt.Sprintf("x%d", n)})
		if a.Verdict != "regressed" || a.Value == nil || *a.Value != float64(len(text)+len(fmt.Sprint(n))) {
			t.Fatalf("trial %d: want regressed, got %s", n, a.text)
		}
	}
	c.close()
	s.sh(ratchet, "verify")
}

// A worker that dies takes every process of its run with it. The loss is
// recorded, and the next experiment works.
func TestKillWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mark := fmt.Sprintf("3%d", time.Now().UnixNano()%1e9)
	s.write("bench.sh", "grep -q '^long' work.txt && { setsid sleep "+mark+" & sleep "+mark+
		"; }\necho METRIC size=$(wc -c < work.txt)\n")
	s.roomFor(killsOfEach())
	s.sh("git", "commit", "-qam", "a benchmark with a daemon")

	c := s.connect()
	defer c.close()
	c.calibrated()

	for n := 1; n <= killsOfEach(); n++ {
		s.write("work.txt", fmt.Sprintf("long %d\n", n))
		a := c.call("run_experiment", map[string]any{"hypothesis": fmt.Sprintf("hang %d", n), "wait_seconds": 0})

		job := a.ID
		if a.Status != "running" {
			t.Fatalf("trial %d: %s", n, a.text)
		}
		eventually(t, "the run to start", func() bool { return len(alive(mark)) > 0 })
		time.Sleep(time.Duration(n%5) * 10 * time.Millisecond)

		if err := syscall.Kill(s.worker(job), syscall.SIGKILL); err != nil {
			t.Fatalf("trial %d: kill the worker: %v", n, err)
		}
		eventually(t, "the run's processes to die", func() bool { return len(alive(mark)) == 0 })

		a = c.call("wait_run", map[string]any{"id": job})
		if a.Verdict != "invalid" || !strings.Contains(a.Reason, "worker died") {
			t.Fatalf("trial %d: want invalid with the loss, got %s", n, a.text)
		}
	}
	s.write("work.txt", "short\n")

	a := c.call("run_experiment", map[string]any{"hypothesis": "an honest edit after the losses"})
	if a.Verdict != "improved" {
		t.Fatalf("after the losses: %s", a.text)
	}

	if out := s.sh(ratchet, "verify"); out == "" {
		t.Fatal("verify says nothing")
	}
}

// patience is how long tests wait for what must merely happen. It costs nothing
// where it happens, and a busy machine may need long.
const patience = 3 * time.Minute

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()

	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		late := time.Now().After(end)

		if ok() {
			return
		}

		if late {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// roomFor gives the campaign a budget of more than n experiments.
func (s *site) roomFor(n int) {
	s.write("program.md", strings.Replace(repoFiles["program.md"], "budget:",
		fmt.Sprintf("campaign: {experiments: %d}\nbudget:", n+10), 1))
}
