package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/ledger"
	"ratchet/sandbox"
)

const overtakenProgram = `---
name: shrink
edit: work.txt
metric: {name: cost, better: lower, unit: ms, noise: deterministic}
run: sh bench.sh
budget: {wall: 120s, grace: 1s}
---
Every kind of line counts by its best.
`

// overtaken is a campaign whose first two of four keeps bring nothing any more.
func overtaken(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.write("bench.sh", `sleep 0.06
awk '$2 > best[$1] { best[$1] = $2 } END { c = 1000; for (k in best) c -= best[k]; print "METRIC cost=" c }' work.txt`+
		"\n")
	s.write("work.txt", "start\n")
	s.write("program.md", overtakenProgram)
	s.sh("git", "commit", "-qam", "best of each")
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run")

	text := "start\n"
	for _, line := range []string{"p 10", "q 10", "p 20", "q 20"} {
		text += line + "\n"
		s.write("work.txt", text)
		s.sh(ratchet, "call", "run_experiment", fmt.Sprintf(`{"hypothesis": %q}`, line))
		s.sh(ratchet, "call", "keep")
	}

	return s
}

// runsNow is how many runs the ledger has.
func (s *site) runsNow() (runs int) {
	s.t.Helper()

	err := s.ledger().View(context.Background(), func(tx *ledger.Tx) error {
		return tx.Records(1, func(r history.Record) error {
			if r.Kind == history.KindRunFinished {
				runs++
			}

			return nil
		})
	})
	if err != nil {
		s.t.Fatal(err)
	}

	return runs
}

// A finalize that is killed, by itself or with the worker that measures for
// it, goes on where it was: no run is made twice. What one decided is recomputed.
func TestFinalizeKilled(t *testing.T) {
	testform.SkipQuick(t, "internal/finalize: TestFinalizeDropsWhatDoesNotPay")
	t.Parallel()
	s := overtaken(t)
	before := s.runsNow()
	s.sh(ratchet, "finalize", "--stack")
	whole := s.runsNow()
	want := s.sh("git", "log", "--format=%T %s", "main..ratchet/shrink-final")
	t.Run("recomputed", func(t *testing.T) { isRecomputed(t, s) })

	for _, how := range []string{"both", "the command"} {
		t.Run(how, func(t *testing.T) {
			if how != "both" && testing.Short() {
				t.Skip("only with both killed in the short form")
			}
			t.Parallel()

			s := overtaken(t)
			for tries := 1; !s.killFinalize(t, how == "both"); tries++ {
				if tries == 5 { // this process had no CPU while a whole finalize ran, again and again
					t.Fatal("it was killed too late, every time")
				}
				s = overtaken(t)
			}
			s.sh(ratchet, "finalize", "--stack")

			if runs := s.runsNow(); runs != whole {
				t.Errorf("%d runs, %d without the kills", runs-before, whole-before)
			}

			if got := s.sh("git", "log", "--format=%T %s", "main..ratchet/shrink-final"); got != want {
				t.Errorf("it made\n%s, without the kills\n%s", got, want)
			}
			s.sh(ratchet, "verify", "--recompute")
		})
	}
}

// killFinalize kills a finalize twice, in the middle. It says whether it came in time.
func (s *site) killFinalize(t *testing.T, both bool) bool {
	t.Helper()

	for kills := 1; kills <= 2; kills++ {
		cmd := exec.Command(ratchet, "finalize", "--stack")
		cmd.Dir, cmd.Env = s.dir, s.env
		var said strings.Builder

		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		job := string(research.NewJobID(research.MeasurementJob, 2*kills))

		var pid int
		for until := time.Now().Add(patience); pid == 0 && time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
			pid = s.worker(job)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()

		if pid == 0 {
			t.Fatalf("%s was never begun: %s", job, said.String())
		}

		if held, err := sandbox.Locked(filepath.Join(s.dir, ".git", "ratchet", "jobs", "shrink."+job)); both &&
			err == nil && held {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}

		if _, err := os.Stat(filepath.Join(s.dir, ".git/refs/heads/ratchet/shrink-final")); err == nil {
			return false
		}
	}

	return true
}

// isRecomputed: what a finalize decided can't be altered: the runs say otherwise.
func isRecomputed(t *testing.T, s *site) {
	t.Helper()

	for _, c := range []struct{ kind, old, now, says string }{
		{"ablation.finished", `"dropped":[{"n":1,"why":"no gain shown"`, `"dropped":[{"n":1,"why":"hurts"`,
			"recorded as"},
		{"ablation.finished", `"dropped":[{"n":1`, `"dropped":[{"n":3`, "recorded as dropping"},
		{"ablation.started", `"least":0`, `"least":5`, "noise"},
		{"campaign.finalized", `"dropped":[1,2]`, `"dropped":[1]`, "does not say"},
		{"campaign.finalized", `"stack":[{`, `"stack":[{"gain":{"mid":7,"lo":7,"hi":7},`, ""},
	} {
		met := false
		err := s.recomputed(func(r *history.Record) {
			if string(r.Kind) == c.kind && strings.Contains(string(r.Body), c.old) {
				met = true
				r.Body = []byte(strings.Replace(string(r.Body), c.old, c.now, 1))
			}
		})

		if !met {
			t.Errorf("%s: no record has %s", c.kind, c.old)
		}

		if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s with %s: %v, want an error with %q", c.kind, strconv.Quote(c.now), err, c.says)
		}
	}
}

// recomputed derives everything from the ledger's records, altered.
func (s *site) recomputed(alter func(*history.Record)) error {
	s.t.Helper()
	var records []history.Record

	err := s.ledger().View(context.Background(), func(tx *ledger.Tx) error {
		return tx.Records(1, func(r history.Record) error {
			records = append(records, r)
			return nil
		})
	})
	if err != nil {
		s.t.Fatal(err)
	}

	return history.Recompute(func(yield func(history.Record) bool) {
		for _, r := range records {
			alter(&r)

			if !yield(r) {
				return
			}
		}
	})
}
