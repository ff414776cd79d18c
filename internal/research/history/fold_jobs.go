package history

import (
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

func foldJobStarted(v *View, r Record, b rules.JobStart) {
	*v.Measurement = Measurement{JobStart: b, Session: r.Session, At: r.Time}

	v.Campaign.Open = append(v.Campaign.Open, b.Job)
	switch b.Job.Kind() {
	case research.CalibrationJob:
		v.Campaign.Calibrations, v.Campaign.Broken = b.Job.N(), ""
	case research.CertificateJob:
		v.Campaign.Certificates = b.Job.N()
	case research.AuditJob:
		v.Campaign.Audits = b.Job.N()
	default:
		v.Campaign.Measurements = b.Job.N()
	}
}

func foldCalibrationFinished(v *View, _ Record, b CalibrationEnd) {
	c := v.Campaign

	c.Rule, c.Calibrated, c.Broken = b.State.After(c.Rule), b.Failed == "", b.Failed
	if b.Failed == "" && (c.Class == 0 || b.Machine != c.Machine) {
		c.Machine, c.Facts, c.Changed, c.Class = b.Machine, b.Facts, b.Changed, c.Class+1
		c.ClassFrom = max(1, c.Experiments) // the experiment under way, if one is
	}

	if b.Failed == "" && v.Measurement.Commit == c.Start {
		start := c.Rule.Incumbent
		c.Baseline, c.BaselineClass = &start, c.Class
	}
	b.State, b.Facts = rules.RuleState{}, nil
	v.Measurement.Calib = &b
	c.close(b.Job)
}

func foldMeasurementFinished(v *View, _ Record, b rules.MeasurementEnd) {
	c := v.Campaign
	if b.Failed == "" && v.Measurement.Commit == c.Incumbent {
		c.Rule = c.Rule.Repeated(c.Program, b.Samples)
	}

	if b.Job.Kind() == research.AuditJob && b.Gain != nil && v.Measurement.Target != TrimmedTarget {
		c.Audit = &Audited{Job: b.Job, Commit: v.Measurement.Commit, Experiments: c.Experiments, Gain: *b.Gain,
			Scale: b.Scale, Pairs: len(b.Paired)}
	}
	v.Measurement.End = &b
	c.close(b.Job)
}

// foldCertificateFinished moves the checkpoint to the head, or the head back
// to the checkpoint; the experiments of the chain are reverted by records of their own.
func foldCertificateFinished(v *View, _ Record, b CertificateEnd) {
	c := v.Campaign

	c.Rule = b.State
	if b.Outcome == rules.Certified {
		c.Certified++
		c.CertifiedGain += c.Rule.Ruler().Size(b.Gain.Mid)
	} else {
		c.Incumbent, c.IncumbentTree, c.IncumbentOf = b.Commit, c.CheckpointTree, c.CheckpointOf
		c.KeptStack = slices.DeleteFunc(c.KeptStack, func(n int) bool { return n >= c.ChainFrom })
	}
	c.checkpoint()
	b.State = rules.RuleState{}
	v.Measurement.Proof = &b
	c.close(b.Job)
}

func foldRun(v *View, _ Record, b rules.Run) {
	v.Campaign.Runs++
	v.Campaign.RunSeconds += b.Wall

	v.Campaign.GPUSeconds += b.GPUSeconds
	if v.Experiment != nil {
		v.Experiment.Confirmed = v.Experiment.Confirmed || b.Role == research.Confirm
		v.Experiment.Runs++
		v.Experiment.RunSeconds += b.Wall
		v.Experiment.Output = b.Output

		return
	}

	v.Measurement.Runs++
	v.Measurement.Output = b.Output
}

func foldLost(v *View, _ Record, b Loss) {
	c := v.Campaign
	c.close(b.Job)

	if m := v.Measurement; m != nil {
		m.Lost = b.Reason
		if b.Job.Kind() == research.CertificateJob && m.Runs > 0 {
			c.LostTests++
		}

		return
	}

	x := v.Experiment
	if x.Confirmed {
		c.LostTests++
	}

	x.Lost++
	x.Status = research.Voided
	x.Judgement = &rules.Judgement{N: x.N, Verdict: research.Invalid, StoppedBy: "lost", Reason: b.Reason, Runs: x.Runs}
	c.Verdicts[research.Invalid]++
	v.tellIdea(true)
}

func foldStep(v *View, _ Record, b StepEnd) {
	if b.OK {
		return
	}

	if v.Experiment != nil {
		v.Experiment.Output = b.Output
		return
	}
	v.Measurement.Output = b.Output
}
