package rules

import (
	"math"

	"ratchet/internal/research"
)

const (
	maxLooks  = 24  // runs of one experiment, of the candidate and of the head
	worthless = .90 // P(|effect| < rope) from which two looks say equivalent
	// A shorter edit is equivalent when P(effect > rope) is below simplerLoss
	// after two looks or more; it gets simplerLooks at most for that alone.
	simplerLoss  = .05
	simplerLooks = 4
)

// Next names the experiment's next run (the candidate, or the head again to
// know its level), or judges it. obs holds its runs in order. `provisional`
// means that the expected gain is worth adopting the edit; nothing is proven
// by it. Deterministic metrics are judged by one run.
func (a Auto) Next(st RuleState, o Outlook, obs []Observation) Step {
	if j := a.baseRule().judgeInvalid(st, obs); j != nil {
		return conclude(j, st, obs)
	}

	if st.NoiseKind == research.Deterministic {
		return a.baseRule().judgeExact(st, obs)
	}

	if len(st.candidateHeights(obs)) == 0 {
		return Step{Run: &RunRequest{Side: Candidate, Role: research.Screen}}
	}
	m := st.openBelief(obs)
	left, _ := a.spareRuns(st, o)
	by := ""
	worth, candidate := m.moments().bestLook()

	simpler := o.Shorter && a.canBeSimpler(st, m, obs)
	switch {
	case simpler && worth <= a.lookPrice(st, o, m.prior) && len(obs) < left:
		return Step{Run: &RunRequest{Side: Candidate, Role: research.Screen}}
	case worth <= a.lookPrice(st, o, m.prior):
		by = "price"
	case len(obs) >= maxLooks:
		by = "looks"
	case len(obs) >= left:
		by = "budget"
	case candidate:
		return Step{Run: &RunRequest{Side: Candidate, Role: research.Screen}}
	default:
		return Step{Run: &RunRequest{Side: Incumbent, Role: research.Anchor}}
	}

	return conclude(a.judgeBelief(st, o, m, obs, by), st, obs)
}

// canBeSimpler says whether another look may still show that a shorter edit
// loses nothing that matters: not yet believed, not hopeless, four looks at most.
func (a Auto) canBeSimpler(st RuleState, m *mixture, obs []Observation) bool {
	_, loss, _ := m.effectChances(st.Auto.Rope)
	looks := len(st.candidateHeights(obs))

	return m.moments().effect >= -a.keepBar(st) && loss < .5 && looks < simplerLooks &&
		(looks < 2 || loss >= simplerLoss)
}

// openBelief is the belief with the experiment open and its usable runs seen.
func (st RuleState) openBelief(obs []Observation) *mixture {
	m := st.Auto.mixture()

	level, far := m.levelMean(), false
	for _, y := range st.candidateHeights(obs) {
		far = far || math.Abs(y-level) > farRun*st.Auto.Top
	}
	m.openProposal(far)

	for _, o := range obs {
		if y, ok := st.height(o); ok {
			m.observe(y, o.Side == Candidate)
		}
	}

	return m
}

// height is a run's place on the scale, false when it has none.
func (st RuleState) height(o Observation) (float64, bool) {
	if !o.Valid || !st.fitsScale([]float64{o.Value}) {
		return 0, false
	}

	return st.MetricScale().Height(o.Value), true
}

// bestLook is the expected net gain per run of looking k more times at the
// proposal, or at the head, before deciding: the knowledge gradient (Frazier,
// Powell & Dayanik 2008; over several looks as in Frazier & Powell 2010) of
// the moment-matched belief. In units of the scale, per run.
func (o moments) bestLook() (best float64, candidate bool) {
	for _, k := range [...]float64{1, 2, 4, 8} {
		own := o.lookValue(o.cov+o.varEffect, o.varLevel+2*o.cov+o.varEffect, k)
		if own > best {
			best, candidate = own, true
		}

		if head := o.lookValue(o.cov, o.varLevel, k); head > best {
			best, candidate = head, false
		}
	}

	return best, candidate
}

