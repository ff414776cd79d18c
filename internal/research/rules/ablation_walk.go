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
	w := &ablating{Ablation: a, seen: seen, out: map[int]bool{}, found: map[int]AblationEffect{},
		learnt: map[string]bool{}}

	suspects, others, shorter := a.sorted()
	for group := range slices.Chunk(suspects, largestGroup) {
		w.halve(group)
	}

	for _, n := range others {
		if a.isShorter(n) {
			w.spare([]int{n})
		} else {
			w.halve([]int{n})
		}
	}

	for group := range slices.Chunk(shorter, largestGroup) {
		w.spare(group)
	}
	w.settle()

	if w.want != nil {
		return AblationStep{Compare: w.want}
	}

	return AblationStep{Done: w.end()}
}

// sorted are the changes by how they are tested, in the order of the tests.
func (a Ablation) sorted() (suspects, others, shorter []int) {
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

// ablating is one pass through the whole ablation, for as far as the runs reach.
type ablating struct {
	Ablation
	seen   func(besides, out []int) ComparisonResult
	out    map[int]bool
	found  map[int]AblationEffect
	want   *Comparison      // what is missing: nothing is decided any more
	last   ComparisonResult // of the end
	learnt map[string]bool  // comparisons whose pairs have told of the noise
}

// halve drops a group that does not pay, and looks into one that does.
func (w *ablating) halve(group []int) {
	group = w.standing(group)
	if len(group) == 0 {
		return
	}

	verdict, e, ok := w.compare(group, 1)
	switch {
	case !ok:
	case verdict == AblationIdle:
		w.drop(group, AblationIdle, e)
	case len(group) == 1:
		w.note(group, verdict, e)
	default:
		w.halve(group[:(len(group)+1)/2])
		w.halve(group[(len(group)+1)/2:])
	}
}

// spare keeps a group that does not hurt, and looks into one that does.
func (w *ablating) spare(group []int) {
	group = w.standing(group)
	if len(group) == 0 {
		return
	}

	verdict, e, ok := w.compare(group, -1)
	switch {
	case !ok:
	case verdict == AblationIdle:
		why := AblationShorter
		if v, more := w.judge(e.Diffs, 1, 0); more == 0 && v == AblationPays {
			why = v
		}
		w.note(group, why, e)
	case verdict != AblationPays:
		w.note(group, verdict, e)
	case len(group) == 1:
		w.drop(group, AblationHurts, e)
	default:
		w.spare(group[:(len(group)+1)/2])
		w.spare(group[(len(group)+1)/2:])
	}
}

// standing is the group without what has been dropped; nothing once runs are missing.
func (w *ablating) standing(group []int) []int {
	if w.want != nil {
		return nil
	}

	return slices.DeleteFunc(slices.Clone(group), func(n int) bool { return w.out[n] })
}

// closed is a group with all that builds on it and still stands, sorted.
func (w *ablating) closed(group []int) []int {
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
		if in[c.N] && !w.out[c.N] {
			all = append(all, c.N)
		}
	}

	return all
}

func (w *ablating) dropped() []int {
	var all []int

	for _, c := range w.Changes {
		if w.out[c.N] {
			all = append(all, c.N)
		}
	}

	return all
}

// compare judges a group left out, with what builds on it; false when more
// pairs are needed for it. sign -1 asks whether it hurts.
func (w *ablating) compare(group []int, sign float64) (verdict string, e ComparisonResult, ok bool) {
	out := w.closed(group)
	if e = w.seen(w.dropped(), out); e.Unfit != "" {
		return e.Unfit, e, true
	}

	verdict, more := w.judge(e.Diffs, sign, w.claimOf(out))
	if more > 0 {
		w.want = &Comparison{Besides: w.dropped(), Out: out, Pairs: more}
		return "", e, false
	}
	w.learn(w.dropped(), out, e.Diffs)

	return verdict, e, true
}

