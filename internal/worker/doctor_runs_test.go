package worker_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/internal/worker"
	"ratchet/ledger"
)

var doctorFiles = map[string]string{"program.md": `---
edit: candidate.sh
metric: {name: x, better: lower, noise: noisy}
run: "sh candidate.sh"
budget: {wall: 20s, grace: 1s}
---
`, "candidate.sh": "echo METRIC x=1$RATCHET_SEED\n"}

// calibration is the record of the campaign's calibration, and how many runs it made.
func (c *campaign) calibration() (end history.CalibrationEnd, runs int) {
	c.t.Helper()
	var records []history.Record

	c.must(c.Ledger.View(c.t.Context(), func(tx *ledger.Tx) error {
		return tx.Records(1, func(record history.Record) error {
			records = append(records, record)

			switch record.Kind {
			case history.KindRunFinished:
				runs++
			case history.KindCalibrationFinished:
				return json.Unmarshal(record.Body, &end)
			}

			return nil
		})
	}))
	c.must(history.Recompute(slices.Values(records)))

	return end, runs
}

// A doctor's runs count for the campaign that starts on the same commit, and its
// calibration is derived from them again; not when they are old, of another tree, or by
// another contract.
func TestDoctorsRunsCountForTheCampaign(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		change func(c *campaign, file string)
		taken  bool
	}{
		"at once": {func(*campaign, string) {}, true},
		"after two days": {func(c *campaign, file string) {
			c.edit(file, func(record map[string]any) { record["at"] = time.Now().Add(-48 * time.Hour) })
		}, false},
		"of another tree": {func(c *campaign, file string) {
			c.edit(file, func(record map[string]any) { record["tree"] = "0000" })
		}, false},
		"by another contract": {func(c *campaign, file string) {
			c.edit(file, func(record map[string]any) { record["contract"] = "0000" })
		}, false},
		"on another machine": {func(c *campaign, file string) {
			c.edit(file, func(record map[string]any) { record["machine"] = "0000" })
		}, false},
		"of a file that can't be read": {func(c *campaign, file string) { writeFile(c.t, file, "{") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			if !c.taken {
				testform.SkipQuick(t, "it is the one case that takes runs over")
			}
			t.Parallel()

			co := newCheckout(t, doctorFiles)
			health, err := worker.Doctor(t.Context(), co.Checkout, worker.DoctorRequest{Say: func(string) {}})
			co.must(err)

			if health.Problem != "" || !strings.Contains(health.Finding, "count for a campaign") {
				t.Fatalf("health: %+v", health)
			}
			c.change(co, filepath.Join(co.Repo.CommonDir(), "ratchet", "doctor.json"))
			co.start()
			co.startCalibration()
			co.must(co.work("c1"))

			end, runs := co.calibration()
			if end.Failed != "" || c.taken != (end.Doctor != nil) || c.taken != (runs == 0) {
				t.Errorf("%d runs made, doctor's %+v, %s", runs, end.Doctor, end.Failed)
			}

			if c.taken && len(end.Doctor.Runs) != health.Runs {
				t.Errorf("%d runs of the doctor's %d", len(end.Doctor.Runs), health.Runs)
			}
		})
	}
}

// A doctor whose runs can't be kept says so, and fails at nothing else.
func TestDoctorsRunsCannotBeKept(t *testing.T) {
	t.Parallel()

	co := newCheckout(t, doctorFiles)
	file := filepath.Join(co.Repo.CommonDir(), "ratchet", "doctor.json")
	co.must(os.MkdirAll(filepath.Join(file, "in the way"), 0o755))

	health, err := worker.Doctor(t.Context(), co.Checkout, worker.DoctorRequest{Say: func(string) {}})
	co.must(err)

	if health.Problem != "" || !strings.Contains(health.Finding, "do not count for a campaign: keep the runs") {
		t.Errorf("health: %+v", health)
	}
}

// A doctor's runs keep what a share is of: the campaign that takes them over compares shares.
func TestDoctorsRunsKeepTheirItems(t *testing.T) {
	testform.SkipQuick(t, "TestDoctorsRunsCountForTheCampaign")
	t.Parallel()

	co := newCheckout(t, map[string]string{
		"program.md":   strings.Replace(doctorFiles["program.md"], "name: x, better: lower", "name: right, better: higher", 1),
		"candidate.sh": "echo right: $((30 + RATCHET_SEED % 5))/50\n",
	})
	_, err := worker.Doctor(t.Context(), co.Checkout, worker.DoctorRequest{Say: func(string) {}})
	co.must(err)
	co.start()
	co.startCalibration()
	co.must(co.work("c1"))

	end, _ := co.calibration()
	if end.Doctor == nil || end.State.Of != 50 || end.State.Scale != research.ShareScale {
		t.Errorf("taken over: %t; compared as %q of %d items", end.Doctor != nil, end.State.Scale, end.State.Of)
	}
}

// edit changes a file that holds a JSON object.
func (c *campaign) edit(file string, change func(map[string]any)) {
	c.t.Helper()

	content, err := os.ReadFile(file)
	c.must(err)

	var record map[string]any
	c.must(json.Unmarshal(content, &record))
	change(record)

	content, err = json.Marshal(record)
	c.must(err)
	writeFile(c.t, file, string(content))
}

func TestDoctorRecordsAStream(t *testing.T) {
	testform.SkipQuick(t, "TestDoctor; internal/simulate reads streams")
	t.Parallel()

	co := newCheckout(t, doctorFiles)
	health, err := worker.Doctor(t.Context(), co.Checkout, worker.DoctorRequest{Record: 4, Say: func(string) {}})
	co.must(err)

	lines := strings.Split(strings.TrimSpace(health.Stream), "\n")
	if len(lines) != 5 || lines[0] != "t\tvalue\twall_s\tcontended" {
		t.Fatalf("the stream:\n%s", health.Stream)
	}

	for _, line := range lines[1:] {
		if fields := strings.Split(line, "\t"); len(fields) != 4 || !strings.HasPrefix(fields[1], "1") {
			t.Errorf("a row: %q", line)
		}
	}
}