// lookValue is t (phi(z) - z Phi(-z)) / k with z = |effect|/t, where t is the
// standard deviation that k looks would move the effect's mean by: cov is the
// effect's covariance with what a look shows, v the variance of that.
func (o moments) lookValue(cov, v, k float64) float64 {
	t := math.Abs(cov) / math.Sqrt(v+o.runVar/k)
	if !(t > 0) {
		return 0
	}
	z := math.Abs(o.effect) / t

	return t * (normalDensity(z, 1) - z*normalCDF(-z)) / k
}

// judgeBelief words what the belief says as the looks end.
func (a Auto) judgeBelief(st RuleState, look Outlook, m *mixture, obs []Observation, by string) *Judgement {
	o := m.moments()
	candidates := st.candidateHeights(obs)
	gain, loss, within := m.effectChances(st.Auto.Rope)
	r := st.MetricScale()
	half := z95 * math.Sqrt(o.varEffect)
	value, base := r.value(median(candidates)), r.value(o.level)
	sd := math.Sqrt(o.runVar)

	j := &Judgement{
		Verdict: research.Inconclusive, StoppedBy: by, Scale: st.Scale, Value: &value, Baseline: &base,
		Gain:       r.interval(o.effect, o.effect-half, o.effect+half),
		Noise:      r.Gain(-sd),
		Detectable: r.Gain(-2 * sd / math.Sqrt(float64(len(candidates)))),
		Claim:      &Claim{-o.effect, o.varEffect},
	}
	switch {
	case o.effect < -a.keepBar(st):
		j.Verdict = research.Provisional
	case loss >= lossAbove && gain < loss:
		j.Verdict = research.Regressed
	case len(candidates) >= 2 && (look.Shorter && loss < simplerLoss || !look.Shorter && within >= worthless):
		j.Verdict = research.Equivalent
	}

	if j.Verdict == research.Provisional || j.Verdict == research.Equivalent {
		a.baseRule().checkGrowth(st, obs, j)
	}

	return j
}

func (st RuleState) candidateHeights(obs []Observation) []float64 {
	var ys []float64

	for _, o := range obs {
		if y, ok := st.height(o); ok && o.Side == Candidate {
			ys = append(ys, y)
		}
	}

	return ys
}

// Close folds a judged experiment into the state, when the verdict falls, as
// an edit that was dropped; IfKept has what keeping it changes (see Moved). An
// invalid experiment teaches nothing and spends no share of the prior.
func (a Auto) Close(st RuleState, o Outlook, obs []Observation, j Judgement) RuleState {
	if st.NoiseKind != research.Noisy {
		return st
	}
	auto := *st.Auto
	auto.IfKept = nil

	if j.Verdict != research.Invalid && len(st.candidateHeights(obs)) > 0 {
		_, late := a.spareRuns(st, o)
		m := st.openBelief(obs)
		auto.Price = a.nextPrice(st, o, m.prior, len(obs))
		auto.Late = auto.Late || late
		auto.IfKept = m.closeProposal()
		auto.IfKept.N = j.N
		auto.Belief = m.AutoBelief
		st = st.learnNoise(st.repeatDiffs(obs))
	}
	st.Auto = &auto
	st.Guards = a.baseRule().learnGuards(st, obs)

	return st
}

// repeatDiffs are the differences of consecutive runs of the candidate: they tell
// the noise of a pair, whatever the edit does.
func (st RuleState) repeatDiffs(obs []Observation) []float64 {
	var ds []float64
	prev, have := 0.0, false

	for _, o := range obs {
		y, ok := st.height(o)

		ok = ok && o.Side == Candidate
		if ok && have {
			ds = append(ds, y-prev)
		}
		prev, have = y, ok
	}

	return ds
}
