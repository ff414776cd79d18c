package rules

import (
	"fmt"
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
func (r referee) guardTests(st RuleState, obs []Observation, base, of Side) []*guardTest {
	var tests []*guardTest

	for _, g := range r.guards {
		start, known := st.Start[g.Name]
		if g.MaxGrowth == nil || !known {
			continue
		}
		s := st.Guards[g.Name].during(obs, g.Name, start)
		t := &guardTest{guard: g, start: start, exact: s.Exact}

		own := guardValues(side(obs, of), g.Name)
		switch {
		case len(own) == 0:
		case s.Exact || !s.measures(g.Allowed(start)):
			t.exact, t.now = true, median(own)
		default:
			t.weigh(s, s.paired(obs, g.Name, of))
		}

		if len(own) > 0 {
			tests = append(tests, t)
		}
	}

	return tests
}

// during is the guard's state in an experiment: one that was exact and is not
// any more takes its noise from the experiment's own repeats.
func (s GuardState) during(obs []Observation, name string, start float64) GuardState {
	if s.Scale == "" { // of a ledger that knows no state of guards
		s = GuardState{Scale: scaleOf([]float64{start}), Exact: true}
	}

	if repeats := s.repeats(obs, name); s.Exact && !allZero(repeats) {
		s.Exact = false
		return s.learn(repeats, s.y(start))
	}

	return s
}

// weigh folds in the pairs' differences.
func (t *guardTest) weigh(s GuardState, ds []float64) {
	room := s.y(t.guard.Allowed(t.start)) - s.y(t.start) - s.Mid
	doubt := z95 * math.Sqrt(s.Var)
	noise := noiseModel{s.S, s.Eps}
	t.within = guardEvidence(room-doubt, s.S, false)

	t.beyond = guardEvidence(room+doubt, s.S, true)
	for _, d := range ds {
		t.within.bet(d, noise)
		t.beyond.bet(d, noise)
	}
	mid, _ := noise.location(ds)
	t.now = ruler{s.Scale, research.Lower}.raw(s.y(t.start) + s.Mid + mid)
}

// guardEvidence bets half on no growth at all, where that is beyond the edge,
// and the rest on sizes from a quarter of the noise on.
func guardEvidence(edge, s float64, up bool) *evidence {
	effects, weights := []float64{0}, []float64{1}

	sign := -1.
	if up {
		sign = 1
	}

	for k := range 10 {
		effects = append(effects, edge+sign*s/4*math.Pow(2, float64(k)))
		weights = append(weights, .1)
	}
	v := newEvidence(effects, weights, edge, up, false)
	v.spread = 0

	return v
}

func (t *guardTest) holds() bool {
	if t.exact {
		return !t.guard.Exceeded(t.now, t.start)
	}

	return t.within.best >= proven
}

func (t *guardTest) isBroken() bool {
	if t.exact {
		return t.guard.Exceeded(t.now, t.start)
	}

	return t.beyond.best >= proven
}

func (t *guardTest) reason() string { return t.guard.TooMuch(t.now, t.start) }

// doubt says what is not proven of a guard that is not broken either.
func (t *guardTest) doubt() string {
	return fmt.Sprintf("the gain is proven, but not that guard %s, at about %s, stays below %s: it was %s at the campaign's start",
		t.guard.Name, wording.FormatValue(t.now, ""), wording.FormatValue(t.guard.Allowed(t.start), ""), wording.FormatValue(t.start, ""))
}

func firstGuard(tests []*guardTest, is func(*guardTest) bool) *guardTest {
	for _, t := range tests {
		if is(t) {
			return t
		}
	}

	return nil
}

// growth is what the pairs say that each guard has grown by, of over base.
func (r referee) growth(st RuleState, obs []Observation, base, of Side) map[string]Growth {
	var all map[string]Growth

	for name, s := range st.Guards {
		s = s.during(obs, name, st.Start[name])

		ds := s.paired(obs, name, of)
		if len(ds) == 0 {
			continue
		}

		if all == nil {
			all = map[string]Growth{}
		}
		mid, variance := noiseModel{s.S, s.Eps}.location(ds)
		all[name] = Growth{mid, variance}
	}

	return all
}

// location is the effect that differences of the model show, without any
// prior, and the variance of that: the mean weighted by the chance of not being
// an outlier, from the median on (expectation-maximisation, as fitNoise).
func (m noiseModel) location(ds []float64) (mid, variance float64) {
	if len(ds) == 0 {
		return 0, 0
	}

	mid = median(ds)
	if !(m.s > 0) {
		return mid, 0
	}
	clean := 1.0

	for range emRounds {
		sum := 0.0
		clean = 0

		for _, d := range ds {
			core := (1 - m.eps) * normalDensity(d-mid, m.s)
			p := core / m.density(d, mid)
			clean += p
			sum += p * d
		}

		if !(clean > .5) {
			return median(ds), m.s * m.s * 4
		}
		mid = sum / clean
	}

	return mid, m.s * m.s / clean
}

// grown is the state after an edit with these growths was kept (sign 1), or
// its keep undone (-1). In a chain nothing changes: its certificate measures the whole.
func (s RuleState) grown(by map[string]Growth, sign float64) RuleState {
	if len(by) == 0 || len(s.Guards) == 0 || s.Auto != nil && s.Auto.Chain > 0 {
		return s
	}
	states := map[string]GuardState{}

	for name, g := range s.Guards {
		if d, ok := by[name]; ok && research.Finite(d.Mid) && research.Finite(d.Var) {
			g.Mid += sign * d.Mid
			g.Var = max(0, g.Var+sign*d.Var)
		}
		states[name] = g
	}
	s.Guards = states

	return s
}

// guardsAfter is what is known of the guards after a fresh calibration: what
// they have grown by outlives it, and an exact one is exact for as long as every repeat agrees.
func guardsAfter(fresh, old map[string]GuardState) map[string]GuardState {
	if len(old) == 0 {
		return fresh
	}

	states := map[string]GuardState{}
	for name, g := range fresh {
		states[name] = g
	}

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
