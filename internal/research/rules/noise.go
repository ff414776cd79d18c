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
// It steers the search; no certificate rests on it.
type noiseModel struct{ s, eps float64 }

func (m noiseModel) density(d, delta float64) float64 { return m.densityAround(d, delta, 0) }

// densityAround is the density when the effect itself is only known to be within
// about spread of delta.
func (m noiseModel) densityAround(d, delta, spread float64) float64 {
	w := d / (outlierWidth * m.s)

	return (1-m.eps)*normalDensity(d-delta, math.Hypot(m.s, spread)) +
		m.eps/(math.Pi*outlierWidth*m.s*(1+w*w))
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
	m := noiseModel{s: max(madToSD*medianAbs(residuals), floor), eps: outlierShare}

	for range emRounds {
		var clean, squares float64

		for _, r := range residuals {
			core := (1 - m.eps) * normalDensity(r, m.s)
			p := core / m.density(r, 0)
			clean += p
			squares += p * r * r
		}
		m.s = max(math.Sqrt(squares/max(clean, 1e-9)), floor)
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
