package main_test

import (
	"cmp"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/simulate"
	"ratchet/internal/testform"
)

var (
	fieldNames   = flag.String("field", "", "benchmarks that TestField plays, by commas, or all (empty: skip)")
	fieldScale   = flag.Float64("field-scale", 1, "share of the 20 no-ops, 10 gains and 10 losses a campaign")
	fieldMinutes = flag.Float64("field-minutes", 60, "time for all campaigns together")
	fieldOut     = flag.String("field-out", "", "file NAME.jsonl in which TestField replaces the lines, a trial each; its document is NAME.md")
)

// The conditions of the machine: nothing else of ours runs, or a loop that keeps
// one core busy in blocks of 5 to 20 seconds.
const (
	quietly = "quiet"
	loaded  = "loaded"
)

// TestField plays a campaign on each real benchmark, quiet and loaded, and holds
// the verdicts against the truth. `make field` runs it.
func TestField(t *testing.T) {
	if *fieldNames == "" {
		t.Skip("make field plays it; TestFieldCampaign is its short form")
	}

	chosen := slices.DeleteFunc(fieldBenchmarks(), func(b fieldBenchmark) bool {
		return *fieldNames != "all" && !slices.Contains(strings.Split(*fieldNames, ","), b.name)
	})
	if len(chosen) == 0 {
		t.Fatalf("no benchmark is called %s", *fieldNames)
	}

	end := time.Now().Add(time.Duration(*fieldMinutes * float64(time.Minute)))
	left := 2 * len(chosen)
	var trials []simulate.FieldTrial

	for k, condition := range []string{quietly, loaded} { // quiet ones first: a machine is rarely left alone for long
		for i, b := range chosen {
			// Every campaign has an equal share of the time that is left.
			deadline := time.Now().Add(time.Until(end) / time.Duration(left))
			left--

			t.Run(b.name+" "+condition, func(t *testing.T) {
				trials = append(trials, playField(t, b, condition, uint64(2*i+k), deadline)...)
			})
		}
	}

	if *fieldOut != "" { // with those of the benchmarks that were played before
		trials = writeFieldDocument(t, *fieldOut)
	}

	t.Logf("\n%s", simulate.RenderFieldTable(trials))

	for _, p := range simulate.CheckField(trials) {
		if !p.Holds {
			t.Error(p)
		}
	}
}

// writeFieldDocument writes the document of all trials in the file beside it, under the
// same name, and returns them.
func writeFieldDocument(t *testing.T, path string) []simulate.FieldTrial {
	t.Helper()

	text, err := os.ReadFile(path)
	if os.IsNotExist(err) { // no campaign had a trial
		return nil
	}

	trials, errParse := simulate.ParseFieldTrials(text)
	if err := cmp.Or(err, errParse); err != nil {
		t.Fatal(err)
	}

	document := simulate.RenderFieldDocument(trials, filepath.Base(path))
	if err := os.WriteFile(strings.TrimSuffix(path, ".jsonl")+".md", []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}

	return trials
}

// playField plays one campaign of `make field`.
func playField(
	t *testing.T, b fieldBenchmark, condition string, seed uint64, deadline time.Time,
) []simulate.FieldTrial {
	t.Helper()

	if program := b.missing(); program != "" {
		t.Skipf("the benchmark %s needs %s, which is not on the PATH", b.name, program)
	}

	if *fieldOut != "" {
		forgetTrials(t, *fieldOut, b.name, condition)
	}
	f := newFieldCampaign(t, b, condition, *fieldOut)
	some := func(n int) int { return int(math.Ceil(*fieldScale * float64(n))) }
	edits := b.edits(t, f.start, some(20), some(10), some(10), seed)

	if condition == loaded {
		stop := competingLoad(seed, 1)
		defer stop()
	}

	return f.play(edits, deadline)
}

// Two useless edits and a gain of 20 points, driven over MCP on a benchmark that
// load can't change: each is judged, and the gain is not taken for a loss.
func TestFieldCampaign(t *testing.T) {
	testform.SkipQuick(t, "TestWireCampaign drives a campaign, internal/research/rules judges shares")
	t.Parallel()

	b := fieldBenchmarks()[slices.IndexFunc(fieldBenchmarks(),
		func(b fieldBenchmark) bool { return b.name == "accuracy" })]
	if program := b.missing(); program != "" {
		t.Skipf("the benchmark needs %s, which is not on the PATH", program)
	}

	f := newFieldCampaign(t, b, quietly, t.TempDir()+"/field.jsonl")
	edits := b.edits(t, f.start, 2, 1, 0, 3)

	trials := f.play(edits, time.Now().Add(time.Hour))
	if len(trials) != len(edits) {
		t.Fatalf("%d of %d edits were judged", len(trials), len(edits))
	}

	for i, trial := range trials {
		t.Logf("%+v", trial)

		if trial.Kind != edits[i].kind || trial.Verdict == research.Invalid || trial.Runs == 0 || trial.RunCost <= 0 ||
			trial.Value == nil || trial.Baseline == nil || trial.Noise <= 0 || trial.Cores == 0 {
			t.Errorf("the trial shows nothing: %+v", trial)
		}

		if *trial.Baseline < .2 || *trial.Baseline > .9 {
			t.Errorf("the start answers %.3f of the questions right, .57 is expected", *trial.Baseline)
		}

		if trial.Truth > 0 && trial.Called() < 0 {
			t.Errorf("a gain of 20 points is called a loss: %+v", trial)
		}
	}

	text := simulate.RenderFieldTable(trials)
	if !strings.Contains(text, "| quiet | no-op | 2 |") || !strings.Contains(text, "| accuracy | quiet | ") {
		t.Errorf("the table lacks what was tried:\n%s", text)
	}
}
