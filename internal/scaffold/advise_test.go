package scaffold_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/scaffold"
)

// For whatever is wrong with a program there is a line to paste, which program.md takes.
func TestAdvise(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data.bin")
	if err := os.WriteFile(data, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	program := contract.Program{Metric: contract.Metric{Name: "p99", Better: research.Lower,
		From: contract.Source{Kind: "output"}}, Budget: contract.Budget{Wall: contract.Duration(time.Minute)}}

	for name, tt := range map[string]struct{ problem, output, want string }{
		"a unit": {`the metric p99 was printed as "4.2 ms", which is not a decimal number`, "p99: 4.2 ms\n",
			"metric: {name: p99, better: lower, unit: ms}"},
		"another form": {"the metric p99 was never printed", "p99 = 4.2 ms\n",
			`metric: {name: p99, better: lower, unit: ms, from: 'regex:^\s*p99\s*=`},
		"another name": {"the metric p99 was never printed", "Requests/sec: 120.5\n",
			"metric: {name: requests_per_sec, better: higher, from: 'regex:"},
		"several values": {"the metric p99 was printed with different values, 3.5 and 2.5", "p99: 3.5\np99: 2.5\n",
			"metric: {pick: last}"},
		"too slow":        {"timeout: still running at the deadline", "", "budget: {wall: 3m0s}"},
		"a file outside":  {"failed: exit code 1", "FileNotFoundError: [Errno 2] No such file or directory: '" + data + "'\n", "reads: [" + data + "]"},
		"a changed file":  {"run changed files that it may not: results.json (changed)", "", "writes: [results.json]"},
		"a missing thing": {"failed: exit code 1", "ModuleNotFoundError: No module named 'numpy'\n", "numpy is missing"},
		"nothing known":   {"crashed: segmentation fault", "", ""},
	} {
		advice := scaffold.Advise(program, tt.problem, "case", []byte(tt.output))
		if tt.want == "" && len(advice) > 0 || tt.want != "" && (len(advice) == 0 || !strings.HasPrefix(advice[0], tt.want)) {
			t.Errorf("%s: %q, want %q", name, advice, tt.want)
		}

		for _, line := range advice {
			if !strings.HasPrefix(line, "metric: {name") {
				continue
			}

			if _, err := contract.ParseProgram([]byte("---\nedit: a\n"+line+"\nrun: b\n---\n"), "x"); err != nil {
				t.Errorf("%s: %s can't be pasted: %v", name, line, err)
			}
		}
	}
}
