package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/testform"
	"ratchet/ledger"
)

// telltale prints all that might tell a run which job and which side it is: its
// environment, where its mounts come from, what lies beside its folders and beside its
// caches, the locks of the machine, and the files' names that others hold open.
const telltale = `
echo environment; env | sort
echo mounts; sed 's/^[0-9]* [0-9]* [0-9:]* //' /proc/self/mountinfo
echo beside; ls -A "$TMPDIR/.." "$TMPDIR/../.." "$HOME/.." "$HOME/../v" "$HOME/../runs" 2>/dev/null || true
echo locks; cat "${RATCHET_LOCKS:-/run/lock/ratchet}"/* 2>/dev/null || true
echo groups; cat /proc/self/cgroup
echo end
`

// outputOf is what a run printed, without what is drawn at random.
func (s *site) outputOf(run rules.Run) string {
	s.t.Helper()

	records, err := ledger.Open(filepath.Join(s.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
	if err != nil {
		s.t.Fatal(err)
	}

	output, err := records.Output(run.Output)
	if err != nil || !strings.Contains(string(output), "end\n") {
		s.t.Fatalf("%v: %s", err, output)
	}

	return drawn.ReplaceAllString(string(output), "…")
}

// drawn is what differs from run to run: names of folders and control groups, the seed,
// and numbers that the kernel gives to file systems.
var drawn = regexp.MustCompile(`ratchet-\d+-[A-Z0-9]+|\b[a-z2-7]{26}\b|points-\d+|RATCHET_SEED=\d+|(master|shared):\d+`)

// A version sees the same whether it is the candidate of its own experiment or the one
// that another is compared with, in a later job: nothing tells a run its job or its side.
func TestRunsCannotTellTheirSide(t *testing.T) {
	testform.SkipQuick(t, "sandbox hides names and paths")
	t.Parallel()
	s := newSite(t)
	s.write("bench.sh", repoFiles["bench.sh"]+telltale)
	s.sh("git", "commit", "-qam", "a curious benchmark")

	c := s.connect()
	defer c.close()
	c.calibrated()

	s.write("work.txt", "short one\n")
	if a := c.call("run_experiment", map[string]any{"hypothesis": "one"}); a.Verdict != "improved" {
		t.Fatal(a.text)
	}
	c.call("keep", nil)

	s.write("work.txt", "short\n")
	if a := c.call("run_experiment", map[string]any{"hypothesis": "two"}); a.Verdict != "improved" {
		t.Fatal(a.text)
	}
	c.call("revert", map[string]any{"lesson": "not yet"})

	a := c.call("measure_metric", map[string]any{"target": "start", "paired_with": "incumbent", "runs": 1,
		"wait_seconds": 50})
	for a.Status == "running" {
		a = c.call("wait_run", map[string]any{"wait_seconds": 50})
	}

	asCandidate := s.runsOf("x1")
	var asOther []rules.Run

	for _, run := range s.runsOf("m1") {
		if run.Side == rules.Incumbent {
			asOther = append(asOther, run)
		}
	}

	if len(asCandidate) == 0 || len(asOther) == 0 {
		t.Fatalf("%d and %d runs: %s", len(asCandidate), len(asOther), a.text)
	}

	first, later := s.outputOf(asCandidate[0]), s.outputOf(asOther[0])
	if first != later {
		t.Errorf("as the candidate of x1:\n%s\nlater, in m1:\n%s", first, later)
	}

	for _, word := range []string{"/x1", "/m1", "runs/x", "delta", "candidate", "incumbent", "shrink x", "pid "} {
		if strings.Contains(first, word) {
			t.Errorf("a run sees %q:\n%s", word, first)
		}
	}

	if asCandidate[0].Seed == asOther[0].Seed {
		t.Error("two jobs have the same seed")
	}
}

// Who waits for a job is told how far it is, and not which side runs: a process beside
// it that knew could load the machine at the right moments.
func TestPhaseNamesNoSide(t *testing.T) {
	testform.SkipQuick(t, "sandbox hides names and paths")
	t.Parallel()
	s := newSite(t)
	s.write("bench.sh",
		repoFiles["bench.sh"]+"while [ -e $PWD/bench.sh ] && [ -n \"$(grep hold work.txt)\" ]; do sleep .05; done\n")
	s.sh("git", "commit", "-qam", "a benchmark that can be held")

	c := s.connect()
	defer c.close()
	c.calibrated()

	s.write("work.txt", "hold\n")
	c.call("run_experiment", map[string]any{"hypothesis": "held", "wait_seconds": 0})

	said := ""
	eventually(t, "the run", func() bool {
		text, _ := os.ReadFile(filepath.Join(s.dir, ".git", "ratchet", "jobs", "shrink.x1"))
		said = string(text)

		return strings.Contains(said, "run 1")
	})
	c.call("stop_run", nil)

	if strings.Contains(said, "candidate") || strings.Contains(said, "incumbent") {
		t.Errorf("the job's file says %q", said)
	}
}

const dataSize = 24 << 20

// evictingSite has a benchmark that reads a data file of its own, and throws it out of
// memory where work.txt says so.
func evictingSite(t *testing.T, budget string) *site {
	t.Helper()
	s := newSite(t)

	if err := os.WriteFile(filepath.Join(s.dir, "data.bin"), bytes.Repeat([]byte("0123456789abcde\n"), dataSize/16),
		0o600); err != nil {
		t.Fatal(err)
	}
	s.write("bench.sh", repoFiles["bench.sh"]+
		"cat data.bin > /dev/null; if grep -q evict work.txt; then dd if=data.bin iflag=nocache count=0 2> /dev/null; fi\n")
	s.write("program.md", strings.Replace(repoFiles["program.md"], "grace: 1s", "grace: 1s"+budget, 1))
	s.sh("git", "add", "-A")
	s.sh("git", "commit", "-qm", "a benchmark that reads a file")

	return s
}

// pairOf measures the kept edit against the start: in each pair both run.
func pairOf(t *testing.T, s *site) (runs []rules.Run) {
	t.Helper()

	c := s.connect()
	defer c.close()
	c.calibrated()

	s.write("work.txt", "evict\n")
	if a := c.call("run_experiment", map[string]any{"hypothesis": "shorter"}); a.Verdict != "improved" {
		t.Fatal(a.text)
	}
	c.call("keep", nil)

	a := c.call("measure_metric", map[string]any{"target": "incumbent", "paired_with": "start", "runs": 2,
		"wait_seconds": 50})
	for a.Status == "running" {
		a = c.call("wait_run", map[string]any{"wait_seconds": 50})
	}

	if runs = s.runsOf(research.JobID("m1")); len(runs) < 4 {
		t.Fatalf("%d runs: %s", len(runs), a.text)
	}

	for _, run := range runs {
		if run.DiskRead == nil || run.MajorFaults == nil {
			t.Fatalf("run %d does not say what it read", run.Number)
		}
	}

	return runs
}

// A file that one side's runs throw out of memory is read in again before the other's.
func TestEvictedFilesAreReadInAgain(t *testing.T) {
	testform.SkipQuick(t, "internal/worker reads pages in")
	t.Parallel()

	for _, run := range pairOf(t, evictingSite(t, "")) {
		if *run.DiskRead > dataSize/4 || run.Unequal != "" {
			t.Errorf("run %d, %s, read %d bytes from disk (%s)", run.Number, run.Side, *run.DiskRead, run.Unequal)
		}
	}
}

// With `cache: cold` every run reads its files from disk, whatever ran before it.
func TestColdRunsReadFromDisk(t *testing.T) {
	testform.SkipQuick(t, "internal/worker drops pages")
	t.Parallel()

	if copied := os.Getenv("RATCHET_TIER") == "copies"; copied {
		t.Skip("in copies every tree is in memory")
	}

	if exec.Command("dd", "if=/dev/zero", "of=/dev/null", "iflag=nocache", "count=0").Run() != nil {
		t.Skip("no dd that drops files")
	}

	for _, run := range pairOf(t, evictingSite(t, ", cache: cold")) {
		if *run.DiskRead < dataSize/2 {
			t.Errorf("run %d, %s, read only %d bytes from disk", run.Number, run.Side, *run.DiskRead)
		}
	}
}
