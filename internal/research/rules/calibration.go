package rules

import (
	"fmt"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// How many runs learn a noisy metric: as many as fit into half a minute, within bounds.
const (
	fullCalibration    = 8   // counted runs of search: certify, at least
	autoCalibration    = 3   // counted runs that start auto's belief, at least
	mostCalibration    = 20  // counted runs
	calibrationSeconds = 30. // run time
	// A run that takes longer, in seconds, is made twice, of which the first warms up:
	// search: auto learns the rest of the noise from the runs of its experiments.
	longRun = 60.
)

// noiseRuns is how many counted runs a noisy metric's calibration has.
type noiseRuns struct {
	least       int
	isShortened bool // long runs may be fewer than least
}

// areEnough says whether obs, valid runs, are enough of a noisy metric. Where their
// length is not known, and for states of version 0, least is the number.
func (n noiseRuns) areEnough(version int, obs []Observation) bool {
	spent, counted := 0.0, 0
	values := make([]float64, 0, len(obs))

	for _, observation := range obs {
		spent += observation.Wall
		values = append(values, observation.Value)
		if !observation.WarmUp {
			counted++
		}
	}

	switch {
	case version < CurrentVersion || !(spent > 0):
		return counted >= n.least
	case counted >= mostCalibration:
		return true
	case counted >= n.least:
		return spent+spent/float64(len(obs)) > calibrationSeconds
	}

	// Two long runs that are equal may be of a deterministic metric: a third one tells.
	isLong := spent > longRun*float64(len(obs))

	return n.isShortened && isLong && counted > 0 && len(obs) >= 2 && !allEqual(values)
}

// noiseValues are the values that a calibration's noise is learned from: those that
// count and, where these are too few to show any, the warm-up's before them.
func noiseValues(version int, obs []Observation, counted []float64) []float64 {
	if version < CurrentVersion || len(counted) >= autoCalibration {
		return counted
	}

	values := make([]float64, len(obs))
	for i, observation := range obs {
		values[i] = observation.Value
	}

	return values
}

// isNoiseUnknown says whether the calibration had too few runs to know the noise.
func (s RuleState) isNoiseUnknown() bool {
	return s.Version >= CurrentVersion && s.NoiseKind == research.Noisy && len(s.Values) < autoCalibration
}

// DescribeUnknownNoise says so, "" where it is known.
func (s RuleState) DescribeUnknownNoise() string {
	if !s.isNoiseUnknown() {
		return ""
	}

	return fmt.Sprintf("the noise is not known yet (a run takes over a minute: %s so far, and a warm-up; "+
		"the experiments' own runs teach it)", wording.Count(len(s.Values), "run"))
}
