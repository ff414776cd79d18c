package scaffold_test

import (
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/scaffold"
)

// What programs print of a result is found with its unit and direction, and is read
// again by the metric that is proposed.
func TestFindPrinted(t *testing.T) {
	for name, tt := range map[string]struct {
		output, own  string
		metric, unit string
		better       research.Direction
		value        float64
	}{
		"METRIC":           {"seed 3\nMETRIC val_bpb=0.998\n", "", "val_bpb", "", research.Lower, .998},
		"name: value unit": {"warm-up: 3\np99: 4.2 ms\n", "", "p99", "ms", research.Lower, 4.2},
		"a share":          {"items: 50\naccuracy: 0.52 (26/50)\n", "", "accuracy", "", research.Higher, .52},
		"a JSON line":      {`{"epochs": 3, "val_loss": 1.25}` + "\n", "", "val_loss", "", research.Lower, 1.25},
		"a training log":   {"epoch: 1\nloss: 3.5\nepoch: 2\nloss: 2.5\n", "", "loss", "", research.Lower, 2.5},
		"words before":     {"p99 latency: 1.25 ms\n", "", "p99_latency", "ms", research.Lower, 1.25},
		"equals":           {"throughput = 812.5 MB/s\n", "", "throughput", "MB/s", research.Higher, 812.5},
		"a rate":           {"Requests/sec:   1234.56\n", "", "requests_per_sec", "", research.Higher, 1234.56},
		"operations":       {"other x 900 ops/sec ±1%\nmylib x 700 ops/sec ±1% (80 runs sampled)\n", "mylib", "mylib_ops_per_sec", "ops/sec", research.Higher, 700},
		"Go's benchmark":   {"BenchmarkParse-2 \t 1000\t 1234 ns/op\t 16 B/op\nPASS\n", "", "benchmarkparse_ns_per_op", "ns", research.Lower, 1234},
		"criterion":        {"parse  time:   [1.10 µs 1.20 µs 1.30 µs]\n", "", "parse_time", "µs", research.Lower, 1.2},
		"Google Benchmark": {"BM_Sort/8   105 ns   104 ns   6700000\n", "", "bm_sort_8_cpu_ns", "ns", research.Lower, 104},
		"JMH":              {"My.parse  avgt  5  12.5 ± 0.3  ns/op\n", "", "my_parse", "ns/op", research.Lower, 12.5},
		"console.time":     {"1000*benchIt: 316.5ms\n", "", "benchit", "ms", research.Lower, 316.5},
		"seconds for ms":   {"1000*benchIt: 1.25s\n", "", "benchit", "s", research.Lower, 1.25},
		"colours":          {"\x1b[32mscore: 7\x1b[0m\n", "", "score", "", research.Higher, 7},
		"hyperfine":        {"  Time (mean ± σ):      12.5 ms ±   0.4 ms\n", "", "time_mean", "ms", research.Lower, 12.5},
	} {
		t.Run(name, func(t *testing.T) {
			found := scaffold.FindPrinted([]byte(tt.output), tt.own)
			if len(found) == 0 {
				t.Fatal("nothing was found")
			}
			metric := found[0].Metric

			if metric.Name != tt.metric || metric.Unit != tt.unit || metric.Better != tt.better {
				t.Errorf("%+v", found)
			}
			scanner := contract.NewScanner(metric, nil)
			_, _ = scanner.Write([]byte(tt.output))

			if values, err := scanner.Values(); err != nil || values[metric.Name] != tt.value {
				t.Errorf("%v, %v; want %v", values, err, tt.value)
			}
		})
	}
}

// A setting is not a result, and a text without numbers has none.
func TestFindPrintedLeavesSettings(t *testing.T) {
	for _, output := range []string{"", "done\n", "2026-11-30 12:00:01 started\n", "version 1.2.3\n"} {
		if found := scaffold.FindPrinted([]byte(output), ""); len(found) > 0 {
			t.Errorf("%q: %+v", output, found)
		}
	}

	found := scaffold.FindPrinted([]byte("seed: 3\nbatch: 32\nsteps: 100\nval_acc: 0.9\n"), "")
	if len(found) == 0 || found[0].Metric.Name != "val_acc" {
		t.Errorf("%+v", found)
	}
}