// learn fits the noise again with the pairs of a comparison that is over: what
// a test reckons with is fixed before its first pair.
func (w *ablating) learn(besides, out []int, diffs []float64) {
	k := setKey(besides, out)
	if w.NoiseKind == research.Deterministic || len(diffs) < 2 || w.learnt[k] {
		return
	}
	w.learnt[k] = true

	w.Residuals = append(w.Residuals[:len(w.Residuals):len(w.Residuals)], aroundMedian(diffs)...)
	if len(w.Residuals) >= fewResiduals {
		m := fitNoise(w.Residuals, w.S/1e3)
		w.S, w.Eps = m.s, m.eps
	}
}

func (a Ablation) claimOf(group []int) float64 {
	sum := 0.0

	for _, c := range a.Changes {
		if slices.Contains(group, c.N) {
			sum += max(0, c.Claim)
		}
	}

	return sum
}

// drop leaves a group out from here on.
func (w *ablating) drop(group []int, why string, e ComparisonResult) {
	closed := w.closed(group)
	w.note(closed, why, e)

	for _, n := range closed {
		w.out[n] = true
	}
}

// note writes down what a comparison said of the group.
func (w *ablating) note(group []int, why string, e ComparisonResult) {
	closed := w.closed(group)
	for _, n := range group {
		with := slices.DeleteFunc(slices.Clone(closed), func(m int) bool { return m == n })
		w.found[n] = AblationEffect{N: n, Why: why, Gain: w.interval(e.Diffs), With: with, Pairs: len(e.Diffs),
			Jobs: e.Jobs}
	}
}

// settle compares the trimmed head with the untrimmed. Where that lost too
// much, the better half of the drops comes back, at last all of them.
func (w *ablating) settle() {
	for back := 0; w.want == nil && len(w.dropped()) > 0; back++ {
		gone := w.dropped()
		e := w.seen(nil, gone)

		lost, more := w.lost(e.Diffs)
		switch {
		case e.Unfit != "":
			lost = true
		case more > 0:
			w.want = &Comparison{Out: gone, Pairs: more, Last: true}
			return
		case !lost:
			w.last = e
			return
		}

		if back >= mostTakingBack || e.Unfit != "" {
			w.takeBack(gone)
			continue
		}
		order := slices.Clone(gone)
		slices.SortStableFunc(order, func(m, n int) int { return int(math.Copysign(1, w.measured(n)-w.measured(m))) })
		w.takeBack(order[:(len(order)+1)/2])
	}
}

// measured is what a dropped change seemed to bring, its share of a group's.
func (w *ablating) measured(n int) float64 {
	f := w.found[n]
	if f.Gain == nil {
		return 0
	}

	return f.Gain.Mid / float64(1+len(f.With))
}

// takeBack puts changes into the head again, and with each what it builds on.
func (w *ablating) takeBack(group []int) {
	for _, n := range group {
		w.out[n] = false
	}

	for _, c := range slices.Backward(w.Changes) {
		for _, t := range c.Ties {
			if w.out[c.N] && !w.out[t] {
				w.out[c.N] = false
			}
		}
	}

	for n, f := range w.found {
		if !w.out[n] && (f.Why == AblationIdle || f.Why == AblationHurts) {
			f.Why = AblationTakenBack
			w.found[n] = f
		}
	}
}

func (w *ablating) end() *AblationEnd {
	end := &AblationEnd{Of: w.Of, Scale: w.Scale, Kept: []AblationEffect{}, Dropped: []AblationEffect{}}
	for _, c := range w.Changes {
		if w.out[c.N] {
			end.Dropped = append(end.Dropped, w.found[c.N])
		} else {
			end.Kept = append(end.Kept, w.found[c.N])
		}
	}

	if len(end.Dropped) > 0 {
		end.Pairs, end.Jobs = len(w.last.Diffs), w.last.Jobs
		end.Gain = w.gain(w.last.Diffs, 1)
	}

	return end
}
