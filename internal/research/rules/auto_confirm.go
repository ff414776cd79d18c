package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

// An interval without 0 says that the edit changes the metric. Looks at it alone can't
// say so: machines change their speed for seconds at a time, and what is remembered of
// the incumbent is of another time. So such an interval needs looks at both versions that
// follow each other: one such pair, or where the looks of one version differ by more than
// half of what is said, as many as make chance unlikely. Without them the interval
// reaches to 0.

const (
	splitShare     = .5   // of the effect: looks of one version that differ by more show that the machine changes
	splitPairs     = 3    // of looks that follow each other, at least, then
	mostByChance   = .125 // probability that so many pairs, and so large ones, point one way
	mostConfirming = 24   // looks of an experiment up to which more are asked for
)

// confirm returns the look that an experiment still needs before it can end with the
// judgement, nil where it can. Where no look is left to be made, it widens the interval of
// a judgement that is not confirmed to 0, and does not call it worse.
func (a Auto) confirm(st RuleState, effect float64, obs []Observation, judgement *Judgement, canRun bool) *Step {
	gain := judgement.Gain
	if st.Version == FirstVersion || gain == nil || gain.Lo <= 0 && gain.Hi >= 0 {
		return nil
	}

	diffs := st.adjacentDiffs(obs)
	if isConfirmed(diffs, effect, st.isSplit(obs, effect)) {
		return nil
	}

	if canRun && len(obs) < mostConfirming {
		step := lookAt(Incumbent)
		if obs[len(obs)-1].Side == Incumbent {
			step = lookAt(Candidate)
		}

		return &step
	}
	gain.Lo, gain.Hi = min(gain.Lo, 0), max(gain.Hi, 0)

	if judgement.Verdict == research.Regressed {
		judgement.Verdict = research.Inconclusive
	}

	return nil
}

// adjacentDiffs are the differences, candidate less incumbent, of looks at both that
// follow each other; no look is in two of them.
func (st RuleState) adjacentDiffs(obs []Observation) (diffs []float64) {
	for i := 0; i+1 < len(obs); i++ {
		first, ok := st.height(obs[i])
		second, alsoOK := st.height(obs[i+1])

		if !ok || !alsoOK || obs[i].Side == obs[i+1].Side {
			continue
		}

		if obs[i].Side == Candidate {
			diffs = append(diffs, first-second)
		} else {
			diffs = append(diffs, second-first)
		}
		i++
	}

	return diffs
}

// isSplit says whether the looks of one version differ by so much that the machine may
// have changed between them.
func (st RuleState) isSplit(obs []Observation, effect float64) bool {
	for _, side := range []Side{Candidate, Incumbent} {
		heights := st.heightsOf(obs, side)
		if len(heights) > 1 && slices.Max(heights)-slices.Min(heights) > splitShare*math.Abs(effect) {
			return true
		}
	}

	return false
}

// isConfirmed says whether the differences say the same as the effect: at least half of
// it in their median, or where the looks are split, where it points to by the signed ranks
// of all of them (Wilcoxon 1945).
func isConfirmed(diffs []float64, effect float64, isSplit bool) bool {
	if len(diffs) == 0 {
		return false
	}

	if !isSplit {
		return median(diffs)/effect >= splitShare
	}

	return len(diffs) >= splitPairs && signedRankChance(diffs, effect < 0) <= mostByChance
}

// signedRankChance is the probability that the signed ranks of differences around 0 are
// as far to one side, exactly; below says to which.
func signedRankChance(diffs []float64, below bool) float64 {
	order := make([]int, len(diffs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch d := math.Abs(diffs[i]) - math.Abs(diffs[j]); {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}

		return 0
	})
	against := 0 // sum of the ranks that point the other way; equal values do, too

	for rank, i := range order {
		if diffs[i] == 0 || (diffs[i] < 0) != below {
			against += rank + 1
		}
	}

	// ways[s] is in how many of the 2^n sign patterns the ranks of one sign sum to s.
	ways := make([]float64, len(diffs)*(len(diffs)+1)/2+1)
	ways[0] = 1

	for rank := 1; rank <= len(diffs); rank++ {
		for s := len(ways) - 1; s >= rank; s-- {
			ways[s] = (ways[s] + ways[s-rank]) / 2
		}

		for s := range min(rank, len(ways)) {
			ways[s] /= 2
		}
	}
	chance := 0.0

	for s := range against + 1 {
		chance += ways[s]
	}

	return chance
}
