package rules

import (
	"math"

	"ratchet/internal/research"
)

const (
	worthless = .90 // P(|effect| < rope) from which two looks say equivalent
	// A shorter edit is equivalent when P(effect > rope) is below simplerLoss
	// after two looks or more; it gets simplerLooks at most for that alone.
	simplerLoss  = .05
	simplerLooks = 4
	largeEffect  = 3.0 // standard deviations of a run: a larger gain is believed once the head was run beside it
	quietRun     = 20. // ropes: a standard deviation of a run below it is quiet
	besideRuns   = 2.  // for each proposal: with fewer, none is spent on the head beside a keep
	keepSD       = .11 // of the effect's standard deviation, that an expected gain must exceed
	driftSD      = .4  // of the drift's standard deviation per run, that it must exceed
	plentyRuns   = 12. // runs for each proposal still expected, from which on keeps are settled
	settleShare  = 1.5 // of these runs, that an edit gets at most to be settled
	driftShare   = .30 // of the rope, that the drift asks for at most
)

// Next names the experiment's next run (the candidate, or the head again to
// know its level), or judges it. obs holds its runs in order. `provisional`
// means that the expected gain is worth adopting the edit; nothing is proven
// by it. Deterministic metrics are judged by one run.
func (a Auto) Next(st RuleState, outlook Outlook, obs []Observation) Step {
	if values := st.seenIncumbents(obs); values != nil {
		st = a.demote(st, values)
	}

	if j := a.baseRule().judgeInvalid(st, obs); j != nil {
		return conclude(j, st, obs)
	}

	if st.NoiseKind == research.Deterministic {
		return a.baseRule().nextExact(st, obs)
	}

	if len(st.candidateHeights(obs)) == 0 {
		return lookAt(Candidate)
	}

	belief := st.openBelief(obs)
	now := belief.moments()
	left, _ := a.spareRuns(st, outlook)
	share := runsPerProposal(left, outlook)
	worth, side := now.bestLook()
	tooDear := worth <= lookPrice(st, share, belief.prior)
	canRun := len(obs) < left

	stoppedBy := ""
	switch {
	case tooDear && canRun && share >= besideRuns && a.mustLookAtHead(st, now, obs):
		return lookAt(Incumbent)
	case tooDear && canRun && outlook.Shorter && a.canBeSimpler(st, belief, now, obs):
		return lookAt(Candidate)
	case tooDear && canRun && a.canSettle(st, belief, now, share, outlook, obs):
		return lookAt(side)
	case tooDear:
		stoppedBy = "price"
	case len(obs) >= outlook.mostLooks():
		stoppedBy = "looks"
	case !canRun:
		stoppedBy = "budget"
	default:
		return lookAt(side)
	}

	judgement := a.judgeBelief(st, outlook, belief, now, obs, stoppedBy)
	if more := a.confirm(st, now.effect, obs, judgement, canRun && share >= besideRuns); more != nil {
		return *more
	}

	return conclude(judgement, st, obs)
}

// lookAt asks for a run of the candidate, or of the head beside it.
func lookAt(side Side) Step {
	role := research.Screen
	if side == Incumbent {
		role = research.Anchor
	}

	return Step{Run: &RunRequest{Side: side, Role: role}}
}

// canSettle says whether an edit that would be kept on trial gets another look because its
// interval still holds 0, and the campaign has the runs: not more than settleShare of what
// each proposal still expected can have.
func (a Auto) canSettle(
	st RuleState, belief *mixture, now moments, share float64, outlook Outlook, obs []Observation,
) bool {
	if st.Version == FirstVersion || share < plentyRuns || len(obs) >= outlook.mostLooks() ||
		float64(len(obs)) >= settleShare*share || !a.isWorthKeeping(st, now) {
		return false
	}
	lo, hi := belief.statedInterval(now, st.Version)

	return lo < 0 && hi > 0
}

// canBeSimpler says whether another look may still show that a shorter edit
// loses nothing that matters: not yet believed, not hopeless, four looks at most.
func (a Auto) canBeSimpler(st RuleState, belief *mixture, now moments, obs []Observation) bool {
	_, loss, _ := belief.effectChances(st.Auto.Rope)
	looks := len(st.candidateHeights(obs))

	if a.isWorthKeeping(st, now) {
		return false // it is adopted for its gain
	}

	return loss < .5 && looks < simplerLooks && (looks < 2 || loss >= simplerLoss)
}

