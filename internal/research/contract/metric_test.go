package contract_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

func metric(change ...func(*contract.Metric)) contract.Metric {
	m := contract.Metric{Name: "ns_per_op", Better: research.Lower, Unit: "ns", From: contract.Source{Kind: "output"}}
	for _, c := range change {
		c(&m)
	}

	return m
}

func pick(how string) func(*contract.Metric) { return func(m *contract.Metric) { m.Pick = how } }

func from(kind, expr string) func(*contract.Metric) {
	return func(m *contract.Metric) { m.From = contract.Source{Kind: kind, Expr: expr} }
}

// scan is the outcome as one text: the values, or the error.
func scan(m contract.Metric, guards []contract.Guard, chunks ...string) string {
	s := contract.NewScanner(m, guards)
	for _, c := range chunks {
		if n, err := s.Write([]byte(c)); n != len(c) || err != nil {
			return fmt.Sprintf("Write gave %d, %v", n, err)
		}
	}

	values, err := s.Values()
	if err != nil {
		return err.Error()
	}

	return fmt.Sprint(values)
}

func TestScannerReads(t *testing.T) {
	for _, c := range []struct{ output, want string }{
		{"METRIC ns_per_op=12.5\n", "12.5"},
		{"METRIC ns_per_op=12.5", "12.5"},
		{"  metric\tns_per_op = -1.5e-3 \r\n", "-0.0015"},
		{"METRIC ns_per_op=.5\n", "0.5"},
		{"METRIC ns_per_op=5.\n", "5"},
		{"METRIC ns_per_op=+7E2\n", "700"},
		{"METRIC ns_per_op=0\n", "0"},
		{"METRIC ns_per_op=1.23x\n", "1.23"},
		{"METRIC ns_per_op=45%\n", "45"},
		{"METRIC ns_per_op=45 %\n", "45"},
		{"METRIC ns_per_op=12.5ns\n", "12.5"},
		{"METRIC ns_per_op=12.5 ns\n", "12.5"},
		{"ns_per_op: 3\n", "3"},
		{"noise\nns_per_op :   3.25 ns\nmore\n", "3.25"},
		{"---\nns_per_op:          0.997900\nother: 2\n", "0.9979"},
		{`{"step": 1, "ns_per_op": 4.5, "deep": {"ns_per_op": 9}}`, "4.5"},
		{`{"ns_per_op": "4.5 ns"}`, "4.5"},
		{`{"x": NaN, "ns_per_op": 4}`, "4"},
		{"\x1b[1;32mMETRIC ns_per_op=6\x1b[0m\n", "6"},
		{"\x1b]0;title\x07\x1b(BMETRIC \x1b]8;;u\x1b\\ns_per_op=6\n", "6"},
		{" 10%|#   |\r100%|####|\rMETRIC ns_per_op=8\n", "8"},
		{"ns_per_op: 1\rMETRIC ns_per_op=8\r\r\n", "8"},
		{strings.Repeat("x", 70_000) + "\rMETRIC ns_per_op=8\n", "8"},
		{"METRIC ns_per_op=8\nMETRIC ns_per_op=8.0\nns_per_op: 80e-1\n", "8"},
		{"ns_per_op: see below\nMETRIC ns_per_op=8\n", "8"},
		{"ns_per_op_p99: 3\nMETRIC ns_per_op2=4\nxns_per_op: 5\nMETRIC ns_per_op=6\n", "6"},
		{"METRICS ns_per_op=3\nMETRIC ns_per_op=6\n", "6"},

		{"", "the metric ns_per_op was never printed; expected a line such as METRIC ns_per_op=12.3"},
		{"[ns_per_op: 3\n",
			"the metric ns_per_op was never printed; expected a line such as METRIC ns_per_op=12.3"},
		{`{"ns_per_op": 3} trailing`,
			"the metric ns_per_op was never printed; expected a line such as METRIC ns_per_op=12.3"},
		{`{"ns_per_op": 3`, "the metric ns_per_op was never printed; expected a line such as METRIC ns_per_op=12.3"},
		{"METRIC ns_per_op=nan\n", `the metric ns_per_op was printed as "nan", which is not a finite number`},
		{"METRIC ns_per_op=-Inf\n", `the metric ns_per_op was printed as "-Inf", which is not a finite number`},
		{"ns_per_op: infinity ns\n", `the metric ns_per_op was printed as "infinity ns", which is not a finite number`},
		{"METRIC ns_per_op=1e999\n", `the metric ns_per_op was printed as "1e999", which is not a finite number`},
		{`{"ns_per_op": NaN}`, `the metric ns_per_op was printed as "NaN", which is not a finite number`},
		{`{"ns_per_op": -Infinity, "s": "\"NaN"}`,
			`the metric ns_per_op was printed as "-Infinity", which is not a finite number`},
		{`{"ns_per_op": null}`, `the metric ns_per_op was printed as "null", which is not a decimal number`},
		{"METRIC ns_per_op=0x1F\n", `the metric ns_per_op was printed as "0x1F", which is not a decimal number`},
		{"METRIC ns_per_op=1,234\n", `the metric ns_per_op was printed as "1,234", which is not a decimal number`},
		{"METRIC ns_per_op=1_234\n", `the metric ns_per_op was printed as "1_234", which is not a decimal number`},
		{"METRIC ns_per_op=1 234\n", `the metric ns_per_op was printed as "1 234", which is not a decimal number`},
		{"METRIC ns_per_op=1.2ms\n", "1.2e+06"},
		{"METRIC ns_per_op=\n", `the metric ns_per_op was printed as "", which is not a decimal number`},
		{"METRIC ns_per_op=3\nMETRIC ns_per_op=a\x07b\n",
			`the metric ns_per_op was printed as "a\ab", which is not a decimal number`},
		{"ns_per_op: 1,234\n", `the metric ns_per_op was printed as "1,234", which is not a decimal number`},
		{"METRIC ns_per_op=nan\nMETRIC ns_per_op=4\n",
			`the metric ns_per_op was printed as "nan", which is not a finite number`},
		{"METRIC ns_per_op=12.3\nns_per_op: 14\n",
			"the metric ns_per_op was printed with different values, 12.3 and 14; print it once, or set metric.pick to last, first, min, max or median"},
		{`{"ns_per_op": 1, "ns_per_op": 2}`,
			"the metric ns_per_op was printed with different values, 1 and 2; print it once, or set metric.pick to last, first, min, max or median"},
	} {
		want := c.want
		if !strings.HasPrefix(want, "the metric") {
			want = "map[ns_per_op:" + want + "]"
		}

		if diff := cmp.Diff(want, scan(metric(), nil, c.output)); diff != "" {
			t.Errorf("%.80q:\n%s", c.output, diff)
		}
	}
}

