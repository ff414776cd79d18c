package main_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/testform"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// runsOf are the runs that an experiment's records hold.
func (s *site) runsOf(job research.JobID) (runs []rules.Run) {
	s.t.Helper()

	l, err := ledger.Open(filepath.Join(s.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
	if err == nil {
		err = l.View(s.t.Context(), func(tx *ledger.Tx) (err error) {
			runs, err = tx.Runs("shrink", job)
			return err
		})
	}

	if err != nil {
		s.t.Fatal(err)
	}

	return runs
}

// A machine that sleeps during a run, or during its evaluator, voids that run: it
// is made again, and the void one counts nowhere. What is not measured may take
// its time. A machine that never stays awake is not the candidate's fault.
func TestSuspend(t *testing.T) {
	testform.SkipQuick(t, "internal/queue: TestPatienceWhileNothingRuns")
	t.Parallel()

	for _, c := range []struct {
		name, program string
		nth           int // of the commands of the experiment; 0 is all
		runs, void    int
	}{
		// A gain of a deterministic metric is measured twice.
		{"run", "", 1, 3, 1},
		{"build", "build: cp work.txt built.txt\n", 1, 2, 0},
		{"evaluator", "measure: sh bench.sh\nhands: [work.txt]\n", 2, 3, 1},
		{"always", "", 0, 3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.program != "" {
				t.Skip("make crash tries the other commands")
			}

			t.Parallel()

			bin, err := faulty()
			if err != nil {
				t.Fatal(err)
			}
			s := &story{site: newSite(t), bin: bin}
			s.write("program.md", strings.Replace(repoFiles["program.md"], "run:", c.program+"run:", 1))
			s.sh(bin, "call", "start_campaign")
			s.sh(bin, "call", "wait_run", `{"id": "c1"}`)
			s.write("work.txt", "short\n")

			a, err := s.call(fmt.Sprintf("supervise/machine.suspend:after:skip:%d", c.nth), "run_experiment",
				`{"hypothesis": "shorter"}`)
			if err != nil {
				t.Fatal(err)
			}
			void := 0

			for _, r := range s.runsOf("x1") {
				if r.Void {
					void++
				}
			}

			if n := len(s.runsOf("x1")); n != c.runs || void != c.void {
				t.Errorf("%d runs, %d of them void: %s", n, void, a.text)
			}

			if c.nth == 0 {
				if a.Verdict != "invalid" || !strings.Contains(a.Reason, "suspended") {
					t.Errorf("never awake: %s", a.text)
				}
				a, err = s.call("", "run_experiment", `{"hypothesis": "the same again"}`)
			}

			if err != nil || a.Verdict != "improved" {
				t.Errorf("%v %s", err, a.text)
			}
			s.sh(ratchet, "verify", "--recompute")
		})
	}
}

// A worker is dead and its number belongs to another process: the job is
// lost, and nobody signals the other one.
func TestReusedProcessNumber(t *testing.T) {
	testform.SkipQuick(t, "TestStaleLocks")
	t.Parallel()
	s := newSite(t)

	c := s.connect()
	defer c.close()
	c.calibrated()

	other := exec.Command("sleep", "300")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}

	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()

	defer other.Process.Kill()

	for n, look := range [][]string{{"call", "stop_run"}, {"gc"}, {"status"}, {"stop"}} {
		s.write("work.txt", fmt.Sprintf("hang %d\n", n))

		a := c.call("run_experiment", map[string]any{"hypothesis": "hang", "wait_seconds": 0})
		if a.Status != "running" {
			t.Fatal(a.text)
		}

		if err := syscall.Kill(s.worker(a.ID), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(s.dir, ".git", "ratchet", "jobs", "shrink."+a.ID)
		eventually(t, "the worker's lock to fall",
			func() bool { held, err := sandbox.Locked(file); return err == nil && !held })

		if err := os.WriteFile(file, fmt.Appendf(nil, "%d\nrun 1\n", other.Process.Pid), 0o666); err != nil {
			t.Fatal(err)
		}
		s.sh(ratchet, look...)

		a = c.call("wait_run", map[string]any{"id": a.ID})
		if a.Verdict != "invalid" || !strings.Contains(a.Reason, "worker died") {
			t.Errorf("after %v: %s", look, a.text)
		}
	}

	select {
	case err := <-ended:
		t.Errorf("the other process was signalled: %v", err)
	default:
	}
}

// What dead processes left in the files of locks and queues keeps nobody out:
// a lock is what the kernel holds, not what a file says.
func TestStaleLocks(t *testing.T) {
	t.Parallel()
	s := newSite(t)

	c := s.connect()
	defer c.close()
	c.calibrated()
	locks, common := filepath.Join(filepath.Dir(s.dir), "home", ".locks"), filepath.Join(s.dir, ".git", "ratchet")

	mine := os.Getpid() // a process that lives, and holds nothing
	for _, path := range []string{filepath.Join(locks, "measure.0"), filepath.Join(common, "jobs", "shrink.x1"),
		filepath.Join(common, "jobs", "shrink.x2")} {
		if err := os.WriteFile(path, fmt.Appendf(nil, "%d\nrun 1\n", mine), 0o666); err != nil {
			t.Fatal(err)
		}
	}

	for _, path := range []string{filepath.Join(locks, "measure.queue"), filepath.Join(common, "jobs", "shrink.turn"),
		filepath.Join(common, "ledger.lock"), filepath.Join(common, "outputs.lock")} {
		var b []byte
		for _, v := range []uint64{1000, 999, uint64(mine)} { // tickets given out, the one served, its process
			b = binary.LittleEndian.AppendUint64(b, v)
		}

		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s.write("work.txt", "short\n")

	if a := c.call("run_experiment", map[string]any{"hypothesis": "shorter"}); a.Verdict != "improved" {
		t.Error(a.text)
	}

	var report struct{ Records int }
	if err := json.Unmarshal([]byte(s.sh(ratchet, "--json", "verify")), &report); err != nil || report.Records == 0 {
		t.Errorf("%+v %v", report, err)
	}
}