// mustLookAtHead says whether the head is to be run beside the candidate before an edit is
// kept: for a gain that is large against the noise, since the level may have jumped, and
// where runs are so quiet that one tells much, since a trend passes for a gain.
func (a Auto) mustLookAtHead(st RuleState, now moments, obs []Observation) bool {
	if st.Version == FirstVersion || len(st.heightsOf(obs, Incumbent)) > 0 {
		return false
	}

	runSD := math.Sqrt(now.runVar)

	return a.isWorthKeeping(st, now) && (runSD < quietRun*st.Auto.Rope || now.effect < -largeEffect*runSD)
}

// isWorthKeeping says whether the expected gain is enough to adopt the edit: above the bar
// and, from the second version on, above a share of its own standard deviation and, where
// the machine drifts, of the drift of one run: a trend, such as a warm-up, passes for a gain.
func (a Auto) isWorthKeeping(st RuleState, now moments) bool {
	bar := a.keepBar(st)
	if st.Version > FirstVersion {
		bar = max(bar, min(driftShare*st.Auto.Rope, driftSD*math.Sqrt(now.driftVar)))
		bar = max(bar, keepSD*math.Sqrt(now.varEffect))
	}

	return now.effect < -bar
}

// openBelief is the belief with the experiment open and its usable runs observed.
func (st RuleState) openBelief(obs []Observation) *mixture {
	belief := st.Auto.mixture()
	level, far := belief.levelMean(), false

	for _, y := range st.candidateHeights(obs) {
		far = far || math.Abs(y-level) > farRun*st.Auto.Top
	}

	belief.openProposal(far)

	for _, o := range obs {
		if y, ok := st.height(o); ok {
			belief.observe(y, o.Side == Candidate)
		}
	}

	return belief
}

// height is a run's place on the scale, false when it has none.
func (st RuleState) height(observation Observation) (float64, bool) {
	if !observation.Valid || !st.fitsScale([]float64{observation.Value}) {
		return 0, false
	}

	return st.MetricScale().Height(observation.Value), true
}

