package history

import (
	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"slices"
)

func foldJobStarted(change *Change, r Record, b rules.JobStart) {
	*change.Measurement = Measurement{JobStart: b, Session: r.Session, At: r.Time}

	change.Campaign.Open = append(change.Campaign.Open, b.Job)
	switch b.Job.Kind() {
	case research.CalibrationJob:
		change.Campaign.Calibrations, change.Campaign.Broken = b.Job.N(), ""
	case research.CertificateJob:
		change.Campaign.Certificates = b.Job.N()
	case research.AuditJob:
		change.Campaign.Audits = b.Job.N()
	default:
		change.Campaign.Measurements = b.Job.N()
	}
}

func foldCalibrationFinished(change *Change, _ Record, b CalibrationEnd) {
	c := change.Campaign

	c.Rule, c.Calibrated, c.Broken = b.State.After(c.Rule), b.Failed == "", b.Failed
	if b.Failed == "" && (c.Class == 0 || b.Machine != c.Machine) {
		c.Machine, c.Facts, c.Changed, c.Class = b.Machine, b.Facts, b.Changed, c.Class+1
		c.ClassFrom = max(1, c.Experiments) // the experiment under way, if one is
	}

	if b.Failed == "" && change.Measurement.Commit == c.Start {
		start := c.Rule.Incumbent
		c.Baseline, c.BaselineClass = &start, c.Class
	}
	b.State, b.Facts = rules.RuleState{}, nil
	change.Measurement.Calib = &b
	c.closeJob(b.Job)
}

func foldMeasurementFinished(change *Change, _ Record, b rules.MeasurementEnd) {
	c := change.Campaign
	if b.Failed == "" && change.Measurement.Commit == c.Incumbent {
		c.Rule = c.Rule.Repeated(c.Program, b.Samples)
	}

	if b.Job.Kind() == research.AuditJob && b.Gain != nil && change.Measurement.Target != TrimmedTarget {
		c.Audit = &Audited{Job: b.Job, Commit: change.Measurement.Commit, Experiments: c.Experiments, Gain: *b.Gain,
			Scale: b.Scale, Pairs: len(b.Paired)}
	}
	change.Measurement.End = &b
	c.closeJob(b.Job)
}

// foldCertificateFinished moves the checkpoint to the head, or the head back
// to the checkpoint; the experiments of the chain are reverted by records of their own.
func foldCertificateFinished(change *Change, _ Record, b CertificateEnd) {
	c := change.Campaign

	c.Rule = b.State
	if b.Outcome == rules.Certified {
		c.Certified++
		c.CertifiedGain += c.Rule.Ruler().Size(b.Gain.Mid)
	} else {
		c.Incumbent, c.IncumbentTree, c.IncumbentOf = b.Commit, c.CheckpointTree, c.CheckpointOf
		c.KeptStack = slices.DeleteFunc(c.KeptStack, func(n int) bool { return n >= c.ChainFrom })
	}
	c.moveCheckpoint()
	b.State = rules.RuleState{}
	change.Measurement.Proof = &b
	c.closeJob(b.Job)
}

func foldRun(change *Change, _ Record, b rules.Run) {
	change.Campaign.Runs++
	change.Campaign.RunSeconds += b.Wall

	change.Campaign.GPUSeconds += b.GPUSeconds
	if change.Experiment != nil {
		change.Experiment.Confirmed = change.Experiment.Confirmed || b.Role == research.Confirm
		change.Experiment.Runs++
		change.Experiment.RunSeconds += b.Wall
		change.Experiment.Output = b.Output

		return
	}

	change.Measurement.Runs++
	change.Measurement.Output = b.Output
}

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
	x.Judgement = &rules.Judgement{N: x.N, Verdict: research.Invalid, StoppedBy: "lost", Reason: b.Reason, Runs: x.Runs}
	c.Verdicts[research.Invalid]++
	change.updateIdea(true)
}

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