// A value that is printed where it is not read makes the run ambiguous, whatever else is
// read: a candidate that writes to the evaluator's output may have put it there.
func TestScannerFindsHiddenValues(t *testing.T) {
	long := strings.Repeat("x", 70_000)

	const own, plain = "METRIC ns_per_op=1\n", "ns_per_op: 1\n"
	for _, c := range []struct{ output, want string }{
		{own + "xMETRIC ns_per_op=100\n", "behind something else"},
		{own + "x METRIC\tns_per_op = 100", "behind something else"},
		{own + "\x00METRIC ns_per_op=100\n", "behind something else"},
		{own + "METRIC METRIC ns_per_op=100\n", "behind something else"},
		{own + "METRIC x=METRIC ns_per_op=100\n", "behind something else"},
		{own + "{\"x\": 1METRIC ns_per_op=100\n", "behind something else"},
		{own + "\x1b]0;METRIC ns_per_op=100\n", "escape sequences"},
		{own + "\x1b]0;x\nMETRIC ns_per_op=1\x1b]METRIC ns_per_op=100\n", "escape sequences"},
		{own + "\x1b[METRIC ns_per_op=100\n", "escape sequences"},
		{own + "\x1bMETRIC ns_per_op=100\n", "escape sequences"},
		{own + "\x1b(METRIC ns_per_op=100\n", "escape sequences"},
		{own + long + "METRIC ns_per_op=100\n", "more than 64 KiB"},
		{own + "METRIC ns_per_op=100" + long + "\n", "more than 64 KiB"},
		{own + strings.Repeat("x", 64<<10-9) + "METRIC ns_per_op=100\n", "more than 64 KiB"},
		{own + long + long + "METRIC ns_per_op=100", "more than 64 KiB"},
		{own + "METRIC ns_per_op=100\rx\n", "before a carriage return"},
		{own + "x\ryMETRIC ns_per_op=100\r\rx\n", "before a carriage return"},
		{own + long + "METRIC ns_per_op=100\rx\n", "more than 64 KiB|before a carriage return"},

		{plain + "xns_per_op: 100\n", "behind something else"},
		{plain + "x ns_per_op: 100\n", "behind something else"},
		{plain + "\x1b]0;ns_per_op: 100\n", "escape sequences"},
		{plain + "\x1bns_per_op: 100\n", "escape sequences"},
		{plain + "x\x1b[1mns_per_op: \x1b[32m100\x1b[0m\n", "escape sequences"},
		{plain + long + "ns_per_op: 100\n", "more than 64 KiB"},
		{plain + "ns_per_op: 100\rx\n", "before a carriage return"},
		{plain + "x{\"ns_per_op\": 100}\n", "behind something else"},
	} {
		got := scan(metric(), nil, c.output)
		if !slices.ContainsFunc(strings.Split(c.want, "|"), func(want string) bool { return strings.Contains(got, want) }) {
			t.Errorf("%.80q: %s, want … %s …", c.output, got, c.want)
		}
	}

	// What tools print of a value beside METRIC name=, and their progress, hides nothing.
	for _, output := range []string{
		" 1/10 [>....] - loss: 0.5 - ns_per_op: 9\r10/10 [=====] - 0s - ns_per_op: 0.23\n" + own,
		"\x1b[32mpassed\x1b[0m in 0.1s\n\x1b[1mMETRIC ns_per_op=1\x1b[0m\n",
		" 45%|####5     | 45/100 [00:01<00:01, 44.9it/s, ns_per_op=3]\r100%|##########|\n" + own,
		"mean_ns_per_op: 4\n{\"deep\": {\"ns_per_op\": 9}}\n" + own,
		"\x1b]8;;http://x/ns_per_op\x1b\\link\x1b]8;;\x1b\\\n" + own,
		"the line METRIC ns_per_op tells\n" + own,
	} {
		if got := scan(metric(), nil, output); got != "map[ns_per_op:1]" {
			t.Errorf("%q: %s", output, got)
		}
	}

	// Guards and expressions.
	guards := []contract.Guard{{Name: "errors"}}
	if got := scan(metric(), guards, own+"METRIC errors=0\nxMETRIC errors=5\n"); !strings.Contains(got,
		"the guard errors is ambiguous") {
		t.Errorf("a guard: %s", got)
	}

	regex := metric(from("regex", `took ([^ ]+) ms`))
	for _, hidden := range []string{"took 1 ms\ntook 100 ms\rx\n", "took 1 ms\n" + long + "took 100 ms\n",
		"took 1 ms\n\x1b]0;took 100 ms\n", "took 1 ms\n\x1btook 100 ms\n"} {
		if got := scan(regex, nil, hidden); !strings.Contains(got, "is ambiguous") {
			t.Errorf("%.60q: %s", hidden, got)
		}
	}
}

