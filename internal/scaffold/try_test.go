package scaffold_test

import (
	"context"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/scaffold"
)

// choose lets init choose in a tree, with trials that answer by the command that is run.
func choose(
	t *testing.T, files map[string]string, request scaffold.Request, try func(p contract.Program) *scaffold.Trial,
) (*scaffold.Choice, error) {
	t.Helper()
	dir := t.TempDir()

	for name, text := range files {
		writeFile(t, dir, name, text)
	}

	all, render, err := request.Propose(dir)
	if err != nil {
		t.Fatal(err)
	}

	return request.Choose(t.Context(), all, render, "case",
		func(_ context.Context, doc *contract.Document, _ *scaffold.Proposal) (*scaffold.Trial, error) {
			if trial := try(doc.Program); trial != nil {
				return trial, nil
			}

			return nil, research.Errorf(research.CodeRepository, "make one", "there is no repository")
		})
}

var twoBenches = map[string]string{"bench_a.py": "import lib\nlib.work()\n", "bench_b.py": "import lib\nlib.work()\n",
	"lib.py": "def work(): pass\n", "test_lib.py": "import pytest\n"}

// The metric is what the run prints: with unit and direction, and not the CPU time.
func TestChooseReadsWhatARunPrints(t *testing.T) {
	choice, err := choose(t, twoBenches, scaffold.Request{}, func(p contract.Program) *scaffold.Trial {
		if p.Metric.From.Kind != "cpu" {
			t.Errorf("it was tried with %+v", p.Metric)
		}

		return &scaffold.Trial{Seconds: 130, Output: []byte("rounds: 5\np99: 4.2 ms\np50: 2.1 ms\n")}
	})
	if err != nil {
		t.Fatal(err)
	}
	metric := choice.Program.Metric

	if metric.Name != "p99" || metric.Unit != "ms" || metric.From.Kind != "output" || *choice.Trial.Value != 4.2 {
		t.Errorf("%+v", metric)
	}

	if len(choice.Numbers) == 0 || choice.Numbers[0].Metric.Name != "p50" {
		t.Errorf("the other number is not told: %+v", choice.Numbers)
	}

	if wall := choice.Program.Budget.Wall.String(); wall != "7m0s" { // 3 × 130 s
		t.Errorf("the time limit is %s", wall)
	}
}

// A number that a person names is taken with the way in which it is printed.
func TestChooseTakesANamedNumber(t *testing.T) {
	choice, err := choose(t, twoBenches, scaffold.Request{Metric: "p50"}, func(contract.Program) *scaffold.Trial {
		return &scaffold.Trial{Seconds: 1, Output: []byte("p99 = 4.2 ms\np50 = 2.1 ms\n")}
	})
	if err != nil {
		t.Fatal(err)
	}

	if m := choice.Program.Metric; m.Name != "p50" || m.From.Kind != "regex" || *choice.Trial.Value != 2.1 {
		t.Errorf("%+v", m)
	}
}

// What fails is told, and the next thing to measure is tried; a check that fails is left
// out, and that is told too.
func TestChooseGoesOn(t *testing.T) {
	choice, err := choose(t, twoBenches, scaffold.Request{}, func(p contract.Program) *scaffold.Trial {
		switch {
		case strings.Contains(p.Run, "bench_a"):
			return &scaffold.Trial{Problem: "failed: exit code 1"}
		default:
			return &scaffold.Trial{Seconds: 1, Output: []byte("METRIC score=3\n"), FailedCheck: "check failed: exit code 1"}
		}
	})
	if err != nil {
		t.Fatal(err)
	}

	if p := choice.Program; !strings.Contains(p.Run, "bench_b") || p.Check != "" || p.Metric.Name != "score" {
		t.Errorf("%+v", p)
	}

	told := strings.Join(append(choice.Failed, choice.Proposal.Why...), "\n")
	for _, want := range []string{"bench_a.py: failed: exit code 1", "the check `python3 -m pytest -q` fails here"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told:\n%s", want, told)
		}
	}
}

// Where a person chose what to run, nothing else is tried, and what is missing is named.
func TestChooseNamesWhatIsMissing(t *testing.T) {
	for output, want := range map[string]string{
		"Traceback\nModuleNotFoundError: No module named 'numpy'\n":     "numpy is missing: `python3 -m venv",
		"Error: Cannot find module 'left-pad'\nRequire stack:\n":        "the package left-pad is missing: run `npm install`",
		"sh: 1: cmake: not found\n":                                     "cmake is not installed",
		"a.c:1:10: fatal error: zlib.h: No such file or directory\n":    "the header zlib.h is missing",
		"fatal: unable to access: Could not resolve host: github.com\n": "it wants to reach github.com",
		"b.go:3:8: no required module provides package x.org/y; to add": "the module of x.org/y is missing: `go mod tidy`",
	} {
		tries := 0

		_, err := choose(t, twoBenches, scaffold.Request{Use: "bench_b.py"}, func(contract.Program) *scaffold.Trial {
			tries++
			return &scaffold.Trial{Problem: "failed: exit code 1", Output: []byte(output)}
		})
		if err == nil || !strings.Contains(research.Describe(err).Next, want) || tries > 2 {
			t.Errorf("%q, after %d tries: %v", output, tries, err)
		}
	}
}

// Where nothing can be run, the program is written all the same, and the reason is told.
func TestChooseWithoutATrial(t *testing.T) {
	choice, err := choose(t, map[string]string{"bench.py": "import lib\nprint(f'METRIC ms={lib.work()}')\n", "lib.py": "def work(): pass\n"},
		scaffold.Request{}, func(contract.Program) *scaffold.Trial { return nil })
	if err != nil || choice.Program.Metric.Name != "ms" || !strings.Contains(choice.Untried, "there is no repository; to try it: make one") {
		t.Errorf("%q, %v", choice.Untried, err)
	}
}
