package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

const (
	insideShare  = .10 // of the prior of an estimate: effects within the rope, beside exactly none
	estimateFine = 4   // points in a standard error
	estimateWide = 5   // standard deviations of a pair around each difference
)

// estimate is the posterior mean of the effect, with its 90 % credible
// interval, given the screen and the pairs (Bayes under the noise model and
// the belief's prior). The prior is that of newBelief with its steps filled
// in: a fine grid around every difference that was seen, so that a large
// effect at low noise is not rounded to a step.
func (t *confirmation) estimate() (mean, lo, hi float64) {
	diffs := t.differences()
	points, step := t.finePoints(diffs)

	// Log posterior of every point; its largest keeps the exponentials in range.
	weights := make([]float64, len(points))
	top := math.Inf(-1)

	for i, effect := range points {
		weights[i] = t.logPrior(effect, step)
		for _, y := range t.screens {
			weights[i] += math.Log(t.screenNoise().density(y-t.level.level, effect))
		}

		for _, d := range diffs {
			weights[i] += math.Log(t.noise.density(d, effect))
		}

		if research.IsFinite(weights[i]) {
			top = max(top, weights[i])
		}
	}

	total := 0.0

	for i, logWeight := range weights {
		weights[i] = math.Exp(logWeight - top)
		if !research.IsFinite(weights[i]) {
			weights[i] = 0
		}

		total += weights[i]
	}

	if !(total > 0) || !research.IsFinite(total) {
		return medianInterval(diffs, t.noise.s)
	}

	below := 0.0 // P(effect below the present point)
	lo, hi = points[0], points[len(points)-1]

	for i, w := range weights {
		mean += points[i] * w / total
		if below < .05 {
			lo = points[i]
		}

		if below < .95 {
			hi = points[i]
		}

		below += w / total
	}

	return mean, min(lo, mean), max(hi, mean)
}

// finePoints are effects worth weighing, ascending, 0 among them, and the step
// between neighbours.
func (t *confirmation) finePoints(ds []float64) (points []float64, step float64) {
	step = t.noise.s / math.Sqrt(float64(len(ds))) / estimateFine
	half := math.Ceil(estimateWide * t.noise.s / step)
	from := math.Inf(-1)

	for _, d := range slices.Sorted(slices.Values(ds)) {
		for k := -half; k <= half; k++ {
			if x := d + k*step; x > from+step/2 {
				points, from = append(points, x), x
			}
		}
	}

	points = append(points, 0)
	slices.Sort(points)

	return points, step
}

// logPrior is the log of the prior weight of a step around x.
func (t *confirmation) logPrior(x, step float64) float64 {
	rope, top := t.belief.effects[2], t.belief.effects[2*gridSteps]
	side := (1 - priorNull) / 2

	switch size := math.Abs(x); {
	case x == 0:
		return math.Log(priorNull - insideShare)
	case size < rope:
		return math.Log(insideShare * step / (2 * rope))
	case size <= top:
		return math.Log(side * step / size / math.Log(top/rope))
	default:
		return math.Log(side / gridSteps * step / size / math.Log(farRatio))
	}
}
