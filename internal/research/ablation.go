package research

import (
	"math"
	"slices"
)

// An ablation leaves changes out of the head, one by one or in groups, and
// measures what that costs. What is not shown to pay is dropped:
//
//	suspects   changes that little is believed of, in groups that are halved until
//	           a group does not pay, which is dropped whole, or one change is left
//	the others alone, the smallest claim first
//	shorter    changes that made the files shorter: they stay unless they hurt
//	the end    the trimmed head against the untrimmed: if it lost, drops are taken back
//
// Every test is made on the head as it was trimmed until then, so that of two
// changes that do the same, one stays.

// Level of each test of an ablation (Ville 1939): the chance that what brings
// nothing is kept, and that a gain of Tellable or more is dropped. A group test
// repeats the second for each halving on the way to the change.
const (
	keptIdle    = .02
	droppedGain = .005
	lostGain    = .05 // of the end's two tests
	// separation is z(1-keptIdle) + z(1-droppedGain): a fixed number of pairs n
	// tells effects separation*s/sqrt(n) apart with those errors (Neyman & Pearson
	// 1933), which is what Tellable goes by.
	separation = 2.054 + 2.576
	// AblationPairs is the default cap on the pairs of one comparison: it makes
	// Tellable 1.9 standard deviations of a run.
	AblationPairs  = 12
	largestGroup   = 16  // a gain among many may be cancelled by their losses
	suspectBelow   = .75 // of Tellable: a smaller claim says little
	gainToKeep     = .98 // of the untrimmed head's
	fewResiduals   = 10  // the noise is not fitted to fewer
	mostTakingBack = 2   // halvings of the drops, before all are taken back
)

// AblationChange is a kept experiment as an ablation sees it.
type AblationChange struct {
	N       int     `json:"n"`
	Claim   float64 `json:"claim"` // what was believed of it, as a positive difference on the scale; 0 for nothing
	Shorter bool    `json:"shorter,omitempty"`
	// Ties are later changes that build on its lines: where it goes, they go.
	Ties []int `json:"ties,omitempty"`
}

// Ablation is what an ablation begins with, and the body of ablation.started.
// Everything it decides follows from this and the runs.
type Ablation struct {
	Of      string           `json:"of"`      // what is ablated: the incumbent's commit, and the contract
	Head    string           `json:"head"`    // commit
	Changes []AblationChange `json:"changes"` // that are in the head, oldest first
	Class   Noise            `json:"class"`
	Scale   string           `json:"scale"`
	Better  Direction        `json:"better"`
	// Residuals of the campaign's pairs, and S and Eps, the noise of a pair for as
	// long as there are too few of them; all on the scale.
	Residuals Floats  `json:"residuals,omitempty"`
	S         float64 `json:"s,omitempty"`
	Eps       float64 `json:"eps,omitempty"`
	// Least is the gain, on the scale, from which on a change is worth its lines:
	// half of min_gain, since what a change brings within others is often less.
	Least float64 `json:"least"`
	Pairs int     `json:"pairs"` // at most, of one comparison
}

// NewAblation is the ablation of a head with these changes by what is known of
// the noise in st. pairs 0 is AblationPairs.
func NewAblation(p Program, st RuleState, changes []AblationChange, pairs int) Ablation {
	a := Ablation{Changes: changes, Class: st.Class, Scale: st.Scale, Better: p.Metric.Better, Pairs: pairs}
	if a.Pairs == 0 {
		a.Pairs = AblationPairs
	}
	a.Least = NewAuto(p).referee().minGain(st) / 2
	if a.Class == Deterministic {
		a.Scale = linearScale // differences of exact values
		return a
	}
	a.Residuals, a.S, a.Eps = st.Residuals, st.S, max(st.Eps, outlierShare)
	if st.Auto != nil && len(st.Residuals) < fewResiduals {
		m := st.pairNoise(st.Auto.mixture())
		a.S, a.Eps = m.s, m.eps
	}
	return a
}

// ClaimOf is what was believed of a kept experiment, as a positive difference
// on the scale of the ablation; 0 for nothing, and for one that a person kept
// against its verdict.
func (a Ablation) ClaimOf(x *Experiment) float64 {
	j := x.Judgement
	switch {
	case j == nil || x.Overridden != "":
		return 0
	case a.Class == Deterministic:
		if j.Value == nil || j.Baseline == nil {
			return 0
		}
		r := ruler{a.Scale, a.Better}
		return max(0, r.y(*j.Baseline)-r.y(*j.Value))
	case j.Claim != nil:
		return max(0, j.Claim.Gain)
	case j.Gain != nil && j.Scale == a.Scale:
		return max(0, ruler{a.Scale, a.Better}.size(j.Gain.Mid))
	}
	return 0
}

