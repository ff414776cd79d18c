package rules

import (
	"math"

	"ratchet/internal/research"
)

// Constants of the noise model. See noiseModel and fitNoise.
const (
	outlierShare = .05 // prior share of outliers, worth outlierWeight pairs
	outlierWidth = 5   // scale of the outliers, in paired standard deviations
	emRounds     = 12
	// keptResiduals bounds RuleState.Residuals.
	keptResiduals = 120
	outlierWeight = 20
	// madToSD makes the median absolute deviation of normal data its standard deviation.
	madToSD = 1.4826
)

// noiseModel is the contaminated normal (Huber 1964) of one paired difference
// d at effect delta: (1-eps) N(d; delta, s^2) + eps Cauchy(d; 0, 5s). The
// Cauchy part does not move with delta: it caps what one outlier can say.
//
// Where a machine has two speeds, a pair may also have one slow run: of either side
// with chance slowShare each, longer by slow with the variance slowVar.
type noiseModel struct{ s, eps, slowShare, slow, slowVar float64 }

func (m noiseModel) density(d, delta float64) float64 { return m.densityAround(d, delta, 0) }

// densityAround is the density when the effect itself is only known to be within
// about spread of delta.
func (m noiseModel) densityAround(d, delta, spread float64) float64 {
	w := d / (outlierWidth * m.s)

	return (1-m.eps)*m.cleanDensity(d-delta, math.Hypot(m.s, spread)) +
		m.eps/(math.Pi*outlierWidth*m.s*(1+w*w))
}

// cleanDensity is that of a pair without an outlier, off its effect by d, known to s.
func (m noiseModel) cleanDensity(d, s float64) float64 {
	if m.slowShare == 0 {
		return normalDensity(d, s)
	}
	wide := math.Sqrt(s*s + m.slowVar)

	return (1-2*m.slowShare)*normalDensity(d, s) +
		m.slowShare*(normalDensity(d-m.slow, wide)+normalDensity(d+m.slow, wide))
}

// runVar is the variance of a single run: a paired difference has two of them.
func (m noiseModel) runVar() float64 { return m.s * m.s / 2 }

// fitNoise fits the model to residuals of paired differences by
// expectation-maximisation (Dempster, Laird & Rubin 1977). The scale is at
// least floor, so that calibration runs that happen to be equal stop nothing,
// and is widened by 1 + 1/sqrt(2n), since n residuals know it only that well.
func fitNoise(residuals []float64, floor float64) noiseModel {
	n := float64(len(residuals))
	if n == 0 {
		return noiseModel{s: floor, eps: outlierShare}
	}

	return noiseModel{s: max(madToSD*medianAbs(residuals), floor), eps: outlierShare}.fit(residuals, floor)
}

// fit is m with the scale and the share of outliers that the residuals show.
func (m noiseModel) fit(residuals []float64, floor float64) noiseModel {
	n := float64(len(residuals))

	for range emRounds {
		// Residuals without an outlier and, of these, without a slow run.
		var clean, even, squares float64

		for _, r := range residuals {
			density := m.density(r, 0)
			clean += (1 - m.eps) * m.cleanDensity(r, m.s) / density

			p := (1 - m.eps) * normalDensity(r, m.s) * (1 - 2*m.slowShare) / density
			even += p
			squares += p * r * r
		}
		m.s = max(math.Sqrt(squares/max(even, 1e-9)), floor)
		m.eps = (n - clean + outlierWeight*outlierShare) / (n + outlierWeight)
	}
	m.s *= 1 + 1/math.Sqrt(2*n)

	return m
}

// tracker follows the incumbent's level through drift: a random walk seen
// through clipped innovations (a Kalman filter, 1960, with Huber's clipping).
// It says what a single run is compared with; a verdict of improved never is.
type tracker struct{ level, variance float64 }

// observe folds in one run y of the incumbent; extra is the variance of what
// else is unknown about it.
func (t tracker) observe(y, extra float64, m noiseModel) tracker {
	p := t.variance + .03*m.runVar()
	v := p + m.runVar() + extra
	limit := 1.5 * math.Sqrt(v)
	k := p / v

	return tracker{
		level:    t.level + k*max(-limit, min(limit, y-t.level)),
		variance: p * (1 - k),
	}
}

