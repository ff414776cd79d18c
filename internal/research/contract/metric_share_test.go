package contract_test

import (
	"fmt"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

func accuracy(change ...func(*contract.Metric)) contract.Metric {
	m := contract.Metric{Name: "accuracy", Better: research.Higher, From: contract.Source{Kind: "output"}}
	for _, c := range change {
		c(&m)
	}

	return m
}

func TestScannerReadsShares(t *testing.T) {
	for _, c := range []struct{ output, want string }{
		{"METRIC accuracy=26/50\n", "0.52 of 50"},
		{"METRIC accuracy=0/50\n", "0 of 50"},
		{"METRIC accuracy=50 / 50\n", "1 of 50"},
		{"METRIC accuracy=0.52 (26/50)\n", "0.52 of 50"},
		{"METRIC accuracy=26/50 (52%)\n", "52 of 50"},
		{"accuracy: 26/50 (0.52)\n", "0.52 of 50"},
		{"accuracy 0.52 (26/50)\n", "0.52 of 50"},
		{"accuracy 26/50\n", "0.52 of 50"},
		{"accuracy: 52.0% (26/50)\n", "52 of 50"},
		{"accuracy: 97% (9747/10000)\n", "97.47 of 10000"},
		{"accuracy: 0.33 (1/3)\n", "0.3333333333333333 of 3"},
		{"accuracy: 1 (1/100)\n", "1 of 100"},
		{"accuracy: 1 (50/50)\n", "1 of 50"},
		{"accuracy: 0 (0/50)\n", "0 of 50"},
		{"{\"accuracy\": \"26/50\"}\n", "0.52 of 50"},
		{"accuracy: 0.52\nMETRIC accuracy=26/50\n", "0.52 of 50"},
		{"accuracy: 0.52\n", "0.52 of 0"},
		{"accuracy 26/50 samples seen\naccuracy: 0.5\n", "0.5 of 0"},
		{"epoch 1 accuracy 26/50\naccuracy: 0.5\n", "0.5 of 0"},
		{"METRIC accuracy=0.7 (26/50)\n", "another share"},
		{"METRIC accuracy=0.52% (26/50)\n", "another share"},
		{"METRIC accuracy=3/2\n", "not a decimal number"},
		{"METRIC accuracy=1/0\n", "not a decimal number"},
		{"METRIC accuracy=-1/2\n", "not a decimal number"},
		{"accuracy 26/50\naccuracy 27/50\n", "different values"},
		{"x\raccuracy 27/50\naccuracy 26/50\nat the end accuracy 1/50\n", "ambiguous"},
		{"unfinished accuracy 26/50\naccuracy 50/50\n", "ambiguous"},
	} {
		scanner := contract.NewScanner(accuracy(), nil)
		if _, err := scanner.Write([]byte(c.output)); err != nil {
			t.Fatal(err)
		}

		values, err := scanner.Values()
		got := fmt.Sprint(values["accuracy"], " of ", scanner.ShareOf())
		if err != nil {
			got = err.Error()
		}

		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%q gives %q, want %q", c.output, got, c.want)
		}
	}
}

// Of several values the one that is picked keeps its own number of items.
func TestPickedShareKeepsItsItems(t *testing.T) {
	output := []byte("accuracy: 1/4\naccuracy: 3/5\naccuracy: 2/6\n")

	for how, want := range map[string]int{"first": 4, "last": 6, "min": 4, "max": 5} {
		scanner := contract.NewScanner(accuracy(pick(how)), nil)
		if _, err := scanner.Write(output); err != nil {
			t.Fatal(err)
		}

		if _, err := scanner.Values(); err != nil || scanner.ShareOf() != want {
			t.Errorf("%s: of %d items (%v), want %d", how, scanner.ShareOf(), err, want)
		}
	}
}

func TestSampleFromFileOfItems(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{`{"items": [true, false, 1, 0, "1"]}`, "0.6 of 5, 5 kept"},
		{`{"items": [0.5, 1]}`, "0.75 of 2, 2 kept"},
		{`{"items": [0.5, 12]}`, "6.25 of 0, 0 kept"},
		{`{"items": "26/50"}`, "0.52 of 50, 0 kept"},
		{`{"items": []}`, `the list at "/items" is empty`},
		{`{"items": [1, null]}`, `the value at "/items/1" is null, not a number`},
		{`{"items": [1, "pass"]}`, `the value at "/items/1", "pass", is not a decimal number`},
		{`{"items": [1e308, 1e308]}`, `the list at "/items" has no mean: its numbers are too large`},
		{`{"items": [` + strings.Repeat("1,", contract.MostItems) + `1]}`, "1 of 4097, 0 kept"},
	} {
		sample, err := contract.SampleFromFile([]byte(c.content), "/items")

		got := fmt.Sprintf("%v of %d, %d kept", sample.Value, sample.Of, len(sample.Items))
		if err != nil {
			got = err.Error()
		}

		if got != c.want {
			t.Errorf("%.40s gives %q, want %q", c.content, got, c.want)
		}
	}
}

func TestScaleIsStrict(t *testing.T) {
	program := func(metric string) string {
		return "---\nedit: a\nmetric: {name: m, better: lower, " + metric + "}\nrun: ./b\n---\n"
	}

	for metric, want := range map[string]string{
		"scale: cuont":              `program.md:3: metric.scale can't be "cuont"; did you mean "count"?`,
		"scale: 3":                  `program.md:3: metric.scale can't be "3"; valid: auto, log, linear, count, share`,
		"scal: log":                 `program.md:3: unknown key "metric.scal"; did you mean "metric.scale"?`,
		"scale: count, from: wall":  `program.md:3: metric.scale can't be "count" where metric.from is wall`,
		"scale: share, from: 'cpu'": `program.md:3: metric.scale can't be "share" where metric.from is cpu`,
	} {
		_, err := contract.ParseProgram([]byte(program(metric)), "x")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", metric, err, want)
		}
	}

	plain, err := contract.ParseProgram([]byte(program("unit: x")), "x")
	if err != nil {
		t.Fatal(err)
	}

	auto, err := contract.ParseProgram([]byte(program("unit: x, scale: auto")), "x")
	if err != nil || auto.Program.Digest() != plain.Program.Digest() {
		t.Errorf("auto is not the default: %v", err)
	}

	for _, scale := range []string{"log", "linear", "count", "share"} {
		doc, err := contract.ParseProgram([]byte(program("scale: "+scale)), "x")
		if err != nil || doc.Program.Metric.Scale != scale || doc.Program.Digest() == plain.Program.Digest() {
			t.Errorf("%s: %v, digest %s", scale, err, doc.Program.Digest())
			continue
		}

		again, err := contract.ParseProgram(contract.RenderProgram(doc.Program, ""), "x")
		if err != nil || again.Program.Metric.Scale != scale {
			t.Errorf("%s does not survive its rendering: %v", scale, err)
		}
	}
}
