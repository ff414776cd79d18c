package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/worker"
)

func TestDoctor(t *testing.T) {
	t.Parallel()

	files := map[string]string{"program.md": `---
edit: candidate.sh
metric: {name: x, better: lower, noise: deterministic}
run: "sh candidate.sh"
budget: {wall: 20s, grace: 1s}
---
`, "candidate.sh": "echo METRIC x=1\n"}
	c := newCheckout(t, files)
	var phases []string

	h, err := worker.Doctor(t.Context(), c.Checkout, worker.DoctorRequest{Canary: true, Say: func(phase string) { phases = append(phases, phase) }})
	c.must(err)

	if h.Problem != "" || h.Runs == 0 || h.Tier == "" || len(h.Gives) == 0 || !strings.Contains(h.Finding, "1") {
		t.Errorf("health: %+v", h)
	}

	if len(h.Canaries) != 4 {
		t.Fatalf("canaries: %+v", h.Canaries)
	}

	for _, canary := range h.Canaries {
		if !canary.Held || canary.Verdict == "" || canary.Finding == "" {
			t.Errorf("the canary %s: %+v", canary.Name, canary)
		}
	}

	if evaluator := h.Canaries[2]; evaluator.Verdict != research.Invalid {
		t.Errorf("the canary that forges the evaluator: %+v", evaluator)
	}

	if said := strings.Join(phases, "\n"); !strings.Contains(said, "canary printed: run 1") {
		t.Errorf("what was said:\n%s", said)
	}
}

// TestDoctorReadsAFile has a metric in a file, and runs that read what is not tracked.
func TestDoctorReadsAFile(t *testing.T) {
	t.Parallel()

	c := newCheckout(t, map[string]string{"program.md": `---
edit: candidate.sh
metric: {name: x, better: lower, noise: deterministic, from: "file:out/x.json#/value"}
carry: [deps]
reads: ["~/data"]
writes: [out]
run: "mkdir -p out; sh candidate.sh > out/x.json"
budget: {wall: 20s, grace: 1s}
---
`, "candidate.sh": "echo \"{\\\"value\\\": $(cat deps/number)$(cat ~/data)}\"\n", ".gitignore": "deps\n", "deps/number": "4"})
	writeFile(t, filepath.Join(os.Getenv("HOME"), "data"), "2")

	h, err := worker.Doctor(t.Context(), c.Checkout, worker.DoctorRequest{Say: func(string) {}})
	c.must(err)

	if h.Problem != "" || !strings.Contains(h.Finding, "42") {
		t.Errorf("health: %+v", h)
	}
}

// Without a word in the program runs see the dependencies of the packages below it, and
// not those that lie in dependencies.
func TestNestedDependenciesAreSeen(t *testing.T) {
	t.Parallel()

	c := newCheckout(t, map[string]string{"program.md": `---
edit: candidate.sh
metric: {name: x, better: lower, noise: deterministic}
run: "sh candidate.sh"
---
`, "candidate.sh": "echo METRIC x=$(cat node_modules/a packages/kit/node_modules/b bench/node_modules/c)\n" +
		"test ! -e bench/node_modules/node_modules\n", ".gitignore": "node_modules\n", "node_modules/a": "1",
		"packages/kit/node_modules/b": "2", "bench/node_modules/c": "3"})

	h, err := worker.Doctor(t.Context(), c.Checkout, worker.DoctorRequest{Say: func(string) {}})
	c.must(err)

	if h.Problem != "" || !strings.Contains(h.Finding, "123") {
		t.Errorf("health: %+v", h)
	}
}

func TestDoctorFindsProblems(t *testing.T) {
	t.Parallel()

	files := map[string]string{"program.md": `---
edit: candidate.sh
metric: {name: x, better: lower}
run: "sh candidate.sh"
---
`, "candidate.sh": "echo no such thing; exit 4\n"}
	c := newCheckout(t, files)

	h, err := worker.Doctor(t.Context(), c.Checkout, worker.DoctorRequest{Say: func(string) {}})
	c.must(err)

	if !strings.Contains(h.Problem, "exit code 4") || !strings.Contains(h.Excerpt, "no such thing") {
		t.Errorf("health: %+v", h)
	}
}

func TestDoctorNeedsAProgram(t *testing.T) {
	t.Parallel()

	c := newCheckout(t, map[string]string{"candidate.sh": "true\n"})

	if _, err := worker.Doctor(t.Context(), c.Checkout, worker.DoctorRequest{Say: func(string) {}}); err == nil ||
		research.HasCode(err, research.CodeStorage) {
		t.Errorf("without a program: %v", err)
	}
}
