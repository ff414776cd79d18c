package history

import (
	"encoding/json"
	"fmt"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// Recompute replays records in order, derives every calibration and verdict
// again from the runs alone, and returns an error that names the first
// sequence whose record says otherwise. It trusts no recorded state: the
// rule's state is carried forward from its own results. Records of several
// campaigns may be mixed. Sequence numbers and hashes are the ledger's matter.
//
// Two endings can't be derived from runs and are taken as recorded: invalid
// after a setup, build or check that failed, before any run (an edit that could not
// be merged with a newer incumbent) or a stop by request, and inconclusive or invalid where
// stopped_by says that the work was ended from outside (budget, stop) before
// the rule had decided.
func Recompute(records func(yield func(Record) bool)) error {
	campaigns := map[string]*replay{}
	var err error
	records(func(r Record) bool {
		c := campaigns[r.Campaign]
		if c == nil {
			c = &replay{jobs: map[research.JobID]*replayJob{}, ablations: map[string]*replayAblation{},
				audits: map[research.JobID]*research.Interval{}}
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
	program   contract.Program
	rule      rules.Rule
	state     rules.RuleState
	incumbent string
	lostTests int // tests that saw a run and were lost
	paid      int // of them, by the last verdict
	jobs      map[research.JobID]*replayJob
	ablations map[string]*replayAblation // by what they are of
	audits    map[research.JobID]*research.Interval
}

type replayJob struct {
	start        rules.JobStart
	observations []rules.Observation
	failed       bool // a setup, build or check
	judged       rules.Judgement

	overridden bool // kept by a person, against the verdict

	confirmed bool // a run of a confirmation was made, void or not
}

func (c *replay) job(id research.JobID) *replayJob {
	if c.jobs[id] == nil {
		c.jobs[id] = &replayJob{}
	}

	return c.jobs[id]
}

var replays = map[Kind]func(*replay, Record) error{
	KindCampaignStarted: replayBody(func(c *replay, b CampaignStart) error {
		c.incumbent = b.Start
		return c.setContract(b.Program)
	}),
	KindContractAccepted: replayBody(func(c *replay, b ContractAcceptance) error {
		return c.setContract(b.Program)
	}),
	KindRunFinished: replayBody(func(c *replay, b rules.Run) error {
		j := c.job(b.Job)

		j.confirmed = j.confirmed || b.Role == research.Confirm
		if !b.Void {
			j.observations = append(j.observations, rules.NewObservation(b, c.program.Metric))
		}

		return nil
	}),
	KindExperimentRebased: replayBody(func(c *replay, b Rebasing) error {
		j := c.job(research.NewJobID(research.ExperimentJob, b.N))
		c.payLostTest(j)
		j.observations = nil

		return nil
	}),
	KindStepFinished: replayBody(func(c *replay, b StepEnd) error {
		c.job(b.Job).failed = c.job(b.Job).failed || !b.OK
		return nil
	}),
	KindMeasurementStarted: replayBody(func(c *replay, b rules.JobStart) error {
		c.job(b.Job).start = b
		return nil
	}),
	KindCertificateFinished: replayBody((*replay).checkCertificate),
	KindRunLost:             replayBody((*replay).recordLoss),
	KindCalibrationFinished: replayBody((*replay).checkCalibration),
	KindMeasurementFinished: replayBody((*replay).checkMeasurement),
	KindAblationStarted:     replayBody((*replay).beginAblation),
	KindAblationFinished:    replayBody((*replay).checkAblation),
	KindCampaignFinalized:   replayBody((*replay).checkFinalization),
	KindExperimentJudged:    replayBody((*replay).checkJudgement),
	KindExperimentKept: replayBody(func(c *replay, b Keeping) error {
		c.incumbent = b.Commit

		j := c.job(research.NewJobID(research.ExperimentJob, b.N))
		if j.overridden = b.Overridden != ""; j.overridden {
			c.state = c.state.AfterOverride(j.judged)
		} else {
			c.state = c.state.AfterKeep(j.judged)
		}

		return nil
	}),
	KindKeepUndone: replayBody(func(c *replay, b Undoing) error {
		c.incumbent = b.Commit
		if j := c.job(research.NewJobID(research.ExperimentJob, b.N)); j.overridden {
			c.state = c.state.AfterOverrideUndone(j.judged)
		} else {
			c.state = c.state.AfterUndo(j.judged)
		}

		return nil
	}),
}

func replayBody[T any](f func(*replay, T) error) func(*replay, Record) error {
	return func(c *replay, r Record) error {
		b, err := body[T](r)
		if err != nil {
			return fmt.Errorf("decode body: %w", err)
		}

		return f(c, b)
	}
}

func (c *replay) apply(r Record) error {
	replayRecord, ok := replays[r.Kind]
	if !ok {
		return nil
	}

	if c.rule == nil && r.Kind != KindCampaignStarted {
		return fmt.Errorf("the campaign %q has not been started", r.Campaign)
	}

	return replayRecord(c, r)
}

func (c *replay) setContract(p contract.Program) error {
	c.program, c.rule = p, rules.NewRule(p)
	return nil
}

func (c *replay) checkCalibration(b CalibrationEnd) error {
	job := c.job(b.Job)
	defer delete(c.jobs, b.Job)

	if b.Failed != "" {
		return nil
	}

	derived, err := c.rule.Calibrated(job.observations)
	if err != nil {
		return fmt.Errorf("derive calibration %s: %w", b.Job, err)
	}

	if derived.NoiseKind != b.State.NoiseKind || derived.Incumbent != b.State.Incumbent {
		return fmt.Errorf("calibration %s is recorded as %s at %v, its runs say %s at %v",
			b.Job, b.State.NoiseKind, b.State.Incumbent, derived.NoiseKind, derived.Incumbent)
	}
	c.state = derived.Continue(c.state)

	return nil
}

func (c *replay) checkMeasurement(b rules.MeasurementEnd) error {
	job := c.job(b.Job)
	defer delete(c.jobs, b.Job)
	c.addComparison(job, &b)

	if b.Failed != "" {
		return nil
	}

	samples, paired := rules.SplitSamples(job.start, job.observations)
	end := rules.SummariseMeasurement(samples, paired, c.program.Metric, c.state.Scale)
	if b.Job.Kind() == research.AuditJob {
		end = rules.SummariseAudit(samples, paired, c.program.Metric, c.state.Scale)
	}

	if !slices.Equal(samples, b.Samples) || !slices.Equal(paired, b.Paired) || !sameGain(end.Gain, b.Gain) {
		return fmt.Errorf("%s is recorded with the gain %s, its runs say %s", b.Job, jsonText(b.Gain),
			jsonText(end.Gain))
	}

	if b.Job.Kind() == research.AuditJob {
		c.audits[b.Job] = end.Gain
	}

	if job.start.Commit == c.incumbent {
		c.state = c.state.AfterRepeats(c.program, b.Samples)
	}

	return nil
}

// recordLoss pays for the test that a lost job had begun.
func (c *replay) recordLoss(b Loss) error {
	c.payLostTest(c.job(b.Job))
	c.addComparison(c.job(b.Job), nil)
	delete(c.jobs, b.Job)

	return nil
}

func (c *replay) payLostTest(job *replayJob) {
	if job.confirmed {
		c.lostTests++
	}
	job.confirmed = false
}

// checkOutlook refuses an outlook that leaves out a test that was lost by then.
func (c *replay) checkOutlook(o rules.Outlook) error {
	if o.LostTests > c.lostTests || o.LostTests < c.paid {
		return fmt.Errorf("it is recorded after %d lost tests, the records before it have %d", o.LostTests, c.lostTests)
	}
	c.paid = o.LostTests

	return nil
}

// checkCertificate derives a certificate of the head from its pairs.
func (c *replay) checkCertificate(b CertificateEnd) error {
	job := c.job(b.Job)

	auto := rules.NewAuto(c.program)
	if c.state.Auto == nil {
		return fmt.Errorf("certificate %s has no belief to rest on", b.Job)
	}

	if err := c.checkOutlook(b.Outlook); err != nil {
		return fmt.Errorf("certificate %s: %w", b.Job, err)
	}

	done := auto.NextPair(c.state, b.Outlook, job.observations).Done
	switch {
	case done == nil:
		return fmt.Errorf("certificate %s is recorded as %s, its %d runs decide nothing yet", b.Job, b.Outcome,
			len(job.observations))
	case done.Outcome != b.Outcome || done.StoppedBy != b.StoppedBy:
		return fmt.Errorf("certificate %s is recorded as %s (%s), its runs say %s (%s)", b.Job, b.Outcome, b.StoppedBy,
			done.Outcome, done.StoppedBy)
	case !rules.NearlyEqual(done.E, b.E):
		return fmt.Errorf("certificate %s is recorded with E = %g, its runs say %g", b.Job, b.E, done.E)
	}

	c.state = auto.CloseCertificate(c.state, b.Outlook, job.observations, *done)
	if b.Outcome == rules.RolledBack {
		c.incumbent = b.Commit
	}
	delete(c.jobs, b.Job)

	return nil
}

func (c *replay) checkJudgement(b rules.Judgement) error {
	job := c.job(research.NewJobID(research.ExperimentJob, b.N))
	if err := c.checkOutlook(b.Outlook); err != nil {
		return fmt.Errorf("experiment %d: %w", b.N, err)
	}

	j, err := c.deriveJudgement(job, b)
	if err != nil {
		return err
	}

	j.N = b.N
	c.state = c.rule.Close(c.state, b.Outlook, job.observations, *j)
	job.judged, job.observations = *j, nil
	job.judged.State = rules.RuleState{} // AfterKeep and AfterUndo don't need it

	return nil
}

// deriveJudgement is the verdict that the runs give, or the recorded one where runs can't say.
func (c *replay) deriveJudgement(job *replayJob, b rules.Judgement) (*rules.Judgement, error) {
	if b.Verdict == research.Invalid && (job.failed || len(job.observations) == 0 || b.StoppedBy == "stopped") {
		return &b, nil
	}

	j := c.rule.Next(c.state, b.Outlook, job.observations).Done
	switch {
	case j == nil && (b.Verdict == research.Inconclusive || b.Verdict == research.Invalid) && !isRuleStop(b.StoppedBy):
		return &b, nil
	case j == nil:
		return nil, fmt.Errorf("experiment %d is recorded as %s, its %d runs decide nothing yet", b.N, b.Verdict,
			len(job.observations))
	case j.Verdict != b.Verdict:
		return nil, fmt.Errorf("experiment %d is recorded as %s, its runs say %s", b.N, b.Verdict, j.Verdict)
	case j.StoppedBy != b.StoppedBy || !rules.NearlyEqual(j.E, b.E) || !sameGain(j.Gain, b.Gain):
		return nil,
			fmt.Errorf("experiment %d is recorded with E = %g and the gain %s (stopped by %s), its runs say %g and %s (%s)",
				b.N, b.E, jsonText(b.Gain), b.StoppedBy, j.E, jsonText(j.Gain), j.StoppedBy)
	case !sameNumber(j.Value, b.Value):
		return nil, fmt.Errorf("experiment %d is recorded with the value %s, its runs say %s", b.N, jsonText(b.Value),
			jsonText(j.Value))
	}

	return j, nil
}

// isRuleStop names the ends of a test that only the rule itself gives.
func isRuleStop(by string) bool {
	switch by {
	case "screen", "futility", "cap", "threshold", "one_run", "invalid", "price", "looks", "guard":
		return true
	}

	return false
}

func sameNumber(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }

// sameGain forgives what another processor's arithmetic may change.
func sameGain(a, b *research.Interval) bool {
	return a == b || a != nil && b != nil && rules.NearlyEqual(a.Mid, b.Mid) && rules.NearlyEqual(a.Lo, b.Lo) && rules.NearlyEqual(a.Hi,
		b.Hi)
}

func jsonText(x any) string {
	b, err := json.Marshal(x)
	if err != nil {
		return "-"
	}

	return string(b)
}
