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
	ds := t.differences()
	points, step := t.finePoints(ds)
	logs := make([]float64, len(points))
	top := math.Inf(-1)

	for i, x := range points {
		logs[i] = t.logPrior(x, step)
		for _, y := range t.screens {
			logs[i] += math.Log(t.screenNoise().density(y-t.level.level, x))
		}

		for _, d := range ds {
			logs[i] += math.Log(t.noise.density(d, x))
		}

		if research.IsFinite(logs[i]) {
			top = max(top, logs[i])
		}
	}
	total := 0.0

	for i, l := range logs {
		if logs[i] = math.Exp(l - top); !research.IsFinite(logs[i]) {
			logs[i] = 0
		}
		total += logs[i]
	}

	if !(total > 0) || !research.IsFinite(total) {
		return medianInterval(ds, t.noise.s)
	}
	sum := 0.0

	lo, hi = points[0], points[len(points)-1]
	for i, w := range logs {
		mean += points[i] * w / total
		if sum < .05 {
			lo = points[i]
		}

		if sum < .95 {
			hi = points[i]
		}
		sum += w / total
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
