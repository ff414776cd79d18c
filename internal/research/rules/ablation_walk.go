package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

// NextComparison names the comparison that is needed next, or ends the ablation.
// resultOf is what was measured of a comparison so far; sets of experiments are
// sorted. The same runs always lead to the same steps.
func (a Ablation) NextComparison(resultOf func(besides, out []int) ComparisonResult) AblationStep {
	walk := &ablationWalk{Ablation: a, resultOf: resultOf, dropped: map[int]bool{},
		effects: map[int]AblationEffect{}, fitted: map[string]bool{}}
	suspects, others, shorter := a.sortChanges()

	for group := range slices.Chunk(suspects, largestGroup) {
		walk.testGroup(group)
	}

	for _, n := range others {
		if a.isShorter(n) {
			walk.testHarm([]int{n})
		} else {
			walk.testGain([]int{n})
		}
	}

	for group := range slices.Chunk(shorter, largestGroup) {
		walk.testHarm(group)
	}

	walk.verifyTrimmed()

	if walk.missing != nil {
		return AblationStep{Compare: walk.missing}
	}

	return AblationStep{Done: walk.summarise()}
}

// sortChanges are the changes by how they are tested, in the order of the tests:
// the newest first, but others by their claims, the smallest first.
func (a Ablation) sortChanges() (suspects, others, shorter []int) {
	claims := map[int]float64{}

	for _, c := range slices.Backward(a.Changes) {
		claims[c.N] = c.Claim

		switch {
		case a.NoiseKind == research.Deterministic || c.Claim >= suspectBelow*a.DetectableGain() || len(c.Ties) > 0:
			others = append(others, c.N)
		case c.Shorter:
			shorter = append(shorter, c.N)
		default:
			suspects = append(suspects, c.N)
		}
	}

	slices.SortStableFunc(others, func(m, n int) int {
		switch {
		case claims[m] < claims[n]:
			return -1
		case claims[m] > claims[n]:
			return 1
		}

		return 0
	})

	return suspects, others, shorter
}

func (a Ablation) isShorter(n int) bool {
	return slices.ContainsFunc(a.Changes, func(c AblationChange) bool { return c.N == n && c.Shorter })
}

// ablationWalk is one pass through the whole ablation, as far as the runs reach. It
// begins again for every step, so that nothing but the runs decides.
type ablationWalk struct {
	Ablation
	resultOf func(besides, out []int) ComparisonResult
	dropped  map[int]bool
	effects  map[int]AblationEffect
	missing  *Comparison      // what is missing: nothing is decided any more
	final    ComparisonResult // of the end
	fitted   map[string]bool  // comparisons whose pairs have told of the noise
}

// testGroup drops a group of suspects that does not pay. A gain in it may be cancelled by a
// loss, or be too small to tell among so many: where halves are asked, it is dropped only
// if that is shown of each half too, and what the pairs can't decide is halved further. A
// half has every other change, so that neighbours, which often belong together, are parted.
func (w *ablationWalk) testGroup(group []int) {
	if !w.AsksHalves || len(group) == 1 {
		w.testGain(group)
		return
	}

	if group = w.remaining(group); len(group) == 0 {
		return
	}

	said := w.compareGroup(group, 1)
	if !said.decided {
		return
	}

	for _, half := range everyOther(group) {
		if said.isShownIdle() {
			w.testHalf(half)
		} else {
			w.testGroup(half)
		}
	}
}

// testHalf drops a half of a group that was shown not to pay, if that is shown of the half
// alone too.
func (w *ablationWalk) testHalf(half []int) {
	half = w.remaining(half)
	if len(half) < 2 {
		w.testGain(half)
		return
	}

	said := w.compareGroup(half, 1)
	switch {
	case !said.decided:
	case said.isShownIdle():
		w.dropGroup(half, AblationIdle, said.result)
	default:
		for _, part := range everyOther(half) {
			w.testGroup(part)
		}
	}
}

// everyOther parts a group of two or more into its changes at even and at odd places.
func everyOther(group []int) (halves [2][]int) {
	for i, n := range group {
		halves[i%2] = append(halves[i%2], n)
	}

	return halves
}

