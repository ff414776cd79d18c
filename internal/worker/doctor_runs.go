package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ratchet/internal/atomicfile"
	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

// What a doctor has run need not be run again by the campaign that starts after it. Its
// runs lie in a file of the repository's ratchet folder, and count for a calibration of the
// same tree, by the same contract, on the same machine, within a day. The calibration's
// record then holds them, so that it is derived again from the ledger alone.

// doctorRunsAge is how old they may be.
const doctorRunsAge = 24 * time.Hour

// doctorRecord is the file's content.
type doctorRecord struct {
	Tree     string `json:"tree"`
	Contract string `json:"contract"` // its digest
	Program  string `json:"program"`  // its path
	Machine  string `json:"machine"`  // digest of the environment, as in calibration.finished
	history.DoctorRuns
}

func doctorRunsFile(co *checkout.Checkout) string {
	return filepath.Join(co.Repo.CommonDir(), "ratchet", "doctor.json")
}

// newDoctorRecord is the record of runs of the campaign's start, made here.
func newDoctorRecord(r *runner, campaign *history.Campaign) doctorRecord {
	return doctorRecord{Tree: campaign.StartTree, Contract: campaign.Digest, Program: campaign.ProgramPath,
		Machine: r.currentMachine().classDigest()}
}

// keepDoctorRuns writes the runs of a doctor's calibration for the campaign that comes
// after it. Where a run failed there is nothing to keep, and what lies there is removed.
func keepDoctorRuns(r *runner, campaign *history.Campaign, runs []rules.Run) error {
	record := newDoctorRecord(r, campaign)
	isUsable := len(runs) > 0

	for _, run := range runs {
		isUsable = isUsable && run.Valid
		record.At = run.Started.Add(time.Duration(run.Wall * float64(time.Second)))

		// The output and what was enforced are in the throw-away ledger only.
		run.Output, run.Bytes, run.Enforced, run.EnforcedAs = "", 0, nil, 0
		record.Runs = append(record.Runs, run)
	}

	file := doctorRunsFile(r.Checkout)
	if !isUsable {
		_ = os.Remove(file) // of an older state of the program, if it is there

		return nil
	}

	content, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode a doctor's runs: %w", err)
	}

	err = os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = atomicfile.Write(file, content, atomicfile.Options{})
	}

	if err != nil {
		return research.Errorf(research.CodeStorage, "free space, or make the folder writable",
			"keep the runs for the campaign: %w", err)
	}

	return nil
}

// findDoctorRuns are the runs that a doctor made of what the campaign is to calibrate
// now; nil where there are none, they are of something else, or they are too old. What
// can't be read is as good as none: the calibration makes its own. A doctor's own
// calibration takes none over.
func (r *runner) findDoctorRuns(campaign *history.Campaign) *history.DoctorRuns {
	if r.isTrial {
		return nil
	}

	content, err := os.ReadFile(doctorRunsFile(r.Checkout))
	if err != nil {
		return nil
	}

	var was doctorRecord
	if err := json.Unmarshal(content, &was); err != nil || len(was.Runs) == 0 {
		return nil
	}

	is := newDoctorRecord(r, campaign)
	is.DoctorRuns = was.DoctorRuns
	age := time.Since(was.At)

	if is.Tree != campaign.IncumbentTree || age < 0 || age > doctorRunsAge || r.space.hasChangedSince(was.At) ||
		was.Tree != is.Tree || was.Contract != is.Contract || was.Program != is.Program || was.Machine != is.Machine {
		return nil
	}

	for i := range was.Runs { // the doctor's start commit may be another, of the same tree
		was.Runs[i].Commit = campaign.Incumbent
	}

	return &was.DoctorRuns
}

// hasChangedSince says whether what runs see from outside the commit was changed after that
// time, as far as its folders and what lies directly in them say.
func (ws *workspace) hasChangedSince(at time.Time) bool {
	for _, bind := range ws.binds {
		paths, err := filepath.Glob(filepath.Join(bind.From, "*"))
		if err != nil {
			return true
		}

		for _, path := range append(paths, bind.From) {
			info, err := os.Lstat(path)
			if err != nil || info.ModTime().After(at) {
				return true
			}
		}
	}

	return false
}

// readRuns are the runs of a job of the campaign, in order.
func (r *runner) readRuns(ctx context.Context, id research.JobID) (runs []rules.Run, err error) {
	err = r.Ledger.View(ctx, func(tx *ledger.Tx) error {
		runs, err = tx.Runs(r.campaign, id)
		return err
	})

	return runs, err
}

// keepRuns keeps the runs of the trial's calibration of the campaign's start.
func (t *trial) keepRuns(ctx context.Context, start *history.Campaign, id research.JobID) error {
	runs, err := t.readRuns(ctx, id)
	if err != nil {
		return err
	}

	counted := runs[:0]
	for _, run := range runs {
		if !run.Void {
			counted = append(counted, run)
		}
	}

	return keepDoctorRuns(t.runner, start, counted)
}