func TestScannerPicks(t *testing.T) {
	const four = "METRIC ns_per_op=3\nMETRIC ns_per_op=1\nMETRIC ns_per_op=9\nMETRIC ns_per_op=4\n"
	const nan = "METRIC ns_per_op=nan\n"

	const refusal = `the metric ns_per_op was printed as "nan", which is not a finite number`
	for _, c := range []struct{ pick, output, want string }{
		{"last", four, "4"}, {"first", four, "3"}, {"min", four, "1"}, {"max", four, "9"}, {"median", four, "3.5"},
		{"median", four + "METRIC ns_per_op=9\n", "4"},
		{"last", nan + four, "4"}, {"first", four + nan, "3"},
		{"last", four + nan, refusal}, {"first", nan + four, refusal},
		{"min", nan + four, refusal}, {"max", four + nan, refusal}, {"median", four + nan, refusal},
	} {
		want := c.want
		if want != refusal {
			want = "map[ns_per_op:" + want + "]"
		}

		if got := scan(metric(pick(c.pick)), nil, c.output); got != want {
			t.Errorf("pick %s of %q: %s, want %s", c.pick, c.output, got, want)
		}
	}

	many := strings.Repeat("METRIC ns_per_op=3\n", 100_001)
	if got := scan(metric(pick("median")), nil, many); !strings.Contains(got, "too often for a median") {
		t.Errorf("a median over 100,001 values: %s", got)
	}
}

