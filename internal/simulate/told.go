package simulate

import (
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

// toldWeight is how many runs what is told is worth: a night of 300 changes nothing of it.
const toldWeight = 1e6

// canBeTold says whether the belief has words for the noise: it knows no trend and no load.
func (n NoiseModel) canBeTold() bool { return n.Sigma > 0 && n.WarmUp == 0 && n.Load == 0 }

// playTold plays the full rule that is told the true noise from the calibration on: how
// much a run scatters and drifts, the share and the height of slow runs, how often and how
// far the level jumps, the share of outliers, the clock's tick. It learns the level and the
// effects only, and states its intervals as the rule does. What a real one can't know so
// well is what its intervals are wider by.
func playTold(w *world) {
	night := newAutoNight(w, flaws{})

	st, err := night.rule.Calibrated(night.calibrate(night.rule.Calibrate))
	if err != nil {
		return
	}

	if st.NoiseKind == research.Noisy {
		told := *st.Auto
		told.Belief = toldBelief(w.cell.Noise, told.Belief)
		st.Auto = &told
	}

	night.playOn(st)
}

// toldBelief is a calibration's belief with all that the noise is put in its place. Of the
// hypotheses only the true one has a weight: the middle one of the scatter, with the
// nearest drift that there is.
func toldBelief(noise NoiseModel, learnt rules.AutoBelief) rules.AutoBelief {
	told := learnt
	n := len(learnt.Weights)
	kinds := len(toldKinds)
	middle := n / kinds / 2 * kinds

	told.Unit = noise.Sigma
	told.Weights, told.Levels = make(research.Floats, n), make(research.Floats, n)
	told.Vars = make(research.Floats, n)
	speeds := *learnt.Speeds
	speeds.Slow, speeds.SlowVars = make(research.Floats, n), make(research.Floats, n)

	certain := middle + noise.toldKind()
	told.Weights[certain] = 1
	told.Levels[certain], told.Vars[certain] = meanLevel(learnt)
	told.Vars[certain] += noise.DriftSD * noise.DriftSD

	told.Seen, told.Outliers = toldWeight, toldWeight*max(noise.outliers(), leastOutliers)
	speeds.Tick = math.Log1p(noise.Quantum)

	if noise.isIndependentlySlow() {
		speeds.Slow[certain] = noise.Slow
		speeds.SlowSeen, speeds.SlowRuns = toldWeight, toldWeight*noise.SlowShare
	}

	share, square := noise.jumps()
	speeds.JumpsSeen, speeds.Jumps = toldWeight, toldWeight*share
	speeds.JumpsSized, speeds.JumpSquares = toldWeight, toldWeight*square
	told.Speeds = &speeds

	return told
}

// leastOutliers is the share of outliers that is told where there are none: a belief of
// none at all has no way out of a wrong level.
const leastOutliers = 1e-4

// toldKinds are the drifts per run that a hypothesis may have, in standard deviations of a
// run, and whether some runs are slow; in the order of the hypotheses.
var toldKinds = [...]struct {
	drift float64
	slow  bool
}{{0, false}, {.15, false}, {.6, false}, {0, true}, {.15, true}}

// toldKind is the hypothesis that is nearest to the noise.
func (n NoiseModel) toldKind() int {
	drift := n.DriftSD * math.Sqrt(1-n.Rho*n.Rho) / n.Sigma
	best := 0

	for k, kind := range toldKinds {
		if kind.slow != n.isIndependentlySlow() {
			continue
		}

		if toldKinds[best].slow != kind.slow || math.Abs(kind.drift-drift) < math.Abs(toldKinds[best].drift-drift) {
			best = k
		}
	}

	return best
}

func (n NoiseModel) isIndependentlySlow() bool { return n.SlowShare > 0 && n.SlowStay == 0 }

// outliers is the share of runs that are.
func (n NoiseModel) outliers() float64 {
	if n.BurstP > 0 {
		return n.BurstP / (n.BurstP + n.BurstEnd)
	}

	return n.TailP
}

// jumps is the share of runs before which the level jumps, with the mean square of a jump:
// steps, another speed of the clock, blocks of slow runs.
func (n NoiseModel) jumps() (share, square float64) {
	switch {
	case n.StepP > 0:
		return n.StepP, n.Step * n.Step * (1 + 1./12) // Step times a number from .5 to 1.5
	case n.JumpP > 0:
		return n.JumpP, n.Jump * n.Jump
	case n.SlowStay > 0:
		return (1 - n.SlowStay) * 2 * n.SlowShare * (1 - n.SlowShare), n.Slow * n.Slow
	}

	return 0, 0
}

// meanLevel is the mean and the variance of the head's level over all hypotheses.
func meanLevel(belief rules.AutoBelief) (mean, variance float64) {
	for h, weight := range belief.Weights {
		mean += weight * belief.Levels[h]
	}

	for h, weight := range belief.Weights {
		off := belief.Levels[h] - mean
		variance += weight * (belief.Vars[h] + off*off)
	}

	return mean, variance
}
