package foreign_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	update   = flag.Bool("update", false, "write the goldens")
	generate = flag.Int("generated", 200, "how many files TestGenerated makes")
)

func formatFixed(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

// logWriter writes one log with the oddities that are known of its format, and
// says what a reader must find in it.
type logWriter struct {
	*rand.Rand
	b      strings.Builder
	ending string
	line   int
	values []string // of each line that is a run: its value, or "-"
	broken []int
	kinds  map[string]bool // which quirks came about
}

func (q *logWriter) chance(name string, oneIn int) bool {
	if q.IntN(oneIn) > 0 {
		return false
	}
	q.kinds[name] = true

	return true
}

func (q *logWriter) writeLine(line string) {
	q.line++
	q.b.WriteString(line + q.ending)
}

func (q *logWriter) writeRun(line, value string) {
	q.writeLine(line)
	q.values = append(q.values, value)
}

func (q *logWriter) writeBroken(line string) {
	q.writeLine(line)
	q.broken = append(q.broken, q.line)
}

var words = []string{"wider", "heads", "LR 0.04 -> 0.05", "commas, and more", "émigré", "<tag> & \"quotes\"", "‐ dash",
	"warmup", "50%", "RoPE\\base"}

func (q *logWriter) randomText() string {
	return words[q.IntN(len(words))] + " " + words[q.IntN(len(words))]
}

func (q *logWriter) randomHash() string { return fmt.Sprintf("%07x", q.Uint32()>>4) }

// writeCommonOddities are oddities of any file.
func (q *logWriter) writeCommonOddities() {
	if q.chance("blank line", 12) {
		q.writeLine("")
	}

	if q.chance("binary garbage", 25) {
		q.writeBroken("\xff\xfe\x01")
	}
}

func (q *logWriter) writeKarpathy() (path string) {
	metric := []string{"val_bpb", "score", "latency_ms"}[q.IntN(3)]

	columns := []string{"commit", metric, "memory_gb", "status", "description"}
	if q.chance("more columns", 4) {
		columns = []string{"commit", metric, "sharpe", "val_pass", "status", "description"}
	}
	q.writeLine(strings.Join(columns, "\t"))

	for range 3 + q.IntN(30) {
		q.writeCommonOddities()
		value, status, want := formatFixed(q.Float64()), []string{"keep", "discard"}[q.IntN(2)], ""
		want = value

		switch {
		case q.chance("crash is 0.000000", 6):
			value, status, want = "0.000000", "crash", "-"
		case q.chance("true zero", 20):
			value, want = "0.000000", "0.000000"
		case q.chance("status of its own", 15):
			status = "keep?"
		case q.chance("no value", 15):
			value, want = "-", "-"
		case q.chance("NaN", 15):
			value, want = "nan", "-"
		}

		memory := "44.1"
		if q.chance("helper line", 10) {
			memory = "-"
		}

		row := []string{q.randomHash(), value, memory, status, q.randomText()}
		if len(columns) == 6 {
			row = []string{q.randomHash(), value, "1.2", "true", status, q.randomText()}
		}

		if q.chance("tab in the description", 12) {
			row[len(row)-1] += "\tand more"
		}

		if q.chance("cut off", 12) {
			q.writeBroken(strings.Join(row[:2], "\t"))
			continue
		}
		q.writeRun(strings.Join(row, "\t"), want)
	}

	return "results.tsv"
}

func (q *logWriter) encodeJSON(v map[string]any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}

	return string(b)
}

func (q *logWriter) writePi() (path string) {
	config := map[string]any{"type": "config", "name": "n", "metricName": "total_ms", "metricUnit": "ms",
		"bestDirection": "lower"}
	q.writeLine(q.encodeJSON(config))

	for n := range 3 + q.IntN(30) {
		q.writeCommonOddities()
		v, want := q.Float64(), ""
		want = formatFixed(v)

		run := map[string]any{"run": n + 1, "commit": q.randomHash(), "metric": v, "metrics": map[string]any{"x": 1},
			"status": "keep", "description": q.randomText(), "timestamp": 1760000000000 + n, "segment": 0,
			"confidence": nil, "asi": map[string]any{"hypothesis": q.randomText()}}
		switch {
		case q.chance("new segment", 10):
			config["new_segment"] = "again"
			q.writeLine(q.encodeJSON(config))
		case q.chance("hook", 8):
			q.writeLine(q.encodeJSON(map[string]any{"type": "hook", "stage": "before", "exit_code": 1, "duration_ms": 3,
				"stdout_bytes": 0, "timed_out": false}))
		case q.chance("crash is 0", 6):
			run["metric"], run["status"], want = 0, "crash", "-"
		case q.chance("checks failed", 8):
			run["metric"], run["status"], want = 0, "checks_failed", "-"
		case q.chance("codex: null", 8):
			run["metric"], run["status"], want = nil, "crash", "-"
		case q.chance("codex: missing", 8):
			delete(run, "metric")
			delete(run, "commit")
			run["status"], want = "crash", "-"
		case q.chance("measure", 8):
			run["status"] = "measure"
		case q.chance("unknown status", 12):
			run["status"] = "maybe"
		case q.chance("iterationTokens", 10):
			run["iterationTokens"] = 1234
		}

		if q.chance("half a line", 12) {
			text := q.encodeJSON(run)
			q.writeBroken(text[:len(text)/2])

			continue
		}
		q.writeRun(q.encodeJSON(run), want)
	}

	return []string{".auto/log.jsonl", "autoresearch.jsonl"}[q.IntN(2)]
}

