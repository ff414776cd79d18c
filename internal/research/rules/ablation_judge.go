package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

// judgeDiffs says whether differences (without minus with) show that what was left
// out pays (AblationPays) or not (AblationIdle), or how many more pairs are
// needed. sign -1 asks the same of its loss. Two e-processes run over the same
// pairs, one against "it brings Least or less", one against "it brings
// DetectableGain or more"; at the cap the nearer of both wins, and isShown is false.
func (a Ablation) judgeDiffs(diffs []float64, sign, claim float64) (verdict string, isShown bool, more int) {
	if a.NoiseKind == research.Deterministic {
		switch {
		case len(diffs) == 0:
			return "", false, 1
		case sign*diffs[0] > a.Least:
			return AblationPays, true, 0
		}

		return AblationIdle, true, 0
	}

	noise := noiseModel{s: a.S, eps: a.Eps}
	pays, idle := a.newPayEvidence(a.Least, claim), a.newIdleEvidence(a.DetectableGain())

	for _, d := range diffs {
		pays.bet(sign*d, noise)
		idle.bet(sign*d, noise)

		switch {
		case pays.best >= 1/idleKeptRisk:
			return AblationPays, true, 0
		case idle.best >= 1/gainDroppedRisk:
			return AblationIdle, true, 0
		}
	}

	if n := len(diffs); n < a.Pairs {
		return "", false, min(2, a.Pairs-n)
	}

	if mid, _ := noise.estimateLocation(diffs); sign*mid > (a.Least+a.DetectableGain())/2 {
		return AblationPays, false, 0
	}

	return AblationIdle, false, 0
}

// newPayEvidence bets on gains from a quarter of the noise on, most of it around
// the claim, or around what can be detected where that is larger.
func (a Ablation) newPayEvidence(edge, claim float64) *evidence {
	var effects, weights []float64
	around := max(claim, a.DetectableGain(), a.S)

	for x := a.S / 4; x < max(1e3*a.S, 16*around); x *= 1.4 {
		z := math.Log(x / around)
		effects = append(effects, edge+x)
		weights = append(weights, math.Exp(-z*z/2))
	}

	return newEvidence(effects, weights, edge, true, false)
}

// newIdleEvidence bets .6 on no effect, and the rest on losses and on gains
// that are much smaller than the edge.
func (a Ablation) newIdleEvidence(edge float64) *evidence {
	effects, weights := []float64{0, edge / 3}, []float64{.6, .1}

	for k := range 12 {
		effects = append(effects, -edge/2*math.Pow(2, float64(k)))
		weights = append(weights, .3/12)
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

// judgeLoss says whether the trimmed head lost more than is allowed (differences
// are without minus with), or how many more pairs are needed to say so.
func (a Ablation) judgeLoss(diffs []float64) (lost bool, more int) {
	allowed := a.allowedLoss()

	if a.NoiseKind == research.Deterministic {
		if len(diffs) == 0 {
			return false, 1
		}

		return diffs[0] > allowed, 0
	}

	noise := noiseModel{s: a.S, eps: a.Eps}
	loss, noLoss := a.newPayEvidence(0, allowed), a.newIdleEvidence(allowed)

	for _, d := range diffs {
		loss.bet(d, noise)
		noLoss.bet(d, noise)
	}

	n := len(diffs)
	mid, _ := noise.estimateLocation(diffs)

	switch {
	case noLoss.best >= 1/lossMissedRisk:
		return false, 0
	case loss.best >= 1/lossMissedRisk && mid > allowed/2:
		return true, 0
	case n < 2*a.Pairs:
		return false, min(2, 2*a.Pairs-n)
	}

	return mid > allowed/2, 0
}

// costInterval is the gain that differences show what was left out to bring, nil without any.
func (a Ablation) costInterval(diffs []float64) *research.Interval { return a.gainInterval(diffs, -1) }

// gainInterval is the gain that differences show once turned by sign, with its
// 90 % interval by the noise that is known; nil without any.
func (a Ablation) gainInterval(diffs []float64, sign float64) *research.Interval {
	if len(diffs) == 0 {
		return nil
	}

	mid, half := diffs[0], 0.0
	if a.NoiseKind != research.Deterministic {
		location, variance := noiseModel{s: a.S, eps: a.Eps}.estimateLocation(diffs)
		mid, half = location, z95*math.Sqrt(variance)
	}

	return a.MetricScale().interval(sign*mid, sign*mid-half, sign*mid+half)
}

// EstimateGain is what the runs of one comparison say of what it leaves out.
func (a Ablation) EstimateGain(e ComparisonResult) *research.Interval { return a.costInterval(e.Diffs) }

// ForecastRuns is how many comparisons are likely to come, and how many runs, if
// every suspect brings nothing and every other change what is claimed; resultOf
// is what was measured already.
func (a Ablation) ForecastRuns(resultOf func(besides, out []int) ComparisonResult) (comparisons, runs int) {
	forecast := map[string]ComparisonResult{}
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
			if result, ok := forecast[setKey(besides, out)]; ok {
				return result
			}

			return resultOf(besides, out)
		})
		if step.Done != nil {
			if a.NoiseKind == research.Deterministic && comparisons > 0 {
				runs++ // of the head itself
			}

			return comparisons, runs
		}

		next := step.Compare
		key := setKey(next.Besides, next.Out)

		result, begun := forecast[key]
		if !begun {
			comparisons++
			result = resultOf(next.Besides, next.Out)
		}

		result.Diffs = slices.Clone(result.Diffs)
		for range next.Pairs {
			result.Diffs = append(result.Diffs, expected(next.Out))
		}

		forecast[key] = result

		runs += 2 * next.Pairs
		if a.NoiseKind == research.Deterministic {
			runs-- // the other side was run before
		}
	}
}
