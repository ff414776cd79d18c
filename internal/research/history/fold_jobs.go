package history

import (
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

func foldJobStarted(change *Change, r Record, b rules.JobStart) {
	c := change.Campaign
	*change.Measurement = Measurement{JobStart: b, Session: r.Session, At: r.Time}
	c.Open = append(c.Open, b.Job)

	switch b.Job.Kind() {
	case research.CalibrationJob:
		c.Calibrations, c.Broken = b.Job.N(), ""
	case research.CertificateJob:
		c.Certificates = b.Job.N()
	case research.AuditJob:
		c.Audits = b.Job.N()
	default:
		c.Measurements = b.Job.N()
	}
}

func foldCalibrationFinished(change *Change, _ Record, b CalibrationEnd) {
	c := change.Campaign
	succeeded := b.Failed == ""

	c.Rule = b.State.Continue(c.Rule)
	c.Calibrated, c.Broken = succeeded, b.Failed

	// Another machine, or the first, begins a class of comparable runs.
	if succeeded && (c.Class == 0 || b.Machine != c.Machine) {
		c.Class++
		c.Machine, c.Facts, c.Changed = b.Machine, b.Facts, b.Changed
		c.ClassFrom = max(1, c.Experiments) // the experiment under way, if one is
	}

	if succeeded && change.Measurement.Commit == c.Start {
		start := c.Rule.Incumbent
		c.Baseline, c.BaselineClass = &start, c.Class
	}

	b.State, b.Facts = rules.RuleState{}, nil // the campaign has them
	change.Measurement.Calib = &b
	c.closeJob(b.Job)
}

func foldMeasurementFinished(change *Change, _ Record, b rules.MeasurementEnd) {
	c, m := change.Campaign, change.Measurement

	if b.Failed == "" && m.Commit == c.Incumbent {
		c.Rule = c.Rule.AfterRepeats(c.Program, b.Samples)
	}

	if b.Job.Kind() == research.AuditJob && b.Gain != nil && m.Target != TrimmedTarget {
		c.Audit = &Audited{Job: b.Job, Commit: m.Commit, Experiments: c.Experiments, Gain: *b.Gain,
			Scale: b.Scale, Pairs: len(b.Paired)}
	}

	m.End = &b
	c.closeJob(b.Job)
}

// foldCertificateFinished moves the checkpoint to the head, or the head back
// to the checkpoint; the experiments of the chain are reverted by records of their own.
func foldCertificateFinished(change *Change, _ Record, b CertificateEnd) {
	c := change.Campaign
	c.Rule, b.State = b.State, rules.RuleState{} // the campaign has the state, the job does not repeat it

	if b.Outcome == rules.Certified {
		c.Certified++
		c.CertifiedGain += c.Rule.MetricScale().Size(b.Gain.Mid)
	} else {
		c.Incumbent, c.IncumbentTree, c.IncumbentOf = b.Commit, c.CheckpointTree, c.CheckpointOf
		c.KeptStack = slices.DeleteFunc(c.KeptStack, func(n int) bool { return n >= c.ChainFrom })
	}
	c.moveCheckpoint()

	change.Measurement.Proof = &b
	c.closeJob(b.Job)
}

func foldRun(change *Change, _ Record, b rules.Run) {
	c := change.Campaign
	c.Runs++
	c.RunSeconds += b.Wall
	c.GPUSeconds += b.GPUSeconds

	if x := change.Experiment; x != nil {
		x.Confirmed = x.Confirmed || b.Role == research.Confirm
		x.Runs++
		x.RunSeconds += b.Wall
		x.Output = b.Output

		return
	}

	change.Measurement.Runs++
	change.Measurement.Output = b.Output
}

// foldLost ends the job of a worker that died. A test that had seen a run is
// counted: the next test pays for it.
func foldLost(change *Change, _ Record, b Loss) {
	c := change.Campaign
	c.closeJob(b.Job)

	if m := change.Measurement; m != nil {
		m.Lost = b.Reason
		if b.Job.Kind() == research.CertificateJob && m.Runs > 0 {
			c.LostTests++
		}

		return
	}

	x := change.Experiment
	if x.Confirmed {
		c.LostTests++
	}

	x.Lost++
	x.Status = research.Voided
	x.Judgement = &rules.Judgement{N: x.N, Verdict: research.Invalid, StoppedBy: "lost", Reason: b.Reason,
		Runs: x.Runs}
	c.Verdicts[research.Invalid]++
	change.updateIdea(true)
}

// foldStep notes the output of a step that failed.
func foldStep(change *Change, _ Record, b StepEnd) {
	if b.OK {
		return
	}

	if change.Experiment != nil {
		change.Experiment.Output = b.Output
		return
	}
	change.Measurement.Output = b.Output
}
