package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

// NextComparison names the comparison that is needed next, or ends the ablation. seen is
// what was measured of a comparison so far; sets of experiments are sorted.
// The same runs always lead to the same steps.
func (a Ablation) NextComparison(seen func(besides, out []int) ComparisonResult) AblationStep {
	w := &ablationWalk{Ablation: a, resultOf: seen, isOut: map[int]bool{}, effects: map[int]AblationEffect{},
		fitted: map[string]bool{}}

	suspects, others, shorter := a.sortChanges()
	for group := range slices.Chunk(suspects, largestGroup) {
		w.testGain(group)
	}

	for _, n := range others {
		if a.isShorter(n) {
			w.testHarm([]int{n})
		} else {
			w.testGain([]int{n})
		}
	}

	for group := range slices.Chunk(shorter, largestGroup) {
		w.testHarm(group)
	}
	w.verifyTrimmed()

	if w.missing != nil {
		return AblationStep{Compare: w.missing}
	}

	return AblationStep{Done: w.summarise()}
}

// sortChanges are the changes by how they are tested, in the order of the tests.
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
		switch x, y := claims[m], claims[n]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}

		return 0
	})

	return suspects, others, shorter
}

func (a Ablation) isShorter(n int) bool {
	return slices.ContainsFunc(a.Changes, func(c AblationChange) bool { return c.N == n && c.Shorter })
}

// ablationWalk is one pass through the whole ablation, for as far as the runs reach.
type ablationWalk struct {
	Ablation
	resultOf func(besides, out []int) ComparisonResult
	isOut    map[int]bool
	effects  map[int]AblationEffect
	missing  *Comparison      // what is missing: nothing is decided any more
	final    ComparisonResult // of the end
	fitted   map[string]bool  // comparisons whose pairs have told of the noise
}

// testGain drops a group that does not pay, and looks into one that does.
func (w *ablationWalk) testGain(group []int) {
	group = w.remaining(group)
	if len(group) == 0 {
		return
	}

	verdict, e, ok := w.compareGroup(group, 1)
	switch {
	case !ok:
	case verdict == AblationIdle:
		w.dropGroup(group, AblationIdle, e)
	case len(group) == 1:
		w.recordEffect(group, verdict, e)
	default:
		w.testGain(group[:(len(group)+1)/2])
		w.testGain(group[(len(group)+1)/2:])
	}
}

// testHarm keeps a group that does not hurt, and looks into one that does.
func (w *ablationWalk) testHarm(group []int) {
	group = w.remaining(group)
	if len(group) == 0 {
		return
	}

	verdict, e, ok := w.compareGroup(group, -1)
	switch {
	case !ok:
	case verdict == AblationIdle:
		why := AblationShorter
		if v, more := w.judgeDiffs(e.Diffs, 1, 0); more == 0 && v == AblationPays {
			why = v
		}
		w.recordEffect(group, why, e)
	case verdict != AblationPays:
		w.recordEffect(group, verdict, e)
	case len(group) == 1:
		w.dropGroup(group, AblationHurts, e)
	default:
		w.testHarm(group[:(len(group)+1)/2])
		w.testHarm(group[(len(group)+1)/2:])
	}
}

// remaining is the group without what has been dropped; nothing once runs are missing.
func (w *ablationWalk) remaining(group []int) []int {
	if w.missing != nil {
		return nil
	}

	return slices.DeleteFunc(slices.Clone(group), func(n int) bool { return w.isOut[n] })
}

// withDependents is a group with all that builds on it and still stands, sorted.
func (w *ablationWalk) withDependents(group []int) []int {
	in := map[int]bool{}
	for _, n := range group {
		in[n] = true
	}

	for _, c := range w.Changes { // ties point forwards: one pass is enough
		if in[c.N] {
			for _, t := range c.Ties {
				in[t] = true
			}
		}
	}
	var all []int

	for _, c := range w.Changes {
		if in[c.N] && !w.isOut[c.N] {
			all = append(all, c.N)
		}
	}

	return all
}

func (w *ablationWalk) droppedChanges() []int {
	var all []int

	for _, c := range w.Changes {
		if w.isOut[c.N] {
			all = append(all, c.N)
		}
	}

	return all
}