// Constants of the prior belief about one proposed edit.
const (
	priorNull  = .70 // share of edits that change nothing; the rest is half gains, half losses
	gridSteps  = 28
	smallRatio = .003 // the default rope, as a share
	// gridSpread widens each step of the grid by this share of itself. Without it
	// a large effect between two steps would look like an outlier at low noise.
	gridSpread = .15
	// farSteps reach on to farRatio times the grid's top, all of them with the
	// weight of one step: a thousandfold gain is rare, but must not be dropped.
	farSteps = 13
	farRatio = 16
)

// belief is a posterior over a grid of effects: 0, +-rope*(top/rope)^(k/27) and
// a few beyond, lower is better.
type belief struct{ effects, weights []float64 }

func newBelief(rope, top float64) belief {
	b := belief{effects: []float64{0}, weights: []float64{priorNull}}

	each := (1 - priorNull) / 2 / gridSteps
	for k := range gridSteps {
		d := rope * math.Pow(top/rope, float64(k)/(gridSteps-1))
		b.effects = append(b.effects, -d, d)
		b.weights = append(b.weights, each, each)
	}

	for k := range farSteps {
		d := top * math.Pow(farRatio, float64(k+1)/farSteps)
		b.effects = append(b.effects, -d, d)
		b.weights = append(b.weights, each/farSteps, each/farSteps)
	}

	return b
}

// update weighs the belief with one difference from the incumbent. One so large
// that no weight is left says nothing.
func (b belief) update(d float64, m noiseModel) {
	total := 0.0

	likelihood := make([]float64, len(b.weights))
	for j, w := range b.weights {
		likelihood[j] = m.densityAround(d, b.effects[j], gridSpread*b.effects[j])
		total += w * likelihood[j]
	}

	if !(total > 0) || !research.IsFinite(total) {
		return
	}

	for j := range b.weights {
		b.weights[j] *= likelihood[j] / total
	}
}

// moments gives P(effect < -m), P(effect > 0), P(effect = 0) and the mean. The
// grid's first steps are +-rope, so 0 is all that lies inside the rope.
func (b belief) moments(m float64) (gain, loss, null, mean float64) {
	for j, d := range b.effects {
		w := b.weights[j]

		mean += w * d
		switch {
		case d < -m*(1+1e-9):
			gain += w
		case d > 0:
			loss += w
		case d == 0:
			null += w
		}
	}

	return gain, loss, null, mean
}

// chanceAtLeast is P(effect >= x), of a loss.
func (b belief) chanceAtLeast(x float64) float64 {
	p := 0.0

	for j, d := range b.effects {
		if d >= x*(1-1e-9) {
			p += b.weights[j]
		}
	}

	return p
}

// pairsFor is how many pairs are expected to bring the log of the evidence for a gain of that
// size to need, if the gain is true, with care for what chance may take: each adds the
// log of the densities' ratio with and without the gain, whose mean is their
// divergence (Kullback & Leibler 1951). At least 2, at most most.
func (m noiseModel) pairsFor(gain, need float64, most int) int {
	mean, variance := m.evidencePerPair(gain)

	for n := 2; n < most; n++ {
		pairs := float64(n)
		if pairs*mean-reserveCare*math.Sqrt(pairs*variance) >= need {
			return n
		}
	}

	return most
}

// leastPairsKept is how many pairs are kept back at least: where many runs are slow or
// outliers, two pairs may say nothing.
func (m noiseModel) leastPairsKept() int {
	if m.slowShare > .02 || m.eps > 1.5*outlierShare {
		return 6
	}

	return 3
}

// evidencePerPair are the mean and the variance of what one pair adds to the log of the
// evidence for a gain of that size, if it is true, by the trapezoid rule.
func (m noiseModel) evidencePerPair(gain float64) (mean, variance float64) {
	fine := m.s / 4
	reach := gain + m.slow + 6*m.s
	steps := min(4000, math.Ceil(2*reach/fine))
	step := 2 * reach / steps
	total := 0.0

	for d := -reach; d <= reach; d += step {
		with, without := m.density(d, -gain), m.density(d, 0)
		if !(with > 0 && without > 0) {
			continue
		}
		ratio := math.Log(with / without)
		total += with * step
		mean += with * ratio * step
		variance += with * ratio * ratio * step
	}
	mean, variance = mean/total, variance/total

	return mean, variance - mean*mean
}
