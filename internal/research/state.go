package research

import (
	"encoding/json"
	"time"
)

// Campaign is the fold of a campaign's records: everything a call needs to
// know, in one value whose size does not grow with the number of experiments.
type Campaign struct {
	Name        string    `json:"name"`
	Program     Program   `json:"program"`
	Digest      string    `json:"digest"`
	ProgramPath string    `json:"program_path"`
	Start       string    `json:"start"`
	StartTree   string    `json:"start_tree"`
	Branch      string    `json:"branch"`
	Origin      string    `json:"origin"`
	Checkout    string    `json:"checkout"`
	StartedAt   time.Time `json:"started_at"`

	Incumbent   string `json:"incumbent"`    // commit
	IncumbentOf int    `json:"incumbent_of"` // the kept experiment it came from, 0 at the start
	KeptStack   []int  `json:"kept_stack"`   // the latest kept experiments that are in the incumbent, oldest first

	Experiments  int             `json:"experiments"` // number of the last one
	Calibrations int             `json:"calibrations"`
	Measurements int             `json:"measurements"`
	Ideas        int             `json:"ideas"`
	Lessons      int             `json:"lessons"`
	Saved        int             `json:"saved"`
	Runs         int             `json:"runs"`
	RunSeconds   float64         `json:"run_seconds"`
	Verdicts     map[Verdict]int `json:"verdicts"`
	Kept         int             `json:"kept"`
	Reverted     int             `json:"reverted"`
	Streak       int             `json:"streak"` // judged experiments since the last keep

	// Unresolved is the judged experiment that waits for keep or revert, 0 if none.
	// Open are the jobs without an end, oldest first.
	Unresolved int       `json:"unresolved"`
	Open       []JobID   `json:"open"`
	Calibrated bool      `json:"calibrated"`
	Rule       RuleState `json:"rule"`
	Broken     string    `json:"broken,omitempty"` // why the last calibration failed
	Ended      string    `json:"ended,omitempty"`  // reason, "" while it goes on
}

// Experiment is the fold of one experiment's records.
type Experiment struct {
	Proposal
	Session    string     `json:"session"`
	Status     Status     `json:"status"`
	ProposedAt time.Time  `json:"proposed_at"`
	JudgedAt   time.Time  `json:"judged_at,omitzero"`
	JudgedSeq  uint64     `json:"judged_seq,omitempty"`  // of the experiment.judged record
	JudgedHash string     `json:"judged_hash,omitempty"` // of the same
	Judgement  *Judgement `json:"judgement,omitempty"`   // without State, which the campaign holds
	Commit     string     `json:"commit,omitempty"`      // the keep commit
	KeptOn     string     `json:"kept_on,omitempty"`     // the branch that it was kept on
	Note       string     `json:"note,omitempty"`
	Lesson     string     `json:"lesson,omitempty"`
	Simpler    bool       `json:"simplification,omitempty"`
	Undone     bool       `json:"undone,omitempty"`
	Closed     bool       `json:"closed,omitempty"` // a revert was recorded, also of an invalid one
	Runs       int        `json:"runs"`
	RunSeconds float64    `json:"run_seconds"`
	Lost       int        `json:"lost,omitempty"`   // supervisors that died on it
	Output     string     `json:"output,omitempty"` // digest of the last stored output
}

// Job returns the experiment's id.
func (x *Experiment) Job() JobID { return NewJobID(ExperimentJob, x.N) }

// Measurement is the fold of one measurement's or calibration's records.
type Measurement struct {
	JobStart
	Session string          `json:"session"`
	At      time.Time       `json:"at"`
	Runs    int             `json:"runs_done"`
	Lost    string          `json:"lost,omitempty"`
	End     *MeasurementEnd `json:"end,omitempty"`
	Calib   *CalibrationEnd `json:"calibration,omitempty"` // without State
	Output  string          `json:"output,omitempty"`
}

// Done says whether the job has ended, one way or the other.
func (m *Measurement) Done() bool { return m.End != nil || m.Calib != nil || m.Lost != "" }

// Session is the fold of one checkout's records.
type Session struct {
	SessionJoin
	Campaign    string          `json:"campaign"`
	At          time.Time       `json:"at"`   // joined
	Last        time.Time       `json:"last"` // last record
	Experiments int             `json:"experiments"`
	Kept        int             `json:"kept"`
	Verdicts    map[Verdict]int `json:"verdicts"`
}

// View is the folded state that one record may touch. The ledger loads what
// Touches names, calls Fold, and stores it again in the record's transaction.
type View struct {
	Campaign    *Campaign
	Experiment  *Experiment  // when Touches gave an experiment's number
	Measurement *Measurement // when Touches gave a calibration or measurement
	Session     *Session     // when the record has a session
}

// body decodes a record's body.
func body[T any](r Record) (T, error) {
	var b T
	err := json.Unmarshal(r.Body, &b)
	return b, err
}
