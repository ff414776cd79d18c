package history

import (
	"encoding/json"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// Campaign is the fold of a campaign's records: everything a call needs to
// know, in one value whose size does not grow with the number of experiments.
type Campaign struct {
	Name        string           `json:"name"`
	ID          string           `json:"id,omitempty"`         // see CampaignStart
	Repository  string           `json:"repository,omitempty"` // see CampaignStart
	Program     contract.Program `json:"program"`
	Digest      string           `json:"digest"`
	ProgramPath string           `json:"program_path"`
	Start       string           `json:"start"`
	StartTree   string           `json:"start_tree"`
	Branch      string           `json:"branch"`
	Origin      string           `json:"origin"`
	Checkout    string           `json:"checkout"`
	StartedAt   time.Time        `json:"started_at"`

	Line // but for its class of machines, see LineClass

	Audit *Audited `json:"audit,omitempty"` // the last one
	Final *Final   `json:"final,omitempty"` // what finalize made last

	Experiments  int `json:"experiments"` // number of the last one
	Calibrations int `json:"calibrations"`
	Measurements int `json:"measurements"`
	Certificates int `json:"certificates"` // started
	Certified    int `json:"certified"`    // passed
	Audits       int `json:"audits"`
	// that saw a run and were lost: the next test pays for them
	LostTests int `json:"lost_tests"`
	Ideas     int `json:"ideas"`
	Lessons   int `json:"lessons"`
	Notes     int `json:"notes,omitempty"` // of persons, see Note
	Saved     int `json:"saved"`
	// records of other programs' lines; they count for nothing else
	Imported   int     `json:"imported,omitempty"`
	Runs       int     `json:"runs"`
	RunSeconds float64 `json:"run_seconds"`
	GPUSeconds float64 `json:"gpu_seconds,omitempty"`
	// of RunSeconds, those of repeated runs; not counted under the rule's first version
	RepeatSeconds float64 `json:"repeat_seconds,omitempty"`
	// DoctorRun is the mean length in seconds of the runs that the last calibration took
	// over from a doctor, 0 for none
	DoctorRun float64                  `json:"doctor_run_s,omitempty"`
	Verdicts  map[research.Verdict]int `json:"verdicts"`
	Kept      int                      `json:"kept"`
	// of the kept ones, those that a person kept against the verdict
	Overridden int `json:"overridden,omitempty"`
	Reverted   int `json:"reverted"`
	Streak     int `json:"streak"` // judged experiments since the last keep

	// Unresolved are the judged experiments that wait for keep or revert, at most
	// one of each checkout. Mine is the one of the reader's own checkout, MineRuns the one
	// that runs for it, 0 if none; readers set both.
	Unresolved []int `json:"unresolved"`
	Mine       int   `json:"-"`
	MineRuns   int   `json:"-"`
	// Unheard is the first note that was not delivered to the reader's session, nil
	// if there is none; readers set it.
	Unheard *Note            `json:"-"`
	Open    []research.JobID `json:"open"` // the jobs without an end, oldest first

	// Earlier are the metrics that the campaign had before a person accepted another one,
	// oldest first; nil where it has always had the present one.
	Earlier []EarlierMetric `json:"earlier_metrics,omitempty"`

	Calibrated bool `json:"calibrated"`
	// Rule is what the rule of the contract carries from record to record. It is
	// stored as one value, in records too. Its TestCount, and of Auto the price of a
	// run and what was gained in all, belong to the campaign; the rest belongs to the
	// line: the noise, the level, the guards, and of Auto the belief, the chain and
	// its claim.
	Rule   rules.RuleState `json:"rule"`
	Broken string          `json:"broken,omitempty"` // why the last calibration failed

	LineClass

	// Thinking is the time in seconds from a verdict to the next proposal, a moving mean.
	Thinking float64   `json:"thinking_s"`
	JudgedAt time.Time `json:"judged_at,omitzero"`
	Ended    string    `json:"ended,omitempty"` // reason, "" while it goes on
	Rests    *Rest     `json:"rests,omitempty"` // somebody stopped the loop; nil while it goes on
}

// Line is what belongs to one line of descent: the incumbent, the versions that
// it came from, and what is proven of it. The campaign has the rest: the count of
// tests, the budgets, the ideas. Line, LineClass and Campaign are one flat JSON
// object whose fields keep the order that stored states have; that is why
// LineClass is not part of Line.
type Line struct {
	Incumbent     string `json:"incumbent"` // commit
	IncumbentTree string `json:"incumbent_tree"`
	IncumbentOf   int    `json:"incumbent_of"` // the kept experiment it came from, 0 at the start
	KeptStack     []int  `json:"kept_stack"`   // the latest kept experiments that are in the incumbent, oldest first

	// Checkpoint is the last version that is proven, or the start: what a
	// certificate compares the head with. The chain between them began with
	// experiment ChainFrom.
	Checkpoint     string `json:"checkpoint"`
	CheckpointTree string `json:"checkpoint_tree"`
	CheckpointOf   int    `json:"checkpoint_of"`
	ChainFrom      int    `json:"chain_from"`
	// CertifiedGain is the sum of the certificates' estimates, on the scale of the rule.
	CertifiedGain float64 `json:"certified_gain"`
	// GainsAfter is the last experiment that was made under a contract whose numbers
	// were others, 0 for none: what was gained until then counts in no figure.
	GainsAfter int `json:"gains_after,omitempty"`
}

// LineClass is the class of machines that a line is measured on, and the start's
// value there.
type LineClass struct {
	// Class numbers the environments in which runs are comparable; Machine is the
	// digest of the present one, Facts what it says.
	Class     int             `json:"class"`
	Machine   string          `json:"machine,omitempty"`
	Facts     json.RawMessage `json:"facts,omitempty"`
	Changed   string          `json:"changed,omitempty"`    // when the class began, in words
	ClassFrom int             `json:"class_from,omitempty"` // the experiment that it began with
	// Baseline is the start's value, as it was measured in the class BaselineClass.
	Baseline      *float64 `json:"baseline,omitempty"`
	BaselineClass int      `json:"baseline_class,omitempty"`
}

// Rest says who stopped the loop, and when: a campaign that rests starts no
// experiment, and keeps everything that it has.
type Rest struct {
	At time.Time `json:"at"`
	By string    `json:"by"` // as in LoopChange
}

// Words say who stopped the loop, and when.
func (r *Rest) Words() string {
	at := r.At.UTC().Format("2 Jan 15:04 MST")
	if r.By == "command" {
		return "`ratchet stop` stopped the loop on " + at
	}

	return "a person stopped the loop on " + at
}

// EarlierMetric is what a campaign measured until a person accepted another metric.
type EarlierMetric struct {
	Until  int                `json:"until"` // the last experiment that was measured so
	Name   string             `json:"name"`
	Unit   string             `json:"unit,omitempty"`
	Better research.Direction `json:"better"`
}

// MetricOf is the metric that experiment n was measured by. Of an earlier one it has the
// name, the unit and the direction.
func (c *Campaign) MetricOf(n int) contract.Metric {
	for _, earlier := range c.Earlier {
		if n <= earlier.Until {
			return contract.Metric{Name: earlier.Name, Unit: earlier.Unit, Better: earlier.Better}
		}
	}

	return c.Program.Metric
}

// EarlierMetricOf is MetricOf where that is another metric than the present one, else nil.
func (c *Campaign) EarlierMetricOf(n int) *contract.Metric {
	was, now := c.MetricOf(n), c.Program.Metric
	if was.Name == now.Name && was.Unit == now.Unit && was.Better == now.Better {
		return nil
	}

	return &was
}

// MeasuredFrom is the first experiment from which on all were measured by the present metric.
func (c *Campaign) MeasuredFrom() int {
	for i := len(c.Earlier) - 1; i >= 0; i-- {
		if until := c.Earlier[i].Until; c.EarlierMetricOf(until) != nil {
			return until + 1
		}
	}

	return 1
}

// Experiment is the fold of one experiment's records.
type Experiment struct {
	Proposal
	Session    string           `json:"session"`
	Status     research.Status  `json:"status"`
	ProposedAt time.Time        `json:"proposed_at"`
	JudgedAt   time.Time        `json:"judged_at,omitzero"`
	JudgedSeq  uint64           `json:"judged_seq,omitempty"`  // of the experiment.judged record
	JudgedHash string           `json:"judged_hash,omitempty"` // of the same
	Judgement  *rules.Judgement `json:"judgement,omitempty"`   // without State, which the campaign holds
	Commit     string           `json:"commit,omitempty"`      // the keep commit
	KeptOn     string           `json:"kept_on,omitempty"`     // the branch that it was kept on
	Note       string           `json:"note,omitempty"`
	Lesson     string           `json:"lesson,omitempty"`
	Simpler    bool             `json:"simplification,omitempty"`
	Overridden Way              `json:"overridden,omitempty"` // how a person kept it against its verdict
	Undone     bool             `json:"undone,omitempty"`
	Closed     bool             `json:"closed,omitempty"` // a revert was recorded, also of an invalid one
	Runs       int              `json:"runs"`
	RunSeconds float64          `json:"run_seconds"`
	Class      int              `json:"class,omitempty"`       // of comparable runs, see Campaign.Class
	RolledBack bool             `json:"rolled_back,omitempty"` // kept, until its chain failed its certificate
	// Under is the metric that its values are of, where the campaign has another one now;
	// nil where it is the present one. Set by readers.
	Under *contract.Metric `json:"-"`
	// Guards are the guards' values, see rules.GuardValues; set by readers.
	Guards []rules.GuardValue `json:"-"`
	// how far its keep is proven, see Campaign.Proof; set by readers
	Proof     string `json:"proof,omitempty"`
	Confirmed bool   `json:"confirmed,omitempty"` // a run of a confirmation was made
	Rebased   int    `json:"rebased,omitempty"`   // times that its edit was merged onto a newer incumbent
	Lost      int    `json:"lost,omitempty"`      // workers that died on it
	Output    string `json:"output,omitempty"`    // digest of the last stored output
}

// Job returns the experiment's id.
func (x *Experiment) Job() research.JobID { return research.NewJobID(research.ExperimentJob, x.N) }

// Measurement is the fold of one measurement's or calibration's records.
type Measurement struct {
	rules.JobStart
	Session string                `json:"session"`
	At      time.Time             `json:"at"`
	Runs    int                   `json:"runs_done"`
	Lost    string                `json:"lost,omitempty"`
	End     *rules.MeasurementEnd `json:"end,omitempty"`
	Calib   *CalibrationEnd       `json:"calibration,omitempty"` // without State
	Proof   *CertificateEnd       `json:"certificate,omitempty"` // without State
	Output  string                `json:"output,omitempty"`
}

// Done says whether the job has ended, one way or the other.
func (m *Measurement) Done() bool {
	return m.End != nil || m.Calib != nil || m.Proof != nil || m.Lost != ""
}

// Audited is the outcome of an audit: the gain of a version over the campaign's
// start, from fresh pairs.
type Audited struct {
	Job         research.JobID    `json:"job"`
	Commit      string            `json:"commit"`
	Experiments int               `json:"experiments"` // made by then
	Gain        research.Interval `json:"gain"`
	Scale       string            `json:"scale"`
	Pairs       int               `json:"pairs"`
	// Interferes says that the version disturbs what runs after it, see rules.Control.
	Interferes bool `json:"interferes,omitempty"`
}

// Final is what a finalize made, without its lists, whose size grows with the campaign.
type Final struct {
	Branch  string            `json:"branch"`
	Commit  string            `json:"commit"`
	Tree    string            `json:"tree"`
	Head    string            `json:"head"` // the incumbent that it was made of
	Of      string            `json:"of,omitempty"`
	Ablated bool              `json:"ablated"`
	Most    int               `json:"most,omitempty"`
	Audit   research.JobID    `json:"audit"`
	Gain    research.Interval `json:"gain"`
	Scale   string            `json:"scale"`
	Pairs   int               `json:"pairs"`
	Dropped int               `json:"dropped"` // how many changes
	Stack   int               `json:"stack"`   // how many commits, 0 for one that is not a stack

	Experiments int    `json:"experiments"` // made by then
	Seq         uint64 `json:"seq"`         // of the campaign.finalized record
	Hash        string `json:"hash"`        // of the same
}

// Finalized is what a finalize made of the present incumbent, with an audited
// gain; nil while there is none, and when the incumbent has moved since.
func (c *Campaign) Finalized() *Final {
	if f := c.Final; f != nil && f.Head == c.Incumbent && f.Pairs > 1 {
		return f
	}

	return nil
}

func (b Finalization) summarize(record Record, experiments int) *Final {
	f := &Final{Branch: b.Branch, Commit: b.Commit, Tree: b.Tree, Head: b.Head, Of: b.Of, Ablated: b.Ablated,
		Most: b.Most, Audit: b.Audit, Scale: b.Scale, Pairs: b.Pairs, Dropped: len(b.Dropped), Stack: len(b.Stack),
		Experiments: experiments, Seq: record.Seq, Hash: record.Hash}
	if b.Gain != nil {
		f.Gain = *b.Gain
	}

	return f
}

// Session is the fold of one checkout's records.
type Session struct {
	SessionJoin
	Campaign    string                   `json:"campaign"`
	At          time.Time                `json:"at"`   // joined
	Last        time.Time                `json:"last"` // last record
	Experiments int                      `json:"experiments"`
	Kept        int                      `json:"kept"`
	Verdicts    map[research.Verdict]int `json:"verdicts"`
	Predictions Predictions              `json:"predictions"`
	Heard       int                      `json:"heard,omitempty"` // the last note that it was told
	// Answers is what its agent was told, by tool.
	Answers map[string]Answered `json:"answers,omitempty"`
}

// AnswerTotal is the sum of the session's answers.
func (s *Session) AnswerTotal() (all Answered) {
	for _, a := range s.Answers {
		all = all.Plus(a)
	}

	return all
}

// Plus is the sum of both.
func (a Answered) Plus(b Answered) Answered {
	return Answered{a.N + b.N, a.Text + b.Text, a.Structured + b.Structured}
}

// body decodes a record's body.
func body[T any](r Record) (T, error) {
	var b T
	err := json.Unmarshal(r.Body, &b)

	return b, err
}