// compareGroup judges a group left out, with what builds on it; false when more
// pairs are needed for it. sign -1 asks whether it hurts.
func (w *ablationWalk) compareGroup(group []int, sign float64) (verdict string, e ComparisonResult, ok bool) {
	out := w.withDependents(group)
	if e = w.resultOf(w.droppedChanges(), out); e.Unfit != "" {
		return e.Unfit, e, true
	}

	verdict, more := w.judgeDiffs(e.Diffs, sign, w.sumClaims(out))
	if more > 0 {
		w.missing = &Comparison{Besides: w.droppedChanges(), Out: out, Pairs: more}
		return "", e, false
	}
	w.refitNoise(w.droppedChanges(), out, e.Diffs)

	return verdict, e, true
}

// refitNoise fits the noise again with the pairs of a comparison that is over: what
// a test reckons with is fixed before its first pair.
func (w *ablationWalk) refitNoise(besides, out []int, diffs []float64) {
	k := setKey(besides, out)
	if w.NoiseKind == research.Deterministic || len(diffs) < 2 || w.fitted[k] {
		return
	}
	w.fitted[k] = true

	w.Residuals = append(w.Residuals[:len(w.Residuals):len(w.Residuals)], aroundMedian(diffs)...)
	if len(w.Residuals) >= minFitResiduals {
		m := fitNoise(w.Residuals, w.S/1e3)
		w.S, w.Eps = m.s, m.eps
	}
}

func (a Ablation) sumClaims(group []int) float64 {
	sum := 0.0

	for _, c := range a.Changes {
		if slices.Contains(group, c.N) {
			sum += max(0, c.Claim)
		}
	}

	return sum
}

// dropGroup leaves a group out from here on.
func (w *ablationWalk) dropGroup(group []int, why string, e ComparisonResult) {
	closed := w.withDependents(group)
	w.recordEffect(closed, why, e)

	for _, n := range closed {
		w.isOut[n] = true
	}
}

// recordEffect writes down what a comparison said of the group.
func (w *ablationWalk) recordEffect(group []int, why string, e ComparisonResult) {
	closed := w.withDependents(group)
	for _, n := range group {
		with := slices.DeleteFunc(slices.Clone(closed), func(m int) bool { return m == n })
		w.effects[n] = AblationEffect{N: n, Why: why, Gain: w.costInterval(e.Diffs), With: with, Pairs: len(e.Diffs),
			Jobs: e.Jobs}
	}
}

// verifyTrimmed compares the trimmed head with the untrimmed. Where that lost too
// much, the better half of the drops comes back, at last all of them.
func (w *ablationWalk) verifyTrimmed() {
	for back := 0; w.missing == nil && len(w.droppedChanges()) > 0; back++ {
		gone := w.droppedChanges()
		e := w.resultOf(nil, gone)

		lost, more := w.judgeLoss(e.Diffs)
		switch {
		case e.Unfit != "":
			lost = true
		case more > 0:
			w.missing = &Comparison{Out: gone, Pairs: more, Last: true}
			return
		case !lost:
			w.final = e
			return
		}

		if back >= maxTakeBacks || e.Unfit != "" {
			w.takeBackGroup(gone)
			continue
		}
		order := slices.Clone(gone)
		slices.SortStableFunc(order, func(m, n int) int { return int(math.Copysign(1, w.measuredShare(n)-w.measuredShare(m))) })
		w.takeBackGroup(order[:(len(order)+1)/2])
	}
}

// measuredShare is what a dropped change seemed to bring, its share of a group's.
func (w *ablationWalk) measuredShare(n int) float64 {
	f := w.effects[n]
	if f.Gain == nil {
		return 0
	}

	return f.Gain.Mid / float64(1+len(f.With))
}

// takeBackGroup puts changes into the head again, and with each what it builds on.
func (w *ablationWalk) takeBackGroup(group []int) {
	for _, n := range group {
		w.isOut[n] = false
	}

	for _, c := range slices.Backward(w.Changes) {
		for _, t := range c.Ties {
			if w.isOut[c.N] && !w.isOut[t] {
				w.isOut[c.N] = false
			}
		}
	}

	for n, f := range w.effects {
		if !w.isOut[n] && (f.Why == AblationIdle || f.Why == AblationHurts) {
			f.Why = AblationTakenBack
			w.effects[n] = f
		}
	}
}

func (w *ablationWalk) summarise() *AblationEnd {
	end := &AblationEnd{Of: w.Of, Scale: w.Scale, Kept: []AblationEffect{}, Dropped: []AblationEffect{}}
	for _, c := range w.Changes {
		if w.isOut[c.N] {
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
