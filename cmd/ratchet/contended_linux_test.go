package main_test

import (
	"os/exec"
	"testing"

	"ratchet/internal/testform"
)

// Load from outside can't change a deterministic number: a pair that it
// disturbed is not made again, and it is recorded that it was disturbed.
func TestContendedDeterministicPairs(t *testing.T) {
	testform.SkipQuick(t, "loop.txtar pairs nothing that is deterministic")
	s := newSite(t)
	s.write("bench.sh", "sleep 0.3\n"+repoFiles["bench.sh"])
	s.sh("git", "commit", "-qam", "a slower benchmark")

	load := exec.Command("sh", "-c", "while :; do :; done")
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}

	defer func() { _ = load.Process.Kill(); _ = load.Wait() }()

	c := s.connect()
	defer c.close()
	c.calibrated()

	a := c.call("measure_metric", map[string]any{"target": "incumbent", "paired_with": "start", "runs": 2,
		"wait_seconds": 50})
	for a.Status == "running" {
		a = c.call("wait_run", map[string]any{"wait_seconds": 50})
	}

	runs, contended := s.runsOf("m1"), false
	for _, r := range runs {
		contended = contended || r.Contended
		if r.Again {
			t.Errorf("run %d repeats half of pair %d", r.Number, r.Pair)
		}
	}

	if len(runs) != 4 {
		t.Errorf("two pairs are %d runs: %s", len(runs), a.text)
	}

	if !contended {
		t.Skip("the load of another process is not seen on this machine")
	}
}
