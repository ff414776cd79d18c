package rules

import (
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// proven is the e-value that is proof outside e-LOND's streams: of a loss, and
// of what a guard has grown by (level .05 each).
const proven = 20

// evidence is an e-process (Ville 1939; Robbins 1970) against the null "the
// effect is not beyond edge", where beyond is below it, or above it when up is
// set. Pair by pair, in order:
//
//	E = sum_j b_j prod f(d; delta_j) / f(d; edge)   over effects beyond the edge
//
// with bets b fixed before the first pair, so that P(sup E >= 1/alpha) <= alpha
// under the null, given the noise model. With signs, no noise model is needed:
// E is the product of 1.9 for a difference beyond the edge, .1 for one that is
// not and 1 for a tie, of mean at most 1 when a pair is at most as likely to
// fall beyond the edge as not.
type evidence struct {
	edge  float64
	up    bool
	signs bool
	// effects and their bets; beyond the edge only.
	effects, bets []float64
	spread        float64 // of an effect, as a share of it
	n             int
	e             float64 // now
	best          float64 // the largest since the second pair: one pair may be one event
	wins, losses  int
}

const (
	winFactor  = 1.9 // for a pair won; a lost one has 2 - 1.9
	lossFactor = .1
)

// newEvidence bets .8 of the whole by the weights of the effects beyond the
// edge, and .2 evenly over them.
func newEvidence(effects, weights []float64, edge float64, up, signs bool) *evidence {
	v := &evidence{edge: edge, up: up, signs: signs, spread: gridSpread, e: 1}
	total := 0.0

	for j, x := range effects {
		if v.isBeyond(x) && math.Abs(x-edge) > 1e-9*math.Abs(edge) {
			v.effects, v.bets = append(v.effects, x), append(v.bets, weights[j])
			total += weights[j]
		}
	}

	for j := range v.bets {
		even := 1 / float64(len(v.bets))
		if total > 0 {
			v.bets[j] = betShare*v.bets[j]/total + (1-betShare)*even
		} else {
			v.bets[j] = even
		}
	}

	return v
}

func (v *evidence) isBeyond(d float64) bool {
	if v.up {
		return d > v.edge
	}

	return d < v.edge
}

// bet folds in one pair's difference. One that no density can weigh says nothing.
func (v *evidence) bet(d float64, m noiseModel) {
	v.n++
	switch {
	case v.isBeyond(d):
		v.wins++
	case d != v.edge:
		v.losses++
	}

	if v.signs {
		v.e = math.Pow(winFactor, float64(v.wins)) * math.Pow(lossFactor, float64(v.losses))
	} else if null := m.density(d, v.edge); null > 0 && research.IsFinite(null) {
		e := 0.0

		for j, x := range v.effects {
			v.bets[j] = min(v.bets[j]*m.densityAround(d, x, v.spread*x)/null, math.MaxFloat64/1e3)
			e += v.bets[j]
		}
		v.e = min(e, math.MaxFloat64)
	}

	if v.n >= leastPairs {
		v.best = max(v.best, v.e)
	}
}

// Evidence is an e-value, and the run after which it stood there.
type Evidence struct {
	Run int     `json:"run"`
	E   float64 `json:"e"`
}

// EvidencePath is how the e-value of the experiment that j judged came about, pair
// by pair: recomputed from its runs, in order, by the rule of p from the state st
// in which it began. nil where the verdict rests on no e-value, and where the
// path does not end at the recorded one, as after a rebase or from another state.
func EvidencePath(program contract.Program, st RuleState, judgement Judgement, runs []Run) []Evidence {
	rule := newCertify(program)
	if program.Search != SearchCertify || st.NoiseKind != research.Noisy || judgement.E <= 0 ||
		judgement.Pairs == 0 {
		return nil
	}

	st = st.countLostTests(judgement.Outlook)

	var obs []Observation
	var gain, simple []Evidence
	var last *confirmation

	for _, run := range runs {
		if run.Void {
			continue
		}

		obs = append(obs, NewObservation(run, program.Metric))
		last = rule.newConfirmation(st, judgement.Outlook, st.resolve(obs))

		gain = appendEvidence(gain, last.gain.weaker(), run.Number)
		if last.simpleOpened {
			simple = appendEvidence(simple, last.simple.weaker(), run.Number)
		}
	}

	if last == nil {
		return nil
	}

	path, end := gain, last.gain.weaker()
	if last.simpleOpened {
		path, end = simple, last.simple.weaker()
	}

	if end == nil || !NearlyEqual(end.e, judgement.E) && !NearlyEqual(end.best, judgement.E) {
		return nil
	}

	return path
}

// appendEvidence adds what v is now, unless it is there already.
func appendEvidence(path []Evidence, v *evidence, run int) []Evidence {
	if v == nil || v.n == 0 || len(path) > 0 && path[len(path)-1].E == v.e {
		return path
	}

	return append(path, Evidence{run, v.e})
}
