package contract_test

import (
	"strings"
	"testing"

	"ratchet/internal/research/contract"
)

// A number that the expression takes a part of has no value; what ends a number ends it.
func TestScannerTakesWholeNumbers(t *testing.T) {
	const part = "only a part of the number"

	for _, c := range []struct{ expr, line, want string }{
		// it goes on
		{`time (\d+)`, "time 12345.6e3", part},
		{`time ([0-9.]+)`, "time 1.3e+06", part},
		{`time ([0-9.]+)`, "time 1.3E6", part},
		{`time (\d+)`, "time 1,234", part},
		{`time ([0-9.]+)`, "time 1.234,5", part},
		{`time (\d+),?`, "time 1,234", part},
		{`time (\d\d)`, "time 123", part},
		{`time (\d+)`, "time 1_234", part},
		{`time (\d+)`, "time 1'234", part},
		{`time (\d+)`, "time 1\u202f234", part},
		{`time (\d+)`, "time 0x1F", part},
		{`time (\d+)`, "time 1:05", part},
		{`time ([0-9.]+)`, "time 1m3.5s", part},
		{`time (\d+)\.\d+`, "time 3.5", part},
		{`time (\d+).*`, "time 1,234 ms", part},
		// it began before
		{`time.*(\d+)`, "time 123", part},
		{`time.*?(\d+\.\d+)`, "time -0.5", part},
		{`time\S*? \W?(\d+)`, "time: -5", part},
		{`time .*\.(\d+)`, "time 0.25", part},
		{`time.*,(\d+)`, "time .,25", "25"},
		{`time \.(\d+)`, "time .25", part},
		{`time \S+e(\d+)`, "time 1.5e3", part},
		{`time \S+e-(\d+)`, "time 1.5e-3", part},
		{`time \S+e([-+]\d+)`, "time 1.5e-3", part},
		{`time 0x(\d+)`, "time 0x10", part},
		{`time.*m([0-9.]+)s`, "time 1m3.5s", part},
		{`time \d+.([0-9.]+)`, "time 1:05", part},
		{`time.*[,](\d+)`, "time 1,234", "234"}, // spelled out: a table's column
		// it ends
		{`(\d+)ms`, "time 900ms", "900"},
		{`(\d+) ns/op`, "BenchmarkX-8  1000  900 ns/op", "900"},
		{`^BenchmarkX(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op`, "BenchmarkX-8  1000  9.5 ns/op", "9.5"},
		{`time (\d+)`, "the time 900.", "900"},
		{`time ([0-9.]+)`, "the time 900.", "900"},
		{`time ([0-9.]+)`, "time 9.5, and more", "9.5"},
		{`time (\d+)`, "time 9... 8", "9"},
		{`passed (\d+)`, "passed 26/50", "26"},
		{`passed (\d+/\d+)`, "passed 26/50", "0.52"},
		{`of (\d+)`, "26 of 50", "50"},
		{`/(\d+)`, "26/50", "50"},
		{`loss=(\S+)`, "loss=-1.5e-3 step=2", "-0.0015"},
		{`loss: -([0-9.]+)`, "loss: -1.5", "1.5"}, // a sign that is spelled out can't change
		{`layer-(\d+)`, "layer-5", "5"},
		{`p99: (\d+)`, "p99: 7", "7"},
		{`v(\d+)`, "v7", "7"},
		{`\[(\d+),`, "[1,2]", "1"},
		{`^(?:[^,]*,)(\d+),`, "total,123,456", "123"},
		{`f.go:(\d+):`, "f.go:12:05", "12"},
		{`640x(\d+)`, "640x480", "480"},
		{`real\s+0m([0-9.]+)s`, "real\t0m1.234s", "1.234"},
		{`real.*m([0-9.]+)s`, "real\t0m1.234s", "1.234"},
		{`in .*:(\d+)`, "in 0:00:07", "7"},
		{`(\d+)st`, "1st", "1"},
		{`(\d+)x`, "3x5", "3"},
		{`time (\d+) ?e`, "time 5 e3", "5"},
		{`speed ([0-9.]+)`, "speed 1.5x", "1.5"},
	} {
		got := scan(metric(from("regex", c.expr)), nil, c.line+"\n")
		if want := "map[ns_per_op:" + c.want + "]"; got != want && !(c.want == part && strings.Contains(got, part)) {
			t.Errorf("%s of %q: %s, want %s", c.expr, c.line, got, c.want)
		}
	}
}

// The unit is what follows the number, in whatever the expression matches.
func TestPrintedUnit(t *testing.T) {
	for _, c := range []struct{ expr, output, want string }{
		{`time ([0-9.]+)`, "time 900 ms\n", "ms"},
		{`time ([0-9.]+)`, "time 1.3s\n", "s"},
		{`time ([0-9.]+) ms`, "time 900 ms\n", "ms"},
		{`time ([0-9.]+)`, "time 1.3k\n", "k"},
		{`time ([0-9.]+)`, "time 12.5 %\n", "%"},
		{`time ([0-9.]+)`, "time 3 ns/op\n", "ns"},
		{`time ([0-9.]+)`, "time 3 in epoch 5\n", "none"},
		{`time ([0-9.]+)`, "time 3\n", "none"},
		{`time ([0-9.]+)`, "tide 3\n", ""},
		{"", "METRIC ns_per_op=3\n", ""},
	} {
		source := from("output", "")
		if c.expr != "" {
			source = from("regex", c.expr)
		}
		scanner := contract.NewScanner(metric(source), nil)
		_, _ = scanner.Write([]byte(c.output))

		if got := scanner.PrintedUnit(); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.expr, c.output, got, c.want)
		}
	}

	two := "time 900 ms\ntime 900 s\n"
	if got := scan(metric(from("regex", `time ([0-9.]+)`)), nil, two); !strings.Contains(got,
		"was printed in ms and in s") {
		t.Errorf("two units in one run: %s", got)
	}
}
