package main_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/simulate"
	"ratchet/ledger"
	"ratchet/sandbox/hostinfo"
)

// A fieldCampaign is the agent of one campaign on a benchmark of known truth.
// It reverts every edit, so that each is judged against the start.
type fieldCampaign struct {
	t         testing.TB
	benchmark fieldBenchmark
	condition string // quiet | loaded
	out       string // the file that gets a line of JSON a trial, "" for none
	site      *site
	client    *client
	start     string // the edited file's text
	began     time.Time
	values    []float64 // of all the start's runs so far, calibration included
	machine   hostinfo.Environment
}

// newFieldCampaign makes the benchmark's repository.
func newFieldCampaign(t testing.TB, b fieldBenchmark, condition, out string) *fieldCampaign {
	t.Helper()
	s := newSite(t)

	for name := range repoFiles {
		s.sh("git", "rm", "-q", name)
	}
	b.writeTo(t, s.dir)
	s.sh("git", "add", ".")
	s.sh("git", "commit", "-qm", b.name)
	s.env = append(s.env, "PATH="+pathOfInterpreters())

	return &fieldCampaign{t: t, benchmark: b, condition: condition, out: out, site: s, start: s.read(b.file),
		machine: hostinfo.ReadEnvironment()}
}

// pathOfInterpreters is the PATH with the folder of Python itself before it: a
// shim that looks for it takes longer to start than these benchmarks run.
func pathOfInterpreters() string {
	path := os.Getenv("PATH")

	found, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return path
	}

	return filepath.Dir(strings.TrimSpace(string(found))) + string(os.PathListSeparator) + path
}

// play proposes the edits one after another, and none any more after the deadline.
// A campaign that ends before its last edit is an error of the test.
func (f *fieldCampaign) play(edits []fieldEdit, deadline time.Time) (trials []simulate.FieldTrial) {
	f.t.Helper()
	f.began = time.Now()

	f.client = f.site.connect()
	defer f.client.close()

	a := f.await(f.client.call("start_campaign", nil))
	if a.ID != "" { // of the calibration
		a = f.await(f.client.call("wait_run", map[string]any{"id": a.ID, "wait_seconds": 50}))
	}

	if a.Error != nil || a.Reason != "" {
		f.t.Errorf("%s, %s: the campaign does not start: %s", f.benchmark.name, f.condition, a.text)
		return nil
	}

	for i, e := range edits {
		if time.Now().After(deadline) {
			f.t.Errorf("%s, %s: the time is up, %d of %d edits were not tried", f.benchmark.name, f.condition,
				len(edits)-i, len(edits))

			break
		}

		trial, err := f.try(e)
		if err != nil {
			f.t.Errorf("%s, %s: the campaign ends at edit %d of %d: %v", f.benchmark.name, f.condition, i+1, len(edits),
				err)

			break
		}

		trials = append(trials, trial)
		f.note(trial)
	}
	f.site.sh(ratchet, "verify", "--recompute")

	return trials
}

// try proposes one edit, waits for the verdict and reverts it. An answer
// without a verdict is an error.
func (f *fieldCampaign) try(e fieldEdit) (trial simulate.FieldTrial, err error) {
	f.t.Helper()
	f.site.write(f.benchmark.file, e.text)
	proposed := time.Now()

	a := f.await(f.client.call("run_experiment", map[string]any{"hypothesis": e.kind, "wait_seconds": 50}))
	if a.Error != nil || a.Verdict == "" {
		return trial, fmt.Errorf("no verdict: %s", a.text)
	}
	judged := time.Now()

	trial = simulate.FieldTrial{Benchmark: f.benchmark.name, Condition: f.condition, Kind: e.kind, Truth: e.truth,
		Verdict: research.Verdict(a.Verdict), Reason: a.Reason, Value: a.Value, Seconds: seconds(proposed, judged),
		At: seconds(f.began, judged), Processor: cmp.Or(f.machine.CPU, "unknown"), Cores: f.machine.CPUs}
	if a.Gain != nil {
		trial.Low, trial.High = &a.Gain.Lo, &a.Gain.Hi
	}

	if err := f.addRuns(a.Experiment, &trial); err != nil {
		return trial, err
	}

	if r := f.client.call("revert", map[string]any{"lesson": "it was to be judged, not kept"}); r.Error != nil {
		return trial, fmt.Errorf("revert: %s", r.text)
	}

	if f.site.read(f.benchmark.file) != f.start {
		return trial, fmt.Errorf("%s is not the start's after the revert", f.benchmark.file)
	}

	return trial, nil
}

// await waits for the end of what an answer says is running.
func (f *fieldCampaign) await(a answer) answer {
	f.t.Helper()

	for a.Status == "running" {
		a = f.client.call("wait_run", map[string]any{"id": a.ID, "wait_seconds": 50})
	}

	return a
}

// seconds is the time between two moments, to the hundredth.
func seconds(from, to time.Time) float64 { return to.Sub(from).Round(10 * time.Millisecond).Seconds() }

// addRuns adds what the ledger has of the experiment's runs.
func (f *fieldCampaign) addRuns(experiment int, trial *simulate.FieldTrial) error {
	return f.site.ledger().View(context.Background(), func(tx *ledger.Tx) error {
		all, err := tx.Campaigns()
		if err != nil {
			return err
		}
		campaign := all[0].Name
		metric := all[0].Program.Metric.Name

		x, err := tx.Experiment(campaign, experiment)
		if err != nil {
			return err
		}

		trial.Runs = x.Runs
		if x.Runs > 0 {
			trial.RunCost = x.RunSeconds / float64(x.Runs)
		}

		if f.values == nil {
			calibration, err := tx.Runs(campaign, research.NewJobID(research.CalibrationJob, 1))
			if err != nil {
				return err
			}
			f.values = startValues(calibration, metric)
		}

		runs, err := tx.Runs(campaign, x.Job())
		if err != nil {
			return err
		}
		own := startValues(runs, metric)
		f.values = append(f.values, own...)

		if len(own) == 0 {
			own = f.values
		}

		if len(own) > 0 {
			baseline := slices.Sorted(slices.Values(own))[len(own)/2]
			trial.Baseline = &baseline
		}
		trial.Noise = simulate.FieldNoise(f.values)

		return nil
	})
}

// startValues are the values of the incumbent's valid runs, which is the start.
func startValues(runs []rules.Run, metric string) (values []float64) {
	for _, r := range runs {
		if v, ok := r.Samples[metric]; ok && r.Side == rules.Incumbent && r.Valid && !r.WarmUp {
			values = append(values, v)
		}
	}

	return values
}

// note writes the trial down.
func (f *fieldCampaign) note(trial simulate.FieldTrial) {
	f.t.Helper()

	if f.out == "" {
		return
	}

	line, err := json.Marshal(trial)
	if err != nil {
		f.t.Fatal(err)
	}
	appendLine(f.t, f.out, line)
}

// forgetTrials takes a campaign's lines out of the file: it is played again.
func forgetTrials(t testing.TB, path, benchmark, condition string) {
	t.Helper()

	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return
	}

	trials, errParse := simulate.ParseFieldTrials(text)
	if err != nil || errParse != nil {
		t.Fatal(cmp.Or(err, errParse))
	}

	var kept []byte

	for i, line := range slices.Collect(strings.Lines(string(text))) {
		if trials[i].Benchmark != benchmark || trials[i].Condition != condition {
			kept = append(kept, line...)
		}
	}

	if err := os.WriteFile(path, kept, 0o644); err != nil {
		t.Fatal(err)
	}
}
