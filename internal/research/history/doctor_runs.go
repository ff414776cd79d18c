package history

import (
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// Observations are the runs as a rule sees them; none of nil.
func (d *DoctorRuns) Observations(metric contract.Metric) (observations []rules.Observation) {
	if d == nil {
		return nil
	}

	for _, run := range d.Runs {
		observations = append(observations, rules.NewObservation(run, metric))
	}

	return observations
}

// MeanRun is the mean length of the runs in seconds, 0 of none.
func (d *DoctorRuns) MeanRun() float64 {
	if d == nil || len(d.Runs) == 0 {
		return 0
	}

	sum := 0.0
	for _, run := range d.Runs {
		sum += run.Wall
	}

	return sum / float64(len(d.Runs))
}
