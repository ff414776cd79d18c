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
	records(func(record Record) bool {
		c := campaigns[record.Campaign]
		if c == nil {
			c = &replay{jobs: map[research.JobID]*replayJob{}, ablations: map[string]*replayAblation{},
				audits: map[research.JobID]*research.Interval{}}
			campaigns[record.Campaign] = c
		}

		if err = c.apply(record); err != nil {
			err = fmt.Errorf("recompute record %d (%s): %w", record.Seq, record.Kind, err)
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

func (c *replay) apply(record Record) error {
	replayRecord, ok := replays[record.Kind]
	if !ok {
		return nil
	}

	if c.rule == nil && record.Kind != KindCampaignStarted {
		return fmt.Errorf("the campaign %q has not been started", record.Campaign)
	}

	return replayRecord(c, record)
}

func (c *replay) setContract(p contract.Program) error {
	c.program, c.rule = p, rules.NewRule(p)
	return nil
}

func (c *replay) checkCalibration(end CalibrationEnd) error {
	job := c.job(end.Job)
	defer delete(c.jobs, end.Job)

	if end.Failed != "" {
		return nil
	}

	if end.State.Version > rules.CurrentVersion {
		return fmt.Errorf("calibration %s was judged by version %d of the rule, and this ratchet knows up to %d",
			end.Job, end.State.Version, rules.CurrentVersion)
	}

	observations := slices.Concat(end.Doctor.Observations(c.program.Metric), job.observations)

	derived, err := rules.NewRuleOfVersion(c.program, end.State.Version).Calibrated(observations)
	if err != nil {
		return fmt.Errorf("derive calibration %s: %w", end.Job, err)
	}

	if derived.NoiseKind != end.State.NoiseKind || derived.Incumbent != end.State.Incumbent {
		return fmt.Errorf("calibration %s is recorded as %s at %v, its runs say %s at %v",
			end.Job, end.State.NoiseKind, end.State.Incumbent, derived.NoiseKind, derived.Incumbent)
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
		end = rules.SummariseAudit(job.start, job.observations, c.program.Metric, c.state.Scale)
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
func (c *replay) checkOutlook(outlook rules.Outlook) error {
	if outlook.LostTests > c.lostTests || outlook.LostTests < c.paid {
		return fmt.Errorf("it is recorded after %d lost tests, the records before it have %d", outlook.LostTests,
			c.lostTests)
	}
	c.paid = outlook.LostTests

	return nil
}

// checkCertificate derives a certificate of the head from its pairs.
func (c *replay) checkCertificate(end CertificateEnd) error {
	job := c.job(end.Job)

	auto := rules.NewAuto(c.program)
	if c.state.Auto == nil {
		return fmt.Errorf("certificate %s has no belief to rest on", end.Job)
	}

	if err := c.checkOutlook(end.Outlook); err != nil {
		return fmt.Errorf("certificate %s: %w", end.Job, err)
	}

	done := auto.NextPair(c.state, end.Outlook, job.observations).Done
	switch {
	case done == nil:
		return fmt.Errorf("certificate %s is recorded as %s, its %d runs decide nothing yet", end.Job, end.Outcome,
			len(job.observations))
	case done.Outcome != end.Outcome || done.StoppedBy != end.StoppedBy:
		return fmt.Errorf("certificate %s is recorded as %s (%s), its runs say %s (%s)", end.Job, end.Outcome,
			end.StoppedBy, done.Outcome, done.StoppedBy)
	case !rules.NearlyEqual(done.E, end.E):
		return fmt.Errorf("certificate %s is recorded with E = %g, its runs say %g", end.Job, end.E, done.E)
	}

	c.state = auto.CloseCertificate(c.state, end.Outlook, job.observations, *done)
	if end.Outcome == rules.RolledBack {
		c.incumbent = end.Commit
	}
	delete(c.jobs, end.Job)

	return nil
}

func (c *replay) checkJudgement(judgement rules.Judgement) error {
	job := c.job(research.NewJobID(research.ExperimentJob, judgement.N))
	if err := c.checkOutlook(judgement.Outlook); err != nil {
		return fmt.Errorf("experiment %d: %w", judgement.N, err)
	}

	verdict, err := c.deriveJudgement(job, judgement)
	if err != nil {
		return err
	}

	verdict.N = judgement.N
	c.state = c.rule.Close(c.state, judgement.Outlook, job.observations, *verdict)
	job.judged, job.observations = *verdict, nil
	job.judged.State = rules.RuleState{} // AfterKeep and AfterUndo don't need it

	return nil
}

// deriveJudgement is the verdict that the runs give, or the recorded one where runs can't say.
func (c *replay) deriveJudgement(job *replayJob, judgement rules.Judgement) (*rules.Judgement, error) {
	if judgement.Verdict == research.Invalid &&
		(job.failed || len(job.observations) == 0 || judgement.StoppedBy == "stopped") {
		return &judgement, nil
	}

	verdict := c.rule.Next(c.state, judgement.Outlook, job.observations).Done
	switch {
	case verdict == nil && (judgement.Verdict == research.Inconclusive || judgement.Verdict == research.Invalid) &&
		!isRuleStop(judgement.StoppedBy):
		return &judgement, nil
	case verdict == nil:
		return nil, fmt.Errorf("experiment %d is recorded as %s, its %d runs decide nothing yet", judgement.N,
			judgement.Verdict, len(job.observations))
	case verdict.Verdict != judgement.Verdict:
		return nil, fmt.Errorf("experiment %d is recorded as %s, its runs say %s", judgement.N, judgement.Verdict,
			verdict.Verdict)
	case verdict.StoppedBy != judgement.StoppedBy || !rules.NearlyEqual(verdict.E, judgement.E) ||
		!sameGain(verdict.Gain, judgement.Gain):
		return nil,
			fmt.Errorf("experiment %d is recorded with E = %g and the gain %s (%s), its runs say %g and %s (%s)",
				judgement.N, judgement.E, jsonText(judgement.Gain), judgement.StoppedBy, verdict.E,
				jsonText(verdict.Gain), verdict.StoppedBy)
	case !sameNumber(verdict.Value, judgement.Value):
		return nil, fmt.Errorf("experiment %d is recorded with the value %s, its runs say %s", judgement.N,
			jsonText(judgement.Value), jsonText(verdict.Value))
	}

	return verdict, nil
}

// isRuleStop names the ends of a test that only the rule itself gives.
func isRuleStop(by string) bool {
	switch by {
	case "screen", "futility", "cap", "threshold", "one_run", "invalid", "price", "looks", "guard", "unequal":
		return true
	}

	return false
}

func sameNumber(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }

// sameGain forgives what another processor's arithmetic may change.
func sameGain(a, b *research.Interval) bool {
	return a == b || a != nil && b != nil && rules.NearlyEqual(a.Mid, b.Mid) && rules.NearlyEqual(a.Lo,
		b.Lo) && rules.NearlyEqual(a.Hi,
		b.Hi)
}

func jsonText(x any) string {
	content, err := json.Marshal(x)
	if err != nil {
		return "-"
	}

	return string(content)
}
