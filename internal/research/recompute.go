package research

import (
	"encoding/json"
	"fmt"
)

// Observe is a recorded run as a rule sees it.
func Observe(r Run, m Metric) Observation {
	v, ok := r.Samples[m.Name]
	o := Observation{
		Want:  Want{Side: r.Side, Role: r.Role, Pair: r.Pair, Order: r.Order, WarmUp: r.WarmUp},
		Valid: r.Valid, Reason: r.Reason, Value: v, Guards: r.Samples,
	}
	if o.Valid && !ok {
		o.Valid, o.Reason = false, "the run has no sample of "+m.Name
	}
	return o
}

// Recompute replays records in order, derives every calibration and verdict
// again from the runs alone, and returns an error that names the first
// sequence whose record says otherwise. It trusts no recorded state: the
// rule's state is carried forward from its own results. Records of several
// campaigns may be mixed. Sequence numbers and hashes are the ledger's matter.
//
// Two endings can't be derived from runs and are taken as recorded: invalid
// after a setup, build or check that failed, and inconclusive or invalid where
// stopped_by says that the work was ended from outside (budget, stop) before
// the rule had decided.
func Recompute(records func(yield func(Record) bool)) error {
	campaigns := map[string]*replay{}
	var err error
	records(func(r Record) bool {
		c := campaigns[r.Campaign]
		if c == nil {
			c = &replay{jobs: map[JobID]*replayJob{}}
			campaigns[r.Campaign] = c
		}
		if err = c.apply(r); err != nil {
			err = fmt.Errorf("recompute record %d (%s): %w", r.Seq, r.Kind, err)
		}
		return err == nil
	})
	return err
}

// replay is what one campaign's records have led to.
type replay struct {
	metric    Metric
	rule      Rule
	state     RuleState
	incumbent string
	jobs      map[JobID]*replayJob
}

type replayJob struct {
	start  JobStart
	obs    []Observation
	failed bool // a setup, build or check
	judged Judgement
}

func (c *replay) job(id JobID) *replayJob {
	if c.jobs[id] == nil {
		c.jobs[id] = &replayJob{}
	}
	return c.jobs[id]
}

var replays = map[Kind]func(*replay, Record) error{
	KindCampaignStarted: replaying(func(c *replay, b CampaignStart) error {
		c.incumbent = b.Start
		return c.contract(b.Program)
	}),
	KindContractAccepted: replaying(func(c *replay, b ContractAcceptance) error {
		return c.contract(b.Program)
	}),
	KindRunFinished: replaying(func(c *replay, b Run) error {
		j := c.job(b.Job)
		j.obs = append(j.obs, Observe(b, c.metric))
		return nil
	}),
	KindStepFinished: replaying(func(c *replay, b StepEnd) error {
		c.job(b.Job).failed = c.job(b.Job).failed || !b.OK
		return nil
	}),
	KindMeasurementStarted: replaying(func(c *replay, b JobStart) error {
		c.job(b.Job).start = b
		return nil
	}),
	KindCalibrationFinished: replaying((*replay).calibrated),
	KindMeasurementFinished: replaying((*replay).measured),
	KindExperimentJudged:    replaying((*replay).judged),
	KindExperimentKept: replaying(func(c *replay, b Keeping) error {
		c.incumbent = b.Commit
		c.state = c.state.Moved(c.job(NewJobID(ExperimentJob, b.N)).judged)
		return nil
	}),
	KindKeepUndone: replaying(func(c *replay, b Undoing) error {
		c.incumbent = b.Commit
		c.state = c.state.MovedBack(c.job(NewJobID(ExperimentJob, b.N)).judged)
		return nil
	}),
}

func replaying[T any](f func(*replay, T) error) func(*replay, Record) error {
	return func(c *replay, r Record) error {
		b, err := body[T](r)
		if err != nil {
			return fmt.Errorf("decode body: %w", err)
		}
		return f(c, b)
	}
}

func (c *replay) apply(r Record) error {
	f, ok := replays[r.Kind]
	if !ok {
		return nil
	}
	if c.rule == nil && r.Kind != KindCampaignStarted {
		return fmt.Errorf("the campaign %q has not been started", r.Campaign)
	}
	return f(c, r)
}

func (c *replay) contract(p Program) error {
	c.metric, c.rule = p.Metric, NewRule(p)
	return nil
}

func (c *replay) calibrated(b CalibrationEnd) error {
	job := c.job(b.Job)
	defer delete(c.jobs, b.Job)
	if b.Failed != "" {
		return nil
	}
	st, err := c.rule.Calibrated(job.obs)
	if err != nil {
		return fmt.Errorf("derive calibration %s: %w", b.Job, err)
	}
	if st.Class != b.State.Class || st.Incumbent != b.State.Incumbent {
		return fmt.Errorf("calibration %s is recorded as %s at %v, its runs say %s at %v",
			b.Job, b.State.Class, b.State.Incumbent, st.Class, st.Incumbent)
	}
	c.state = st.After(c.state)
	return nil
}

func (c *replay) measured(b MeasurementEnd) error {
	if b.Failed == "" && c.job(b.Job).start.Commit == c.incumbent {
		c.state = c.state.Repeated(b.Samples)
	}
	delete(c.jobs, b.Job)
	return nil
}

func (c *replay) judged(b Judgement) error {
	job := c.job(NewJobID(ExperimentJob, b.N))
	j, err := c.derive(job, b)
	if err != nil {
		return err
	}
	c.state = c.rule.Close(c.state, job.obs, *j)
	job.judged, job.obs = *j, nil
	job.judged.State = RuleState{} // Moved and MovedBack don't need it
	return nil
}

// derive is the verdict that the runs give, or the recorded one where runs can't say.
func (c *replay) derive(job *replayJob, b Judgement) (*Judgement, error) {
	if b.Verdict == Invalid && job.failed {
		return &b, nil
	}
	j := c.rule.Next(c.state, job.obs).Done
	switch {
	case j == nil && (b.Verdict == Inconclusive || b.Verdict == Invalid) && !ruleStops(b.StoppedBy):
		return &b, nil
	case j == nil:
		return nil, fmt.Errorf("experiment %d is recorded as %s, its %d runs decide nothing yet", b.N, b.Verdict, len(job.obs))
	case j.Verdict != b.Verdict:
		return nil, fmt.Errorf("experiment %d is recorded as %s, its runs say %s", b.N, b.Verdict, j.Verdict)
	case !sameNumber(j.Value, b.Value):
		return nil, fmt.Errorf("experiment %d is recorded with the value %s, its runs say %s", b.N, number(b.Value), number(j.Value))
	}
	return j, nil
}

// ruleStops names the ends of a test that only the rule itself gives.
func ruleStops(by string) bool {
	switch by {
	case "screen", "futility", "cap", "threshold", "one_run", "invalid":
		return true
	}
	return false
}

func sameNumber(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }

func number(x *float64) string {
	b, err := json.Marshal(x)
	if err != nil {
		return "-"
	}
	return string(b)
}