// bestLook is the expected net gain per run of looking k more times at the
// proposal, or at the head, before deciding: the knowledge gradient (Frazier,
// Powell & Dayanik 2008; over several looks as in Frazier & Powell 2010) of
// the moment-matched belief. In units of the scale, per run.
func (o moments) bestLook() (best float64, side Side) {
	side = Incumbent

	for _, k := range [...]float64{1, 2, 4, 8} {
		own := o.lookValue(o.cov+o.varEffect, o.varLevel+2*o.cov+o.varEffect, k)
		if own > best {
			best, side = own, Candidate
		}

		if head := o.lookValue(o.cov, o.varLevel, k); head > best {
			best, side = head, Incumbent
		}
	}

	return best, side
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

// judgeBelief is the judgement that the belief gives as the looks end.
func (a Auto) judgeBelief(
	st RuleState, outlook Outlook, belief *mixture, now moments, obs []Observation, stoppedBy string,
) *Judgement {
	gain, loss, within := belief.effectChances(st.Auto.Rope)
	candidates := st.candidateHeights(obs)

	scale := st.MetricScale()
	value, base := scale.value(median(candidates)), scale.value(now.level)
	lo, hi := belief.statedInterval(now, st.Version)
	runSD := math.Sqrt(now.runVar)

	judgement := &Judgement{
		Verdict: research.Inconclusive, StoppedBy: stoppedBy, Scale: st.Scale, Value: &value, Baseline: &base,
		Gain:       scale.interval(now.effect, lo, hi),
		Noise:      scale.Gain(-runSD),
		Detectable: scale.Gain(-2 * runSD / math.Sqrt(float64(len(candidates)))),
		Claim:      &Claim{-now.effect, now.varEffect},
	}

	// A shorter edit need not be shown to change nothing, only not to lose.
	equivalent := within >= worthless
	if outlook.Shorter {
		equivalent = loss < simplerLoss
	}

	switch {
	case a.isWorthKeeping(st, now):
		judgement.Verdict = research.Provisional
	case loss >= lossAbove && gain < loss && canCallLoss(st, obs):
		judgement.Verdict = research.Regressed
	case len(candidates) >= 2 && equivalent:
		judgement.Verdict = research.Equivalent
	}

	if judgement.Verdict == research.Provisional || judgement.Verdict == research.Equivalent {
		a.baseRule().checkGrowth(st, obs, judgement)
	}

	if st.Version > FirstVersion && len(obs) < 2 {
		judgement.Gain = nil // one look claims nothing
	}

	return judgement
}

// canCallLoss says whether enough was seen to call an edit worse: from the second version
// on two looks at it and one at the incumbent beside it, whose medians say the same.
func canCallLoss(st RuleState, obs []Observation) bool {
	if st.Version == FirstVersion {
		return true
	}
	candidates, incumbents := st.candidateHeights(obs), st.heightsOf(obs, Incumbent)

	return len(candidates) >= 2 && len(incumbents) >= 1 && median(candidates) > median(incumbents)
}

// candidateHeights are the candidate's usable runs, on the scale.
func (st RuleState) candidateHeights(obs []Observation) []float64 {
	return st.heightsOf(obs, Candidate)
}

// heightsOf are that side's usable runs, on the scale.
func (st RuleState) heightsOf(obs []Observation, side Side) []float64 {
	var heights []float64

	for _, o := range obs {
		if y, ok := st.height(o); ok && o.Side == side {
			heights = append(heights, y)
		}
	}

	return heights
}

// Close folds a judged experiment into the state, when the verdict falls, as
// an edit that was dropped; IfKept has what keeping it changes (see AfterKeep). An
// invalid experiment teaches nothing and spends no share of the prior.
func (a Auto) Close(st RuleState, outlook Outlook, obs []Observation, judgement Judgement) RuleState {
	if values := st.seenIncumbents(obs); values != nil {
		st = a.demote(st, values)
	}

	if st.NoiseKind != research.Noisy {
		return st
	}

	auto := *st.Auto
	auto.IfKept = nil

	if judgement.Verdict != research.Invalid && len(st.candidateHeights(obs)) > 0 {
		left, late := a.spareRuns(st, outlook)
		belief := st.openBelief(obs)

		auto.Price = nextPrice(st, runsPerProposal(left, outlook), belief.prior, len(obs))
		auto.Late = auto.Late || late
		auto.IfKept = belief.closeProposal()
		auto.IfKept.N = judgement.N
		auto.Belief = belief.AutoBelief

		st = st.learnNoise(st.repeatDiffs(obs))
	}

	st.Auto = &auto
	st.Guards = a.baseRule().learnGuards(st, obs)

	return st
}

// repeatDiffs are the differences of consecutive runs of the candidate: they tell
// the noise of a pair, whatever the edit does.
func (st RuleState) repeatDiffs(obs []Observation) []float64 {
	var diffs []float64
	previous, hasPrevious := 0.0, false

	for _, o := range obs {
		y, ok := st.height(o)
		ok = ok && o.Side == Candidate

		if ok && hasPrevious {
			diffs = append(diffs, y-previous)
		}

		previous, hasPrevious = y, ok
	}

	return diffs
}

const (
	priceRate  = 3.0  // a run's price, in units of the campaign's gain per run
	priceStep  = .15  // how fast the price follows the pace
	priceFloor = 1e-6 // of the rope
	priceIdle  = 1e-3 // of the rope, where runs are in plenty
)

// lookPrice is what the value of one more look must exceed, in units of the
// scale: at most what a fresh proposal would earn with the run, 3 (gained +
// 20 v0) / (runs + 20) with v0 the expected gain of a fresh proposal. Where
// every proposal still expected may have as many looks as one can, a run costs
// next to nothing; share is how many that are.
func lookPrice(st RuleState, share float64, prior effectPrior) float64 {
	if share >= sparingLooks {
		return priceIdle * st.Auto.Rope
	}

	fresh := priceRate * (st.Auto.Gained + autoPseudo*prior.gain) / (float64(st.Auto.Belief.Runs) + autoPseudo)
	if st.Auto.Price > 0 {
		return math.Min(st.Auto.Price, fresh)
	}

	return fresh
}

// nextPrice is the price after a proposal that took looks runs: dearer when
// it took more than its share, the runs left for each proposal, cheaper when less, so
// that exactly the budget is spent where proposals are scarce.
func nextPrice(st RuleState, share float64, prior effectPrior, looks int) float64 {
	step := max(-5, min(5, float64(looks)-share))

	return max(lookPrice(st, share, prior)*math.Exp(priceStep*step), priceFloor*st.Auto.Rope)
}

// runsPerProposal is how many of the runs left each proposal still expected can have, 0
// when their number is not known.
func runsPerProposal(left int, outlook Outlook) float64 {
	if outlook.Proposals <= 0 {
		return 0
	}

	return float64(left) / float64(outlook.Proposals)
}
