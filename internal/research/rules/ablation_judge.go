package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

// judgeDiffs says whether differences (without minus with) show that what was left
// out pays (AblationPays) or not (AblationIdle), or how many more pairs are
// wanted. sign -1 asks the same of its loss. Two e-processes over the same
// pairs, one against "it brings Least or less", one against "it brings DetectableGain
// or more"; at the cap the nearer of both wins.
func (a Ablation) judgeDiffs(diffs []float64, sign, claim float64) (verdict string, more int) {
	if a.NoiseKind == research.Deterministic {
		switch {
		case len(diffs) == 0:
			return "", 1
		case sign*diffs[0] > a.Least:
			return AblationPays, 0
		}

		return AblationIdle, 0
	}
	pays, idle := a.newPayEvidence(a.Least, claim), a.newIdleEvidence(a.DetectableGain())

	m := noiseModel{a.S, a.Eps}
	for _, d := range diffs {
		pays.bet(sign*d, m)
		idle.bet(sign*d, m)

		switch {
		case pays.best >= 1/idleKeptRisk:
			return AblationPays, 0
		case idle.best >= 1/gainDroppedRisk:
			return AblationIdle, 0
		}
	}

	if n := len(diffs); n < a.Pairs {
		return "", min(2, a.Pairs-n)
	}

	if mid, _ := m.estimateLocation(diffs); sign*mid > (a.Least+a.DetectableGain())/2 {
		return AblationPays, 0
	}

	return AblationIdle, 0
}

// newPayEvidence bets on gains from a quarter of the noise on, most of it around
// the claim, or around what can be told where that is larger.
func (a Ablation) newPayEvidence(edge, claim float64) *evidence {
	var effects, weights []float64

	around := max(claim, a.DetectableGain(), a.S)
	for x := a.S / 4; x < max(1e3*a.S, 16*around); x *= 1.4 {
		z := math.Log(x / around)
		effects, weights = append(effects, edge+x), append(weights, math.Exp(-z*z/2))
	}

	return newEvidence(effects, weights, edge, true, false)
}

// newIdleEvidence bets half on no effect, and the rest on losses and on gains
// that are much smaller than the edge.
func (a Ablation) newIdleEvidence(edge float64) *evidence {
	effects, weights := []float64{0, edge / 3}, []float64{.6, .1}
	for k := range 12 {
		effects, weights = append(effects, -edge/2*math.Pow(2, float64(k))), append(weights, .3/12)
	}

	return newEvidence(effects, weights, edge, false, false)
}

// allowedLoss is the loss, on the scale, that the trimmed head must be shown to have
// less than: 2 % of all that is claimed, or what twice the pairs can tell.
func (a Ablation) allowedLoss() float64 {
	claimed := 0.0
	for _, c := range a.Changes {
		claimed += max(0, c.Claim)
	}

	return max((1-gainToKeep)*claimed, a.Least+separation*a.S/math.Sqrt(float64(2*max(1, a.Pairs))))
}

// judgeLoss says whether the trimmed head lost too much (without minus with), or
// how many more pairs are wanted to say so.
func (a Ablation) judgeLoss(diffs []float64) (lost bool, more int) {
	if a.NoiseKind == research.Deterministic {
		if len(diffs) == 0 {
			return false, 1
		}

		return diffs[0] > a.allowedLoss(), 0
	}
	bar := a.allowedLoss()
	shown, spared := a.newPayEvidence(0, bar), a.newIdleEvidence(bar)

	m := noiseModel{a.S, a.Eps}
	for _, d := range diffs {
		shown.bet(d, m)
		spared.bet(d, m)
	}
	n := len(diffs)

	mid, _ := m.estimateLocation(diffs)
	switch {
	case spared.best >= 1/lossMissedRisk:
		return false, 0
	case shown.best >= 1/lossMissedRisk && mid > bar/2:
		return true, 0
	case n < 2*a.Pairs:
		return false, min(2, 2*a.Pairs-n)
	}

	return mid > bar/2, 0
}

// costInterval is the gain that differences show what was left out to bring, with
// its 90 % interval by the noise that is known; nil without any.
func (a Ablation) costInterval(diffs []float64) *research.Interval { return a.gainInterval(diffs, -1) }

// gainInterval is what differences, turned by sign, are as a gain.
func (a Ablation) gainInterval(diffs []float64, sign float64) *research.Interval {
	if len(diffs) == 0 {
		return nil
	}

	mid, half := diffs[0], 0.0
	if a.NoiseKind != research.Deterministic {
		at, variance := noiseModel{a.S, a.Eps}.estimateLocation(diffs)
		mid, half = at, z95*math.Sqrt(variance)
	}

	return metricScale{a.Scale, a.Better}.interval(sign*mid, sign*mid-half, sign*mid+half)
}

// EstimateGain is what the runs of one comparison say of what it leaves out.
func (a Ablation) EstimateGain(e ComparisonResult) *research.Interval { return a.costInterval(e.Diffs) }

// ForecastRuns is how many runs are likely to come, and how many comparisons, if
// every suspect brings nothing and every other change what is claimed; seen is
// what was measured already.
func (a Ablation) ForecastRuns(seen func(besides, out []int) ComparisonResult) (comparisons, runs int) {
	made := map[string]ComparisonResult{}
	suspects, _, _ := a.sortChanges()

	expected := func(out []int) float64 {
		sum := 0.0

		for _, c := range a.Changes {
			if slices.Contains(out, c.N) && !slices.Contains(suspects, c.N) && !c.Shorter {
				sum += max(c.Claim, 2*a.DetectableGain(), 1e-9)
			}
		}

		return sum
	}
	for {
		step := a.NextComparison(func(besides, out []int) ComparisonResult {
			if e, ok := made[setKey(besides, out)]; ok {
				return e
			}

			return seen(besides, out)
		})
		if step.Done != nil {
			if a.NoiseKind == research.Deterministic && comparisons > 0 {
				runs++ // of the head itself
			}

			return comparisons, runs
		}
		c := step.Compare
		k := setKey(c.Besides, c.Out)

		e, begun := made[k]
		if !begun {
			comparisons++
			e = seen(c.Besides, c.Out)
		}

		for range c.Pairs {
			e.Diffs = append(slices.Clone(e.Diffs), expected(c.Out))
		}
		made[k] = e

		if runs += 2 * c.Pairs; a.NoiseKind == research.Deterministic {
			runs-- // the other side was run before
		}
	}
}
