package history

import (
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

func foldJobStarted(change *Change, r Record, b rules.JobStart) {
	campaign := change.Campaign
	*change.Measurement = Measurement{JobStart: b, Session: r.Session, At: r.Time}
	campaign.Open = append(campaign.Open, b.Job)

	switch b.Job.Kind() {
	case research.CalibrationJob:
		campaign.Calibrations, campaign.Broken = b.Job.N(), ""
	case research.CertificateJob:
		campaign.Certificates = b.Job.N()
	case research.AuditJob:
		campaign.Audits = b.Job.N()
	default:
		campaign.Measurements = b.Job.N()
	}
}

func foldCalibrationFinished(change *Change, _ Record, end CalibrationEnd) {
	campaign := change.Campaign
	succeeded := end.Failed == ""

	campaign.Rule = end.State.Continue(campaign.Rule)
	campaign.Calibrated, campaign.Broken = succeeded, end.Failed

	// Another machine, or the first, begins a class of comparable runs.
	if succeeded && (campaign.Class == 0 || end.Machine != campaign.Machine) {
		campaign.Class++
		campaign.Machine, campaign.Facts, campaign.Changed = end.Machine, end.Facts, end.Changed
		campaign.ClassFrom = max(1, campaign.Experiments) // the experiment under way, if one is
	}

	if succeeded && change.Measurement.Commit == campaign.Start {
		start := campaign.Rule.Incumbent
		campaign.Baseline, campaign.BaselineClass = &start, campaign.Class
	}

	if end.Doctor != nil {
		campaign.DoctorRun = end.Doctor.MeanRun()
		end.Doctor = &DoctorRuns{At: end.Doctor.At} // the record has the runs
	}

	end.State, end.Facts = rules.RuleState{}, nil // the campaign has them
	change.Measurement.Calib = &end
	campaign.closeJob(end.Job)
}

func foldMeasurementFinished(change *Change, _ Record, end rules.MeasurementEnd) {
	campaign, measurement := change.Campaign, change.Measurement

	if end.Failed == "" && measurement.Commit == campaign.Incumbent {
		campaign.Rule = campaign.Rule.AfterRepeats(campaign.Program, end.Samples)
	}

	if end.Job.Kind() == research.AuditJob && end.Gain != nil && measurement.Target != TrimmedTarget {
		campaign.Audit = &Audited{Job: end.Job, Commit: measurement.Commit, Experiments: campaign.Experiments,
			Gain: *end.Gain, Scale: end.Scale, Pairs: len(end.Paired),
			Interferes: end.Control != nil && end.Control.Interferes}
	}

	measurement.End = &end
	campaign.closeJob(end.Job)
}

// foldCertificateFinished moves the checkpoint to the head, or the head back
// to the checkpoint; the experiments of the chain are reverted by records of their own.
func foldCertificateFinished(change *Change, _ Record, end CertificateEnd) {
	campaign := change.Campaign
	campaign.Rule, end.State = end.State, rules.RuleState{} // the campaign has the state, the job does not repeat it

	if end.Outcome == rules.Certified {
		campaign.Certified++
		campaign.CertifiedGain += campaign.Rule.MetricScale().Size(end.Gain.Mid)
	} else {
		campaign.Incumbent, campaign.IncumbentTree, campaign.IncumbentOf = end.Commit, campaign.CheckpointTree,
			campaign.CheckpointOf
		campaign.KeptStack = slices.DeleteFunc(campaign.KeptStack, func(n int) bool { return n >= campaign.ChainFrom })
	}
	campaign.moveCheckpoint()

	change.Measurement.Proof = &end
	campaign.closeJob(end.Job)
}

func foldRun(change *Change, _ Record, run rules.Run) {
	campaign := change.Campaign
	campaign.Runs++
	campaign.RunSeconds += run.Wall
	campaign.GPUSeconds += run.GPUSeconds
	if run.Again && campaign.Rule.Version > rules.FirstVersion {
		campaign.RepeatSeconds += run.Wall
	}

	if experiment := change.Experiment; experiment != nil {
		experiment.Confirmed = experiment.Confirmed || run.Role == research.Confirm
		experiment.Runs++
		experiment.RunSeconds += run.Wall
		experiment.Output = run.Output

		return
	}

	change.Measurement.Runs++
	change.Measurement.Output = run.Output
}

// foldLost ends the job of a worker that died. A test that had seen a run is
// counted: the next test pays for it.
func foldLost(change *Change, _ Record, b Loss) {
	campaign := change.Campaign
	campaign.closeJob(b.Job)

	if m := change.Measurement; m != nil {
		m.Lost = b.Reason
		if b.Job.Kind() == research.CertificateJob && m.Runs > 0 {
			campaign.LostTests++
		}

		return
	}

	experiment := change.Experiment
	if experiment.Confirmed {
		campaign.LostTests++
	}

	experiment.Lost++
	experiment.Status = research.Voided
	experiment.Judgement = &rules.Judgement{N: experiment.N, Verdict: research.Invalid, StoppedBy: "lost",
		Reason: b.Reason, Runs: experiment.Runs}
	campaign.Verdicts[research.Invalid]++
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
