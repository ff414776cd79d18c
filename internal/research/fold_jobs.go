package research

import "slices"

func foldJobStarted(v *View, r Record, b JobStart) {
	*v.Measurement = Measurement{JobStart: b, Session: r.Session, At: r.Time}

	v.Campaign.Open = append(v.Campaign.Open, b.Job)
	switch b.Job.Kind() {
	case CalibrationJob:
		v.Campaign.Calibrations, v.Campaign.Broken = b.Job.N(), ""
	case CertificateJob:
		v.Campaign.Certificates = b.Job.N()
	case AuditJob:
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
	b.State, b.Facts = RuleState{}, nil
	v.Measurement.Calib = &b
	c.close(b.Job)
}

func foldMeasurementFinished(v *View, _ Record, b MeasurementEnd) {
	c := v.Campaign
	if b.Failed == "" && v.Measurement.Commit == c.Incumbent {
		c.Rule = c.Rule.Repeated(c.Program, b.Samples)
	}

	if b.Job.Kind() == AuditJob && b.Gain != nil && v.Measurement.Target != TrimmedTarget {
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
	if b.Outcome == Certified {
		c.Certified++
		c.CertifiedGain += c.Rule.ruler().size(b.Gain.Mid)
	} else {
		c.Incumbent, c.IncumbentTree, c.IncumbentOf = b.Commit, c.CheckpointTree, c.CheckpointOf
		c.KeptStack = slices.DeleteFunc(c.KeptStack, func(n int) bool { return n >= c.ChainFrom })
	}
	c.checkpoint()
	b.State = RuleState{}
	v.Measurement.Proof = &b
	c.close(b.Job)
}

func foldRun(v *View, _ Record, b Run) {
	v.Campaign.Runs++
	v.Campaign.RunSeconds += b.Wall

	v.Campaign.GPUSeconds += b.GPUSeconds
	if v.Experiment != nil {
		v.Experiment.Confirmed = v.Experiment.Confirmed || b.Role == Confirm
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
		if b.Job.Kind() == CertificateJob && m.Runs > 0 {
			c.LostTests++
		}

		return
	}

	x := v.Experiment
	if x.Confirmed {
		c.LostTests++
	}

	x.Lost++
	x.Status = Voided
	x.Judgement = &Judgement{N: x.N, Verdict: Invalid, StoppedBy: "lost", Reason: b.Reason, Runs: x.Runs}
	c.Verdicts[Invalid]++
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
