package rules

import (
	"fmt"
	"maps"
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// guardTest is what the pairs say of one guard's growth over the campaign's
// start: a non-inferiority test from the pairs that were run anyway (E >= 20
// against the null "growth >= max_growth"). Nothing is corrected for several
// guards, since all of them must pass (an intersection-union test, Berger
// 1982). What the version compared with had grown by is taken at its upper 95 %
// bound, and at its lower one where the null is "growth <= max_growth".
type guardTest struct {
	guard  contract.Guard
	start  float64
	now    float64 // the candidate's value, by the estimate of its growth
	exact  bool
	within *evidence // against "it has grown by max_growth or more"
	beyond *evidence // against "it has grown by max_growth or less"
}

// guardTests weighs every guard with max_growth that is known at the start;
// of is the side that may have grown, over base.
func (r baseRule) guardTests(st RuleState, obs []Observation, base, of Side) []*guardTest {
	var tests []*guardTest

	for _, guard := range r.guards {
		start, known := st.Start[guard.Name]
		if guard.MaxGrowth == nil || !known {
			continue
		}
		s := st.Guards[guard.Name].stateDuring(obs, guard.Name, start)
		t := &guardTest{guard: guard, start: start, exact: s.Exact}

		own := guardValues(runsOfSide(obs, of), guard.Name)
		switch {
		case len(own) == 0:
		case s.Exact || !s.fitsScale(guard.LargestAllowed(start)):
			t.exact, t.now = true, median(own)
		default:
			t.weighPairs(s, s.pairedDiffs(obs, guard.Name, of))
		}

		if len(own) > 0 {
			tests = append(tests, t)
		}
	}

	return tests
}

// stateDuring is the guard's state in an experiment: one that was exact and is not
// any more takes its noise from the experiment's own repeats.
func (s GuardState) stateDuring(obs []Observation, name string, start float64) GuardState {
	if s.Scale == "" { // of a ledger that knows no state of guards
		s = GuardState{Scale: scaleOf([]float64{start}), Exact: true}
	}

	if repeats := s.repeatDiffs(obs, name); s.Exact && !allZero(repeats) {
		s.Exact = false
		return s.learnNoise(repeats, s.height(start))
	}

	return s
}

// weighPairs folds in the pairs' differences.
func (t *guardTest) weighPairs(guard GuardState, diffs []float64) {
	room := guard.height(t.guard.LargestAllowed(t.start)) - guard.height(t.start) - guard.Mid
	doubt := z95 * math.Sqrt(guard.Var)
	noise := noiseModel{s: guard.S, eps: guard.Eps}

	t.within = newGuardEvidence(room-doubt, guard.S, false)
	t.beyond = newGuardEvidence(room+doubt, guard.S, true)

	for _, d := range diffs {
		t.within.bet(d, noise)
		t.beyond.bet(d, noise)
	}

	mid, _ := noise.estimateLocation(diffs)
	t.now = newScale(guard.Scale, research.Lower).value(guard.height(t.start) + guard.Mid + mid)
}

// newGuardEvidence bets half on no growth at all, where that is beyond the edge,
// and the rest on sizes from a quarter of the noise on.
func newGuardEvidence(edge, s float64, up bool) *evidence {
	sign := -1.
	if up {
		sign = 1
	}

	effects, weights := []float64{0}, []float64{1}
	for k := range 10 {
		effects = append(effects, edge+sign*s/4*math.Pow(2, float64(k)))
		weights = append(weights, .1)
	}

	v := newEvidence(effects, weights, edge, up, false)
	v.spread = 0

	return v
}

// isProven says whether the guard is proven to stay within max_growth.
func (t *guardTest) isProven() bool {
	if t.exact {
		return !t.guard.IsExceeded(t.now, t.start)
	}

	return t.within.best >= proven
}

// isOpen says whether the guard is not proven to hold, which is not to be broken.
func (t *guardTest) isOpen() bool { return !t.isProven() }

// isBroken says whether the guard is proven to have grown by more than max_growth.
func (t *guardTest) isBroken() bool {
	if t.exact {
		return t.guard.IsExceeded(t.now, t.start)
	}

	return t.beyond.best >= proven
}

func (t *guardTest) excessText() string { return t.guard.DescribeExcess(t.now, t.start) }

// doubtText says what is not proven of a guard that is not broken either.
func (t *guardTest) doubtText() string {
	return fmt.Sprintf("the gain is proven, but not that guard %s, at about %s, stays below %s: it was %s at the campaign's start",
		t.guard.Name, wording.FormatValue(t.now, ""), wording.FormatValue(t.guard.LargestAllowed(t.start), ""),
		wording.FormatValue(t.start, ""))
}

func findGuard(tests []*guardTest, is func(*guardTest) bool) *guardTest {
	for _, t := range tests {
		if is(t) {
			return t
		}
	}

	return nil
}

// measureGrowth is what the pairs say that each guard has grown by, of over base.
func (r baseRule) measureGrowth(st RuleState, obs []Observation, base, of Side) map[string]Growth {
	var all map[string]Growth

	for name, guard := range st.Guards {
		guard = guard.stateDuring(obs, name, st.Start[name])

		ds := guard.pairedDiffs(obs, name, of)
		if len(ds) == 0 {
			continue
		}

		if all == nil {
			all = map[string]Growth{}
		}
		mid, variance := noiseModel{s: guard.S, eps: guard.Eps}.estimateLocation(ds)
		all[name] = Growth{mid, variance}
	}

	return all
}

// estimateLocation is the effect that differences of the model show, without any
// prior, and the variance of that: the mean weighted by the chance of not being
// an outlier, from the median on (expectation-maximisation, as fitNoise).
func (m noiseModel) estimateLocation(diffs []float64) (mid, variance float64) {
	if len(diffs) == 0 {
		return 0, 0
	}

	mid = median(diffs)
	if !(m.s > 0) {
		return mid, 0
	}

	clean := 1.0

	for range emRounds {
		sum := 0.0
		clean = 0

		for _, d := range diffs {
			core := (1 - m.eps) * normalDensity(d-mid, m.s)
			p := core / m.density(d, mid)
			clean += p
			sum += p * d
		}

		if !(clean > .5) {
			return median(diffs), m.s * m.s * 4
		}

		mid = sum / clean
	}

	return mid, m.s * m.s / clean
}

// addGrowth is the state after an edit with these growths was kept (sign 1), or
// its keep undone (-1). In a chain nothing changes: its certificate measures the whole.
func (s RuleState) addGrowth(by map[string]Growth, sign float64) RuleState {
	if len(by) == 0 || len(s.Guards) == 0 || s.Auto != nil && s.Auto.Chain > 0 {
		return s
	}
	states := map[string]GuardState{}

	for name, guard := range s.Guards {
		if d, ok := by[name]; ok && research.IsFinite(d.Mid) && research.IsFinite(d.Var) {
			guard.Mid += sign * d.Mid
			guard.Var = max(0, guard.Var+sign*d.Var)
		}
		states[name] = guard
	}
	s.Guards = states

	return s
}

// continueGuards is what is known of the guards after a fresh calibration. Their
// growth stays, and an exact one stays exact while every repeat agrees.
func continueGuards(fresh, old map[string]GuardState) map[string]GuardState {
	if len(old) == 0 {
		return fresh
	}

	states := map[string]GuardState{}
	maps.Copy(states, fresh)

	for name, was := range old {
		now, known := fresh[name]
		if !known || now.Scale != was.Scale || now.Exact && !was.Exact {
			now = was
		}

		now.Growth = was.Growth
		states[name] = now
	}

	return states
}