func TestScannerReadsGuardsAndOtherSources(t *testing.T) {
	guards := []contract.Guard{{Name: "errors"}, {Name: "peak_mb"}}

	regex := from("regex", `took ([^ ]+) ms`)
	for _, c := range []struct {
		name   string
		metric contract.Metric
		output string
		want   string
	}{
		{"all", metric(), "METRIC ns_per_op=1\nerrors: 0\n{\"peak_mb\": 7}\n", "map[errors:0 ns_per_op:1 peak_mb:7]"},
		{"a guard is missing", metric(), "METRIC ns_per_op=1\nerrors: 0\n",
			"the guard peak_mb was never printed; expected a line such as METRIC peak_mb=12.3"},
		{"guards have no unit", metric(), "METRIC ns_per_op=1\nMETRIC errors=0ns\nMETRIC peak_mb=1",
			`the guard errors was printed as "0ns", which is not a decimal number`},
		{"a usage metric can't be printed", metric(from("cpu", "")),
			"METRIC ns_per_op=1\nMETRIC ns_per_op=2\nerrors: 0\npeak_mb: 7\n", "map[errors:0 peak_mb:7]"},
		{"regex", metric(regex), "x took 1.5 ms, took 1.50 ms\nMETRIC ns_per_op=9\nerrors: 0\npeak_mb: 7\n",
			"map[errors:0 ns_per_op:1.5 peak_mb:7]"},
		{"regex twice in a line", metric(regex), "x took 1.5 ms, took 2 ms\nerrors: 0\npeak_mb: 7\n",
			"the metric ns_per_op was printed with different values, 1.5 and 2; print it once, or set metric.pick to last, first, min, max or median"},
		{"regex twice in a line, pick", metric(regex, pick("last")),
			"x took 1.5 ms, took 2 ms\nerrors: 0\npeak_mb: 7\n", "map[errors:0 ns_per_op:1.5 peak_mb:7]"},
		{"regex matches no number", metric(regex), "took 1,5 ms\nerrors: 0\npeak_mb: 7\n",
			`the metric ns_per_op was printed as "1,5", which is not a decimal number`},
		{"regex never matches", metric(regex), "METRIC ns_per_op=9\nerrors: 0\npeak_mb: 7\n",
			"the metric ns_per_op was never printed; no line matched regex:took ([^ ]+) ms"},
		{"regex twice", metric(regex), "took 1 ms\ntook 2 ms\nerrors: 0\npeak_mb: 7\n",
			"the metric ns_per_op was printed with different values, 1 and 2; print it once, or set metric.pick to last, first, min, max or median"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, scan(c.metric, guards, c.output)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A line without an end must not be held in memory.
func TestScannerIsBounded(t *testing.T) {
	s := contract.NewScanner(metric(), nil)
	block := []byte(strings.Repeat("x", 1<<20))

	if n := testing.AllocsPerRun(20, func() { _, _ = s.Write(block) }); n > 0 {
		t.Errorf("%v allocations a MiB of one line", n)
	}

	_, _ = s.Write([]byte("\nMETRIC ns_per_op=1\n"))
	if v, err := s.Values(); err != nil || v["ns_per_op"] != 1 {
		t.Errorf("after it: %v, %v", v, err)
	}
}

func TestFromUsage(t *testing.T) {
	for _, c := range []struct {
		kind, unit string
		want       float64
	}{
		{"wall", "", 1.5}, {"wall", "ms", 1500}, {"wall", "min", 0.025},
		{"cpu", "", 0.25}, {"cpu", "s", 0.25}, {"cpu", "us", 250_000}, {"cpu", "µs", 250_000}, {"cpu", "ns",
			250_000_000},
		{"max_rss", "", 3 << 20}, {"max_rss", "KiB", 3 << 10}, {"max_rss", "MiB", 3}, {"max_rss", "MB", 3.145728},
		{"output", "ms", 0},
	} {
		if got := contract.SampleFromUsage(c.kind, c.unit, 1500*time.Millisecond, 250*time.Millisecond,
			3<<20); got != c.want {
			t.Errorf("%s in %q: %v, want %v", c.kind, c.unit, got, c.want)
		}
	}
}

func TestFromFile(t *testing.T) {
	const doc = "\xef\xbb\xbf" +
		`{"a": [1, {"b/c": {"~d": "2.5"}}], "": 7, "n": null, "nan": NaN, "inf": "inf", "big": 1e999, "s": "1,5", "x": "1.2x", "o": {}}`
	for _, c := range []struct{ content, pointer, want string }{
		{doc, "/a/0", "1"}, {doc, "/a/1/b~1c/~0d", "2.5"}, {doc, "/", "7"}, {"42.5\n", "", "42.5"}, {doc, "/x", "1.2"},
		{doc, "/b", `nothing is at "/b": the object has no key "b"`},
		{doc, "/a/2", `nothing is at "/a/2": the list has 2 entries`},
		{doc, "/a/00", `nothing is at "/a/00": "00" is not an index of a list`},
		{doc, "/a/-", `nothing is at "/a/-": "-" is not an index of a list`},
		{doc, "/a/0/x", `nothing is at "/a/0/x": "x" is looked for in what is neither object nor list`},
		{doc, "/n", `the value at "/n" is null, not a number`},
		{doc, "/o", `the value at "/o" is not a number`},
		{doc, "/nan", `the value at "/nan", "NaN", is not a finite number`},
		{doc, "/inf", `the value at "/inf", "inf", is not a finite number`},
		{doc, "/big", `the value at "/big", "1e999", is not a finite number`},
		{doc, "/s", `the value at "/s", "1,5", is not a decimal number`},
		{doc, "a", "the JSON pointer after # must start with /"},
		{"{", "/a", "the file is not one JSON document"},
		{"1 2", "", "the file is not one JSON document"},
		{"", "", "the file is not one JSON document"},
	} {
		sample, err := contract.SampleFromFile([]byte(c.content), c.pointer)

		got := fmt.Sprint(sample.Value)
		if err != nil {
			got = err.Error()
		}

		if got != c.want {
			t.Errorf("%s: %s, want %s", c.pointer, got, c.want)
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		"METRIC ns_per_op=1\nerrors: 2\n", "{\"ns_per_op\": NaN, \"errors\": \"3\"}\r\n", "a\rb\r\r\nerrors:1e5%",
		"\x1b[31mMETRIC ns_per_op=-.5e+3ns\x1b[0m\r\nMETRIC errors=inf\n", "{\"errors\":{\"errors\":[1,{}]}}\n{",
		"\x1b]x\x1b\x1b[", "METRIC ns_per_op=1\nxMETRIC ns_per_op=2\n\x1b]METRIC errors=1\rerrors: 2\n",
	} {
		f.Add([]byte(s), "", uint64(1))
		f.Add([]byte(s), "last", uint64(2))
	}
	f.Add([]byte(strings.Repeat("x\r", 70_000)+"METRIC ns_per_op=1"), "median", uint64(3))
	f.Add([]byte(strings.Repeat("x", 64<<10-9)+"METRIC ns_per_op=1\r\nerrors: 1"), "", uint64(5))
	f.Add([]byte(strings.Repeat("x", 70_000)+"\r\nMETRIC ns_per_op=1"), "min", uint64(4))
	f.Fuzz(func(t *testing.T, output []byte, how string, seed uint64) {
		m, guards := metric(pick(how)), []contract.Guard{{Name: "errors"}}
		whole := contract.NewScanner(m, guards)
		_, _ = whole.Write(output)

		want, wantErr := whole.Values()
		for _, v := range want {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("%v is not finite", want)
			}
		}
		random := rand.New(rand.NewPCG(seed, 0))
		parts := contract.NewScanner(m, guards)

		for rest := output; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 1+random.IntN(40_000)))
			_, _ = parts.Write(rest[:n])
			rest = rest[n:]
		}

		got, gotErr := parts.Values()
		if diff := cmp.Diff(want, got); diff != "" || fmt.Sprint(wantErr) != fmt.Sprint(gotErr) {
			t.Fatalf("%v, %v\n%s", wantErr, gotErr, diff)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	block := []byte(strings.Repeat("step 00123 | loss: 3.214 | lr 1.0e-3 | 123 ms\n", 1000))
	s := contract.NewScanner(metric(), []contract.Guard{{Name: "errors"}, {Name: "peak_mb"}})
	b.SetBytes(int64(len(block)))

	for b.Loop() {
		_, _ = s.Write(block)
	}
}

// A guard from regex: is read by its own expression, beside a metric that is found by its
// name or by another expression, and under the same rules.
func TestGuardsFromExpressions(t *testing.T) {
	bytesPerOp := contract.Guard{Name: "bytes_per_op", From: contract.Source{Kind: "regex", Expr: `\s([0-9.]+) B/op`}}
	byName := contract.Metric{Name: "score", From: contract.Source{Kind: "output"}}
	byExpr := contract.Metric{Name: "ns_per_op", From: contract.Source{Kind: "regex", Expr: `\s([0-9.]+) ns/op`}}
	line := "BenchmarkX-2 \t 100 \t 12.5 ns/op \t 48 B/op \t 2 allocs/op\n"

	for name, tt := range map[string]struct {
		metric contract.Metric
		output string
		want   map[string]float64
		why    string
	}{
		"beside an expression": {metric: byExpr, output: line,
			want: map[string]float64{"ns_per_op": 12.5, "bytes_per_op": 48}},
		"beside a name": {metric: byName, output: "score: 3\n" + line,
			want: map[string]float64{"score": 3, "bytes_per_op": 48}},
		"not by its name":        {metric: byName, output: "METRIC score=3\nMETRIC bytes_per_op=1\n", why: "bytes_per_op"},
		"twice":                  {metric: byExpr, output: line + strings.Replace(line, "12.5 ns/op \t 48", "12.5 ns/op \t 49", 1), why: "bytes_per_op"},
		"a part of its number":   {metric: byExpr, output: strings.Replace(line, "48 B", "1,048 B", 1), why: "bytes_per_op"},
		"behind control colours": {metric: byExpr, output: strings.Replace(line, " B/op", " \x1b[1mB/op", 1), want: map[string]float64{"ns_per_op": 12.5, "bytes_per_op": 48}},
	} {
		scanner := contract.NewScanner(tt.metric, []contract.Guard{bytesPerOp})
		_, _ = scanner.Write([]byte(tt.output))

		got, err := scanner.Values()
		if tt.why != "" {
			if err == nil || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%s: %v, %v; want an error about %s", name, got, err, tt.why)
			}

			continue
		}

		if d := cmp.Diff(tt.want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, d)
		}
	}
}

// A time may be printed in any unit of time; it is converted to the metric's.
func TestTimesAreConverted(t *testing.T) {
	for _, tt := range []struct {
		unit, printed string
		want          float64
	}{
		{"ms", "4.2 ms", 4.2},
		{"ms", "1.5s", 1500},
		{"ms", "250 µs", .25},
		{"s", "980ms", .98},
		{"ns", "1.25 us", 1250},
		{"s", "2 min", 120},
	} {
		scanner := contract.NewScanner(contract.Metric{Name: "p99", Unit: tt.unit, From: contract.Source{Kind: "output"}}, nil)
		_, _ = scanner.Write([]byte("p99: " + tt.printed + "\n"))

		got, err := scanner.Values()
		if err != nil || math.Abs(got["p99"]-tt.want) > 1e-9*tt.want {
			t.Errorf("%s in %s: %v, %v; want %v", tt.printed, tt.unit, got, err, tt.want)
		}
	}

	for _, printed := range []string{"4 MB", "4 kg", "4 m"} {
		scanner := contract.NewScanner(contract.Metric{Name: "p99", Unit: "ms", From: contract.Source{Kind: "output"}}, nil)
		_, _ = scanner.Write([]byte("METRIC p99=" + printed + "\n"))

		if got, err := scanner.Values(); err == nil {
			t.Errorf("%s was taken for a time: %v", printed, got)
		}
	}
}