// testGain drops a group that does not pay. One that does is halved, down to
// the single change.
func (w *ablationWalk) testGain(group []int) {
	group = w.remaining(group)
	if len(group) == 0 {
		return
	}

	said := w.compareGroup(group, 1)
	switch {
	case !said.decided:
	case said.verdict == AblationIdle:
		w.dropGroup(group, AblationIdle, said.result)
	case len(group) == 1:
		w.recordEffect(group, said.verdict, said.result)
	default:
		middle := (len(group) + 1) / 2
		w.testGain(group[:middle])
		w.testGain(group[middle:])
	}
}

// testHarm keeps a group that does not hurt. One that does is halved, down to
// the single change, which is dropped.
func (w *ablationWalk) testHarm(group []int) {
	group = w.remaining(group)
	if len(group) == 0 {
		return
	}

	said := w.compareGroup(group, -1)
	switch {
	case !said.decided:
	case said.verdict == AblationIdle:
		why := AblationShorter
		if v, _, more := w.judgeDiffs(said.result.Diffs, 1, 0); more == 0 && v == AblationPays {
			why = v
		}

		w.recordEffect(group, why, said.result)
	case said.verdict != AblationPays:
		w.recordEffect(group, said.verdict, said.result)
	case len(group) == 1:
		w.dropGroup(group, AblationHurts, said.result)
	default:
		middle := (len(group) + 1) / 2
		w.testHarm(group[:middle])
		w.testHarm(group[middle:])
	}
}

// remaining is the group without what has been dropped, nil once runs are missing.
func (w *ablationWalk) remaining(group []int) []int {
	if w.missing != nil {
		return nil
	}

	return slices.DeleteFunc(slices.Clone(group), func(n int) bool { return w.dropped[n] })
}

// withDependents is a group with all changes that build on it and are not
// dropped yet, sorted.
func (w *ablationWalk) withDependents(group []int) []int {
	affected := map[int]bool{}
	for _, n := range group {
		affected[n] = true
	}

	// Ties point forwards, so one pass is enough.
	for _, c := range w.Changes {
		if affected[c.N] {
			for _, tie := range c.Ties {
				affected[tie] = true
			}
		}
	}

	var all []int
	for _, c := range w.Changes {
		if affected[c.N] && !w.dropped[c.N] {
			all = append(all, c.N)
		}
	}

	return all
}

// droppedChanges are the experiments dropped so far, sorted.
func (w *ablationWalk) droppedChanges() []int {
	var all []int

	for _, c := range w.Changes {
		if w.dropped[c.N] {
			all = append(all, c.N)
		}
	}

	return all
}

// groupVerdict is what a comparison says of a group.
type groupVerdict struct {
	verdict string // of a head that can't be without the group: the reason
	isShown bool   // by the pairs, not only nearer when the cap was reached
	result  ComparisonResult
	decided bool // false while pairs are missing
}

func (g groupVerdict) isShownIdle() bool { return g.verdict == AblationIdle && g.isShown }

// compareGroup judges a group left out with what builds on it. sign -1 asks whether the
// group hurts.
func (w *ablationWalk) compareGroup(group []int, sign float64) groupVerdict {
	besides, out := w.droppedChanges(), w.withDependents(group)

	result := w.resultOf(besides, out)
	if result.Unfit != "" {
		return groupVerdict{result.Unfit, true, result, true}
	}

	verdict, isShown, more := w.judgeDiffs(result.Diffs, sign, w.sumClaims(out))
	if more > 0 {
		w.missing = &Comparison{Besides: besides, Out: out, Pairs: more}
		return groupVerdict{}
	}

	w.refitNoise(besides, out, result.Diffs)

	return groupVerdict{verdict, isShown, result, true}
}

// refitNoise fits the noise again with the pairs of a comparison that is over:
// the noise that a test assumes is fixed before its first pair.
func (w *ablationWalk) refitNoise(besides, out []int, diffs []float64) {
	key := setKey(besides, out)
	if w.NoiseKind == research.Deterministic || len(diffs) < 2 || w.fitted[key] {
		return
	}

	w.fitted[key] = true
	w.Residuals = slices.Concat(w.Residuals, aroundMedian(diffs))

	if len(w.Residuals) >= minFitResiduals {
		m := fitNoise(w.Residuals, w.S/1e3)
		w.S, w.Eps = m.s, m.eps
	}
}

