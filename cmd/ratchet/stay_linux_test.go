package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/testform"
	"ratchet/ledger"
)

// stayingWorker is the number of the site's one worker that stays.
func (s *site) stayingWorker() string {
	s.t.Helper()

	pids := s.lockHolders("*.standby")
	if len(pids) != 1 {
		s.t.Fatalf("the workers that stay are %v, want one", pids)
	}

	return pids[0]
}

// gone says whether the process has ended; init may take its time to reap it.
func gone(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	_, state, _ := strings.Cut(string(stat), ") ")

	return err != nil || strings.HasPrefix(state, "Z")
}

// One process does the jobs of a campaign, whichever session asks and whatever
// becomes of the sessions, and ends when the campaign rests or ends.
func TestWorkerStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect()
	c.calibrated()
	pid := s.stayingWorker()

	edits := 0
	try := func(c *client) {
		t.Helper()
		edits++
		s.write("work.txt", fmt.Sprintf("short %d\n", edits))

		if a := c.call("run_experiment", map[string]any{"hypothesis": fmt.Sprint("shorter ", edits)}); a.Verdict !=
			"improved" {
			t.Fatal(a.text)
		}
		c.call("revert", map[string]any{"lesson": "not yet"})
	}

	try(c)
	try(c)
	c.kill()

	c = s.connect()
	defer c.close()
	c.call("start_campaign", nil)
	try(c)

	if now := s.stayingWorker(); now != pid {
		t.Errorf("process %s did the first jobs, %s the last", pid, now)
	}

	s.sh(ratchet, "stop")
	eventually(t, "the worker's end", func() bool { return gone(pid) })
}

// A worker that stays ends with its campaign.
func TestWorkerEndsWithItsCampaign(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect()
	defer c.close()
	c.calibrated()
	pid := s.stayingWorker()

	s.sh(ratchet, "abandon")
	eventually(t, "the worker's end", func() bool { return gone(pid) })
}

// The worker's program is replaced, its home vanishes, it is killed while it has no
// job: the next experiment is like any other.
func TestWorkerStaysNoLongerThanItMay(t *testing.T) {
	testform.SkipQuick(t, "internal/host: TestStayingWorkerExitsWhenIdle and the like")
	t.Parallel()
	s := newSite(t)
	s.other = filepath.Join(t.TempDir(), "ratchet")
	replace := func() {
		t.Helper()

		content, err := os.ReadFile(ratchet)
		if err == nil {
			err = os.WriteFile(s.other+".new", content, 0o755)
		}

		if err == nil {
			err = os.Rename(s.other+".new", s.other)
		}

		if err != nil {
			t.Fatal(err)
		}
	}
	replace()

	c := s.connect()
	defer c.close()
	c.calibrated()

	for n, harm := range []struct {
		what  string
		other bool // another process does the next job
		do    func(workers []string)
	}{
		{"replacing its program", true, func([]string) { replace() }},
		{"killing it", true, func(workers []string) {
			for _, pid := range workers {
				var number int
				if _, err := fmt.Sscan(pid, &number); err != nil || syscall.Kill(number, syscall.SIGKILL) != nil {
					t.Fatalf("process %s can't be killed", pid)
				}
				eventually(t, "the worker's end", func() bool { return gone(pid) })
			}
		}},
		{"removing its home", false, func([]string) {
			if err := os.RemoveAll(filepath.Join(filepath.Dir(s.dir), "home")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		before := s.lockHolders("*.standby")
		harm.do(before)
		s.write("work.txt", fmt.Sprintf("short %d\n", n))

		a := c.call("run_experiment", map[string]any{"hypothesis": fmt.Sprint("shorter ", n)})
		if a.Verdict != "improved" {
			t.Errorf("after %s: %s", harm.what, a.text)
		}
		c.call("revert", map[string]any{"lesson": "not yet"})

		known := map[string]bool{}
		for _, pid := range before {
			known[pid] = true
		}
		others := 0

		for _, pid := range s.lockHolders("*.standby") {
			if !known[pid] {
				others++
			}
		}

		if harm.other != (others == 1) {
			t.Errorf("after %s: %d new workers", harm.what, others)
		}
	}
	s.sh(ratchet, "verify", "--recompute")
}

// nosy prints whatever a run can see of its worker and of the run before, and leaves
// something of everything behind.
const nosy = `
echo "environment"; env | grep -v '^RATCHET_SEED=\|^TMPDIR=' | sort
echo "folder $(pwd)"; ls -A
echo "umask $(umask)"; ulimit -a
echo "descriptors"; ls /proc/self/fd
echo "home"; find "$HOME" | sort
echo "temp"; find "$TMPDIR" -mindepth 1; find /tmp /dev/shm -mindepth 1 -maxdepth 1 2>/dev/null
echo "groups"; cat /proc/self/cgroup
all=$(ls /proc); echo "processes"; echo "$all" | grep -c '^[0-9]'
echo left > left.txt; echo left > "$HOME/left"; echo left > "$TMPDIR/left"; echo left > /dev/shm/left
export LEFT=left; umask 0; cd "$HOME"; sleep 600 & sleep 600 < "$HOME/left" &
true
`

// A run in a worker that has done other jobs sees what it sees in a new one.
func TestRunsSeeNothingOfEarlierJobs(t *testing.T) {
	testform.SkipQuick(t, "internal/host: TestStayingWorkerIsLikeANewOne")
	t.Parallel()
	s := newSite(t)
	s.write("bench.sh", repoFiles["bench.sh"]+nosy)
	s.sh("git", "commit", "-qam", "a nosy benchmark")

	seen := func(c *client, text string) string {
		t.Helper()
		s.write("work.txt", text)

		a := c.call("run_experiment", map[string]any{"hypothesis": text})
		if a.Verdict != "improved" {
			t.Fatal(a.text)
		}
		c.call("revert", map[string]any{"lesson": "not yet"})
		runs := s.runsOf(research.NewJobID(research.ExperimentJob, a.Experiment))

		records, err := ledger.Open(filepath.Join(s.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}

		output, err := records.Output(runs[len(runs)-1].Output)
		if err != nil || !strings.Contains(string(output), "processes\n") {
			t.Fatalf("%v: %s", err, output)
		}

		return varying.ReplaceAllString(string(output), "…")
	}

	c := s.connect()
	c.calibrated()
	seen(c, "short one\n")
	pid := s.stayingWorker()
	used := seen(c, "short two\n")

	if now := s.stayingWorker(); now != pid {
		t.Fatal("two workers did two jobs")
	}
	c.close()

	s.env = append(s.env, "RATCHET_WORKER_IDLE=0s")
	c = s.connect()
	defer c.close()
	c.call("start_campaign", nil)

	if fresh := seen(c, "short six\n"); fresh != used {
		t.Errorf("in a worker that has done jobs:\n%s\nin a new one:\n%s", used, fresh)
	}
}

// varying is what differs from run to run: the name of its control group.
var varying = regexp.MustCompile(`ratchet-\d+-[A-Z0-9]+`)