// Tellable is the smallest gain, on the scale, that is kept practically always.
func (a Ablation) Tellable() float64 {
	if a.Class == Deterministic {
		return a.Least
	}
	return a.Least + separation*a.S/math.Sqrt(float64(a.Pairs))
}

// Ablated is what is known of one comparison.
type Ablated struct {
	Diffs []float64 // of pairs on the scale, without minus with: positive means that what was left out pays
	Unfit string    // why the version without can't be: it does not build, fails its check, breaks a guard
	Jobs  []JobID   // that the runs are of
}

// Comparison asks for pairs of the head without Besides, and the same without Out too.
type Comparison struct {
	Besides []int
	Out     []int
	Pairs   int // how many more
	Last    bool
}

// AblationEffect is what an ablation found of one change.
type AblationEffect struct {
	N     int       `json:"n"`
	Why   string    `json:"why"`             // one of the words below, or what is wrong with the head without it
	Gain  *Interval `json:"gain,omitempty"`  // that it brings to the trimmed head, with those of With; nil where nothing was measured
	With  []int     `json:"with,omitempty"`  // others that were left out in the same comparison
	Pairs int       `json:"pairs,omitempty"` // of it
	Jobs  []JobID   `json:"jobs,omitempty"`
}

// Why a change stays or goes.
const (
	AblationPays      = "pays"
	AblationIdle      = "no gain shown"
	AblationHurts     = "hurts"
	AblationShorter   = "shorter"    // it does not hurt, and made the files shorter
	AblationTakenBack = "taken back" // without it and others the head lost too much
)

// AblationEnd is what an ablation came to, and the body of ablation.finished.
type AblationEnd struct {
	Of      string           `json:"of"`
	Kept    []AblationEffect `json:"kept"`    // in the order of the changes
	Dropped []AblationEffect `json:"dropped"` // the same
	// Gain of the trimmed head over the untrimmed, nil when nothing was dropped.
	Gain   *Interval `json:"gain,omitempty"`
	Pairs  int       `json:"pairs,omitempty"` // of that comparison
	Jobs   []JobID   `json:"jobs,omitempty"`
	Scale  string    `json:"scale"`
	Commit string    `json:"commit,omitempty"` // the trimmed head
	Tree   string    `json:"tree,omitempty"`
}

// Out are the experiments that were dropped.
func (e AblationEnd) Out() []int { return numbers(e.Dropped) }

func numbers(effects []AblationEffect) []int {
	var ns []int
	for _, f := range effects {
		ns = append(ns, f.N)
	}
	return ns
}

// AblationStep is the next comparison, or the end. Exactly one is set.
type AblationStep struct {
	Compare *Comparison
	Done    *AblationEnd
}

// Next names the comparison that is needed next, or ends the ablation. seen is
// what was measured of a comparison so far; sets of experiments are sorted.
// The same runs always lead to the same steps.
func (a Ablation) Next(seen func(besides, out []int) Ablated) AblationStep {
	w := &ablating{Ablation: a, seen: seen, out: map[int]bool{}, found: map[int]AblationEffect{}, learnt: map[string]bool{}}
	suspects, others, shorter := a.sorted()
	for group := range slices.Chunk(suspects, largestGroup) {
		w.halve(group)
	}
	for _, n := range others {
		w.halve([]int{n})
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
		case c.Shorter:
			shorter = append(shorter, c.N)
		case a.Class != Deterministic && c.Claim < suspectBelow*a.Tellable() && len(c.Ties) == 0:
			suspects = append(suspects, c.N)
		default:
			others = append(others, c.N)
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

// ablating is one pass through the whole ablation, for as far as the runs reach.
type ablating struct {
	Ablation
	seen   func(besides, out []int) Ablated
	out    map[int]bool
	found  map[int]AblationEffect
	want   *Comparison     // what is missing: nothing is decided any more
	last   Ablated         // of the end
	learnt map[string]bool // comparisons whose pairs have told of the noise
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
		w.note(group, AblationShorter, e)
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
func (w *ablating) compare(group []int, sign float64) (verdict string, e Ablated, ok bool) {
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
	if w.Class == Deterministic || len(diffs) < 2 || w.learnt[k] {
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
func (w *ablating) drop(group []int, why string, e Ablated) {
	closed := w.closed(group)
	w.note(closed, why, e)
	for _, n := range closed {
		w.out[n] = true
	}
}

// note writes down what a comparison said of the group.
func (w *ablating) note(group []int, why string, e Ablated) {
	closed := w.closed(group)
	for _, n := range group {
		with := slices.DeleteFunc(slices.Clone(closed), func(m int) bool { return m == n })
		w.found[n] = AblationEffect{N: n, Why: why, Gain: w.interval(e.Diffs), With: with, Pairs: len(e.Diffs), Jobs: e.Jobs}
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