// sumClaims is what was believed of a group together.
func (a Ablation) sumClaims(group []int) float64 {
	sum := 0.0

	for _, c := range a.Changes {
		if slices.Contains(group, c.N) {
			sum += max(0, c.Claim)
		}
	}

	return sum
}

// dropGroup leaves a group, and what builds on it, out from here on.
func (w *ablationWalk) dropGroup(group []int, why string, result ComparisonResult) {
	all := w.withDependents(group)
	w.recordEffect(all, why, result)

	for _, n := range all {
		w.dropped[n] = true
	}
}

// recordEffect notes what a comparison said of each change of the group.
func (w *ablationWalk) recordEffect(group []int, why string, result ComparisonResult) {
	all := w.withDependents(group)

	for _, n := range group {
		with := slices.DeleteFunc(slices.Clone(all), func(m int) bool { return m == n })
		w.effects[n] = AblationEffect{N: n, Why: why, Gain: w.costInterval(result.Diffs), With: with,
			Pairs: len(result.Diffs), Jobs: result.Jobs}
	}
}

// verifyTrimmed compares the trimmed head with the untrimmed. Where it lost too
// much, the better half of the drops comes back; after maxTakeBacks halvings, or
// where the trimmed head can't be, all of them.
func (w *ablationWalk) verifyTrimmed() {
	for back := 0; w.missing == nil && len(w.droppedChanges()) > 0; back++ {
		gone := w.droppedChanges()
		result := w.resultOf(nil, gone)
		unfit := result.Unfit != ""

		lost, more := w.judgeLoss(result.Diffs)
		switch {
		case unfit:
		case more > 0:
			w.missing = &Comparison{Out: gone, Pairs: more, Last: true}
			return
		case !lost:
			w.final = result
			return
		}

		if unfit || back >= maxTakeBacks {
			w.takeBackGroup(gone)
			continue
		}

		best := slices.Clone(gone)
		slices.SortStableFunc(best, func(m, n int) int {
			return int(math.Copysign(1, w.measuredShare(n)-w.measuredShare(m)))
		})
		w.takeBackGroup(best[:(len(best)+1)/2])
	}
}

// measuredShare is the gain that a dropped change seemed to bring: its share of
// the gain of all that were left out in the same comparison.
func (w *ablationWalk) measuredShare(n int) float64 {
	effect := w.effects[n]
	if effect.Gain == nil {
		return 0
	}

	return effect.Gain.Mid / float64(1+len(effect.With))
}

// takeBackGroup puts changes into the head again, and with each what it builds on.
func (w *ablationWalk) takeBackGroup(group []int) {
	for _, n := range group {
		w.dropped[n] = false
	}

	for _, c := range slices.Backward(w.Changes) {
		for _, tie := range c.Ties {
			if w.dropped[c.N] && !w.dropped[tie] {
				w.dropped[c.N] = false
			}
		}
	}

	for n, effect := range w.effects {
		if !w.dropped[n] && (effect.Why == AblationIdle || effect.Why == AblationHurts) {
			effect.Why = AblationTakenBack
			w.effects[n] = effect
		}
	}
}

// summarise is the end of an ablation whose runs are all there.
func (w *ablationWalk) summarise() *AblationEnd {
	end := &AblationEnd{Of: w.Of, Scale: w.Scale, Kept: []AblationEffect{}, Dropped: []AblationEffect{}}

	for _, c := range w.Changes {
		if w.dropped[c.N] {
			end.Dropped = append(end.Dropped, w.effects[c.N])
		} else {
			end.Kept = append(end.Kept, w.effects[c.N])
		}
	}

	if len(end.Dropped) > 0 {
		end.Pairs, end.Jobs = len(w.final.Diffs), w.final.Jobs
		end.Gain = w.gainInterval(w.final.Diffs, 1)
	}

	return end
}