func (q *logWriter) writeRigor() (path string) {
	for range 3 + q.IntN(20) {
		v := q.Float64()

		row := map[string]any{"hash": q.randomHash(), "desc": q.randomText(), "samples": []float64{v, v + .01},
			"mean": v, "std": .005, "status": "keep", "p_better": .9731}
		if q.chance("one sample", 5) {
			row["samples"], row["p_better"], row["status"] = []float64{v}, 0, "discard"
		}
		q.writeRun(q.encodeJSON(row), formatFixed(v))
		q.writeCommonOddities()
	}

	return "rigor_ledger.jsonl"
}

func (q *logWriter) writeAutokernel() (path string) {
	q.writeLine("experiment\ttag\tkernel_type\tthroughput_tflops\tlatency_us\tpct_peak\tspeedup_vs_pytorch\tcorrectness\tpeak_vram_mb\tdescription")

	orchestrator := q.chance("orchestrator", 2)
	for n := range 3 + q.IntN(20) {
		q.writeCommonOddities()
		v := formatFixed(q.Float64() * 100)

		row := []string{strconv.Itoa(n), "tiling", "matmul", v, "12.5", "41.2%", "1.31x", "PASS", "812", q.randomText()}
		if orchestrator {
			row = []string{strconv.Itoa(n), []string{"kept", "revert"}[q.IntN(2)], "matmul", v, "", "", "1.31x", "PASS",
				"", q.randomText()}
		}
		want := v

		switch {
		case q.chance("failed kernel", 6):
			row[1], row[3], row[7], want = "failed", "0.0", "FAIL", "-"
		case q.chance("x after the value", 8):
			row[3] += "x"
		}
		q.writeRun(strings.Join(row, "\t"), want)
	}

	return []string{"results.tsv", "workspace/results/matmul_results.tsv"}[q.IntN(2)]
}

func (q *logWriter) writeUditgoenka() (path string) {
	q.writeLine("# metric_direction: higher_is_better")
	q.writeLine("iteration\ttimestamp\tcommit\tmetric\tdelta\tguard\tguard-metric\tstatus\tdescription")

	for n := range 3 + q.IntN(20) {
		q.writeCommonOddities()
		v, status := formatFixed(q.Float64()), []string{"baseline", "keep", "discard", "no-op"}[q.IntN(4)]

		want := v
		if q.chance("blocked", 5) {
			v, want, status = "0", "-", []string{"crash", "hook-blocked", "metric-error"}[q.IntN(3)]
		}
		q.writeRun(strings.Join([]string{strconv.Itoa(n), "2026-01-01T00:00:00Z", "-", v, "+0.1", "pass", "-", status,
			q.randomText()}, "\t"), want)
	}

	return "autoresearch/x-260101-0000/results.tsv"
}

func (q *logWriter) writeShinka() (path string) {
	array := q.chance("sqlite3 -json", 2)

	n := 3 + q.IntN(10)
	for i := range n {
		v := q.Float64()

		line := q.encodeJSON(map[string]any{"id": q.randomHash(), "code": "def f():\n\treturn 1\n",
			"parent_id": q.randomHash(), "island_idx": 1, "combined_score": v, "correct": 1,
			"text_feedback": q.randomText()})
		if array {
			line = map[bool]string{true: "["}[i == 0] + line + map[bool]string{true: "]", false: ","}[i == n-1]
		}
		q.writeRun(line, formatFixed(v))
	}

	return "programs.jsonl"
}

// Generated logs with every known quirk: no byte is lost, every value is found
// or known to be none, every broken line has its number.
func TestGenerated(t *testing.T) {
	kinds := map[string]bool{}
	for n := range *generate {
		q := &logWriter{Rand: rand.New(rand.NewPCG(uint64(n), 7)), ending: "\n", kinds: kinds}
		if q.chance("CRLF", 4) {
			q.ending = "\r\n"
		}
		bom := q.chance("byte order mark", 6)
		makers := []func() string{q.writeKarpathy, q.writePi, q.writeRigor, q.writeAutokernel, q.writeUditgoenka,
			q.writeShinka}
		path := makers[n%len(makers)]()

		text := q.b.String()
		if bom {
			text = "\ufeff" + text
		}

		if q.chance("no newline at the end", 3) {
			text = strings.TrimRight(text, "\r\n")
		}
		_, all := detectAndRead(t, path, []byte(text))
		var values []string
		var broken []int

		for _, i := range all {
			switch {
			case i.Broken != "":
				broken = append(broken, i.Number)
			case i.Kind == "run" && i.Value != nil:
				values = append(values, formatFixed(*i.Value))
			case i.Kind == "run":
				values = append(values, "-")
			}
		}

		if diff := cmp.Diff(q.values, values); diff != "" {
			t.Errorf("file %d, %s: values (-written +read):\n%s", n, path, diff)
		}

		if diff := cmp.Diff(q.broken, broken); diff != "" {
			t.Errorf("file %d, %s: broken lines (-written +read):\n%s", n, path, diff)
		}

		if t.Failed() {
			t.Fatalf("%s", text)
		}
	}

	if *generate >= 200 && len(kinds) < 27 {
		t.Errorf("only %d quirks came about: %v", len(kinds), kinds)
	}
}
