package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

// Checkpoint is the side of the last certified head, or the campaign's start.
const Checkpoint Side = "checkpoint"

// Outcome is the server's judgement of a chain.
type Outcome string

// The outcomes.
const (
	Certified  Outcome = "certified"   // the head is proven better: it is the checkpoint now
	RolledBack Outcome = "rolled_back" // it is not: the checkpoint is the head again
)

const (
	leastPairs   = 2   // of any proof: one pair, however strong, may be one event
	hopeless     = .10 // P(gain) below which a certificate is given up
	betShare     = .8  // of the bets around the claim; the rest is even in log
	betSpread    = .5  // sd of the bets around the claim, in log
	claimSpread  = 1.0 // the same of the estimate's belief: wider, so that the claim does not leak into it
	lossShare    = .05 // of the mirrored losses, and of no gain, in the estimate's belief
	maxFailedRun = 3   // invalid runs that end a certificate
)

// Certificate is the judgement of a chain of adopted edits against the checkpoint.
type Certificate struct {
	Outcome   Outcome `json:"outcome"`
	StoppedBy string  `json:"stopped_by"`       // threshold | futility | cap | budget | guard | unequal | invalid
	Reason    string  `json:"reason,omitempty"` // for guard: which one, and why
	Edits     int     `json:"edits"`            // of the chain
	// Gain of the head over the checkpoint, with its 90 % credible interval: a
	// share (log scale) or an amount (linear); nil without a complete pair.
	Gain  *research.Interval `json:"gain,omitempty"`
	Scale string             `json:"scale"`
	Claim float64            `json:"claim"` // what was believed before, as a gain
	// Baseline and Value are the medians of both versions' runs, in the metric's unit; nil
	// without a complete pair, and in older records.
	Baseline *float64 `json:"baseline,omitempty"`
	Value    *float64 `json:"value,omitempty"`
	Pairs    int      `json:"pairs"`
	// Unequal is how many pairs were made besides that do not count, see Run.Unequal.
	Unequal int     `json:"unequal_pairs,omitempty"`
	E       float64 `json:"e"`
	Need    float64 `json:"need"` // 1/alpha_t
	Test    int     `json:"test"` // t of the campaign's certificates
	Runs    int     `json:"runs"`
}

// CertificateStep is the answer about a certificate: one more run, or the
// judgement. Exactly one is set.
type CertificateStep struct {
	Run  *RunRequest
	Done *Certificate
}

// NextPair names the certificate's next run, or judges it: fresh interleaved
// pairs of checkpoint (B) and head (C, side incumbent) as B C, C B, …, which
// cancels steady drift over two. obs holds the certificate's runs in order. An
// invalid run is asked for again; the third ends the certificate as rolled back.
func (a Auto) NextPair(st RuleState, outlook Outlook, obs []Observation) CertificateStep {
	if repeat := st.NextRepeat(obs); repeat != nil {
		return CertificateStep{Run: repeat}
	}

	st = st.countLostTests(outlook)
	most := outlook.MostCertificatePairs()
	pairs, failed := st.sortPairs(ResolveRepeats(obs), most)

	if reason := findBrokenGuard(obs); reason != "" {
		_, test := weighPairs(st, pairs)
		certificate := newCertificateOf(st, test, RolledBack, "guard", len(obs))
		certificate.Reason = reason

		return CertificateStep{Done: certificate}
	}

	// A pair that was begun is completed first.
	if n := len(pairs); failed < maxFailedRun && n > 0 && !pairs[n-1].isComplete() {
		return CertificateStep{Run: checkpointHalf(n, pairs[n-1])}
	}

	all, test := weighPairs(st, pairs)

	stoppedBy, outcome, reason := "", RolledBack, ""
	broken, open := a.certificateGuards(st, obs)
	passed := min(all.best, test.best) >= math.Exp(test.need) && areEnough(all.n, test.n)

	switch {
	case failed >= maxFailedRun:
		stoppedBy = "invalid"
	case !a.CanCertify(st):
		stoppedBy = "futility"
	case all.n > 0 && broken != "":
		stoppedBy, reason = "guard", broken
	case passed && open == "" && !(test.isVague(st.Version) && outlook.Left-len(obs) >= 2):
		stoppedBy, outcome = "threshold", Certified
	case isTooUnequal(all.n, test.n, most):
		stoppedBy = "unequal"
	case test.n > 0 && !passed && test.gain < hopeless:
		stoppedBy = "futility"
	case all.n < most && outlook.Left-len(obs) >= 2:
		return CertificateStep{Run: checkpointHalf(len(pairs)+1, runPair{})}
	case passed && open == "":
		stoppedBy, outcome = "threshold", Certified
	case passed:
		stoppedBy, reason = "guard", open
	case all.n >= most:
		stoppedBy = "cap"
	default:
		stoppedBy = "budget"
	}

	certificate := newCertificateOf(st, test, outcome, stoppedBy, len(obs))
	certificate.Reason, certificate.Unequal = reason, all.n-test.n

	if outcome == RolledBack && reason == "" {
		certificate.Reason = unequalWords(certificate.Unequal, all.n)
	}
	certificate.E = min(certificate.E, all.decisiveEvidence())

	return CertificateStep{Done: certificate}
}

// findBrokenGuard is the guard's bound that a run of the head broke, "" for none. One run
// is enough, as in an experiment.
func findBrokenGuard(obs []Observation) string {
	for _, observation := range obs {
		if observation.BrokenGuard != "" {
			return observation.BrokenGuard
		}
	}

	return ""
}

// certificateGuards says which guard is proven to be broken by the head, and
// which one is not yet proven to hold; "" where none.
func (a Auto) certificateGuards(st RuleState, obs []Observation) (broken, open string) {
	guards := a.baseRule().guardTests(st, ResolveRepeats(obs), Checkpoint, Incumbent)
	if g := findGuard(guards, (*guardTest).isBroken); g != nil {
		broken = g.excessText()
	}

	if g := findGuard(guards, (*guardTest).isOpen); g != nil {
		open = g.doubtText()
	}

	return broken, open
}

func (p runPair) isComplete() bool { return p.b != nil && p.c != nil }

// checkpointHalf is the missing run of pair n: odd pairs run the checkpoint first.
func checkpointHalf(n int, p runPair) *RunRequest {
	request := &RunRequest{Side: Checkpoint, Role: research.Confirm, Pair: n, Order: "BC"}
	if n%2 == 0 {
		request.Side, request.Order = Incumbent, "CB"
	}

	switch {
	case p.b != nil:
		request.Side = Incumbent
	case p.c != nil:
		request.Side = Checkpoint
	}

	return request
}

// sortPairs sorts the runs into at most so many pairs, on the scale, and counts those without a
// place there.
func (st RuleState) sortPairs(obs []Observation, most int) (pairs []runPair, failed int) {
	for _, observation := range obs {
		y, ok := st.height(observation)
		if !ok || observation.Pair < 1 || observation.Pair > most {
			failed++
			continue
		}

		for len(pairs) < observation.Pair {
			pairs = append(pairs, runPair{})
		}

		if p := &pairs[observation.Pair-1]; observation.Side == Incumbent {
			p.c = &y
		} else {
			p.b = &y
		}

		pair := &pairs[observation.Pair-1]
		pair.unequal = pair.unequal || observation.Unequal
	}

	return pairs, failed
}

// weighPairs weighs the complete pairs: all of them, and those that count. Both tests
// must pass. Without unequal pairs they are one and the same.
func weighPairs(st RuleState, pairs []runPair) (all, counted *certificateTest) {
	all = st.newCertificateTest()
	counted = all

	if slices.ContainsFunc(pairs, func(p runPair) bool { return p.isComplete() && p.unequal }) {
		counted = st.newCertificateTest()
	}

	for _, p := range pairs {
		if !p.isComplete() {
			continue
		}

		all.bet(*p.c - *p.b)
		if counted != all && !p.unequal {
			counted.bet(*p.c - *p.b)
		}
	}

	return all, counted
}

// certificateTest is a certificate's evidence so far. What it bets with was
// fixed before the first pair, so that the bets are predictable.
type certificateTest struct {
	noises   []noiseTest // what the noise of a pair may be
	null     float64     // the effect -m of the null's edge
	effects  []float64   // lower is better
	need     float64     // log(1/alpha_t)
	n        int
	evidence float64 // the e-process
	best     float64 // the largest since the second pair: one pair, however strong, may be one event
	gain     float64 // P(effect < null)
}

// noiseTest is the evidence under one noise of a pair.
type noiseTest struct {
	noise   noiseModel
	weight  float64   // in the evidence; the weights sum to 1
	logNull float64   // log density of the pairs under the null's edge
	bets    []float64 // by effect; only effects below null have any
	belief  []float64 // by effect, for futility and the estimate
}

// possibleNoises are what the noise of a pair may be. The first version takes the fitted one
// for the true one. From the second on it may be twice as wide, and a machine that seems
// to have two speeds may have one: the runs that the fit rests on may have met a quieter
// machine than the pairs do. What the pairs themselves show decides between them.
func possibleNoises(st RuleState) []noiseTest {
	fitted := st.pairNoise(st.Auto.mixture())
	if st.Version == FirstVersion {
		return []noiseTest{{noise: fitted, weight: 1}}
	}

	plain := noiseModel{s: max(fitNoise(st.Residuals, st.rope(0)/100).s, fitted.s), eps: fitted.eps}
	wide := fitted
	wide.s *= 2

	return []noiseTest{{noise: fitted, weight: fittedShare}, {noise: wide, weight: (1 - fittedShare) / 2},
		{noise: plain, weight: (1 - fittedShare) / 2}}
}

// fittedShare is the share of the fitted noise among those that a pair's may be.
const fittedShare = .8

// newCertificateTest lays out gains from min(rope, claim/4) to 4 max(claim, rope)
// in steps of min(24 %, .6 s) but at least 1/400 of the larger: with a coarser or
// shorter grid a big chain would look like an outlier. Bets are log-normal
// around the claim and even in log; the estimate's belief is log-normal and
// wider, with mirrored losses.
func (st RuleState) newCertificateTest() *certificateTest {
	noises := possibleNoises(st)
	test := &certificateTest{null: -st.Auto.MinEffect, need: st.logNeed(), evidence: 1}
	rope := st.Auto.Rope
	claim := max(st.Auto.Claim, rope*1e-3)

	var around, even, belief []float64

	for size := min(rope, claim/4); size < 4*max(claim, rope); {
		step := max(min(.24*size, .6*noises[0].noise.s), max(claim, rope)/400)
		z := math.Log(size / claim)
		test.effects = append(test.effects, -size)

		bettable := 0.0
		if -size < test.null {
			bettable = step / size
		}

		around = append(around, bettable*math.Exp(-z*z/(2*betSpread*betSpread)))
		even = append(even, bettable)
		belief = append(belief, step/size*math.Exp(-z*z/(2*claimSpread*claimSpread)))
		size += step
	}

	normalise(around)
	normalise(even)
	normalise(belief)

	var bets []float64
	near := betsNearClaim(st, test.effects, around, claim)

	for j := range around {
		bets = append(bets, betShare*(around[j]+near[j])/2+(1-betShare)*even[j])
		test.effects = append(test.effects, -test.effects[j])
		belief = append(belief, lossShare*belief[j])
	}

	test.effects, belief = append(test.effects, 0), append(belief, lossShare)

	for k := range noises {
		noises[k].bets, noises[k].belief = slices.Clone(bets), slices.Clone(belief)
		for j := range noises[k].belief {
			noises[k].belief[j] *= noises[k].weight
		}
	}
	test.noises = noises

	return test
}

// isVague says that a gain is proven and its size not yet known: from the second version
// on some more pairs are made then, so that what is told is worth knowing.
func (t *certificateTest) isVague(version int) bool {
	if version == FirstVersion || t.n >= mostVaguePairs {
		return false
	}
	mid, lo, hi := t.estimate()

	return hi-lo > vagueShare*math.Abs(mid)
}

const (
	mostVaguePairs = 12 // pairs from which a certificate's size is left vague
	vagueShare     = .5 // of a gain, that its interval may be wide
)

// betsNearClaim are bets as near the claim as the belief is sure of it; from the second
// version on half of the bets around the claim are laid so.
func betsNearClaim(st RuleState, effects, around []float64, claim float64) []float64 {
	if st.Version == FirstVersion {
		return around
	}
	near := slices.Clone(around)
	sure := max(leastSpread, min(betSpread, 2*math.Sqrt(st.Auto.ClaimVar)/claim))

	for j := range near {
		z := math.Log(-effects[j] / claim)
		near[j] *= math.Exp(z*z/(2*betSpread*betSpread) - z*z/(2*sure*sure))
	}
	normalise(near)

	return near
}

// leastSpread is the least spread of the bets near the claim, in log.
const leastSpread = .05

// decisiveEvidence is the evidence that counts: what passed, else what there is now.
func (t *certificateTest) decisiveEvidence() float64 {
	if t.best >= math.Exp(t.need) {
		return t.best
	}

	return t.evidence
}

// normalise makes weights sum to 1; without any they stay as they are.
func normalise(weights []float64) {
	sum := 0.0
	for _, x := range weights {
		sum += x
	}

	if !(sum > 0) {
		return
	}

	for i := range weights {
		weights[i] /= sum
	}
}

// bet folds in one pair's difference d, head minus checkpoint: a mixture of
// likelihood ratios against the edge of the null, E = sum_j b_j prod f(d;
// delta_j)/f(d; -m), an e-process (Ville 1939; Robbins 1970), so that
// P(sup E >= 1/alpha) <= alpha under the null. Where several noises are possible, gain and
// null are each averaged over them by their weights (a mixture, Robbins 1970): the promise
// then holds on the average of the noises, and under any one of them up to its weight. A
// difference that no density can weigh says nothing.
func (t *certificateTest) bet(d float64) {
	t.n++

	for k := range t.noises {
		null := t.noises[k].noise.density(d, t.null)
		if !(null > 0) || !research.IsFinite(null) {
			return
		}
	}

	bestNull, evidence, gain, total := math.Inf(-1), 0.0, 0.0, 0.0

	for k := range t.noises {
		under := &t.noises[k]
		null := under.noise.density(d, t.null)
		under.logNull += math.Log(null)
		bestNull = max(bestNull, under.logNull)

		for j, effect := range t.effects {
			density := under.noise.density(d, effect)

			under.belief[j] *= density
			total += under.belief[j]
			if effect < t.null {
				gain += under.belief[j]
			}

			// Only the gains, which come first, have bets.
			if j < len(under.bets) {
				under.bets[j] *= density / null
			}
		}
	}

	nulls := 0.0

	for k := range t.noises {
		under := &t.noises[k]
		share := under.weight * math.Exp(under.logNull-bestNull)
		nulls += share

		for _, bet := range under.bets {
			evidence += share * bet
		}

		for j := range under.belief {
			under.belief[j] /= total
		}
	}

	evidence /= nulls
	t.evidence, t.gain = evidence, gain/total
	if t.n >= leastPairs {
		t.best = max(t.best, evidence)
	}
}

// estimate is the posterior mean of the effect with its 90 % credible interval.
func (t *certificateTest) estimate() (mean, lo, hi float64) {
	order := make([]int, len(t.effects))
	belief := make([]float64, len(t.effects)) // whatever the noise is

	for j := range order {
		order[j] = j
		for _, under := range t.noises {
			belief[j] += under.belief[j]
		}
		mean += belief[j] * t.effects[j]
	}

	slices.SortFunc(order, func(i, j int) int {
		if t.effects[i] < t.effects[j] {
			return -1
		}

		return 1
	})

	below := 0.0 // P(effect at most the present one)
	lo, hi = math.NaN(), math.NaN()

	for _, j := range order {
		below += belief[j]

		if math.IsNaN(lo) && below >= .05 {
			lo = t.effects[j]
		}

		if math.IsNaN(hi) && below >= .95*(1-1e-12) {
			hi = t.effects[j]
		}
	}

	return mean, min(lo, mean), max(hi, mean)
}

func newCertificateOf(st RuleState, test *certificateTest, outcome Outcome, by string, runs int) *Certificate {
	r := st.MetricScale()

	c := &Certificate{
		Outcome: outcome, StoppedBy: by, Edits: st.Auto.Chain, Scale: st.Scale, Claim: r.Gain(-st.Auto.Claim),
		Pairs: test.n, E: min(test.decisiveEvidence(), math.MaxFloat64), Need: math.Exp(test.need), Test: st.Tests + 1,
		Runs: runs,
	}
	if test.n > 0 {
		c.Gain = r.interval(test.estimate())
	}

	return c
}

// CloseCertificate folds a certificate into the state: the test is counted,
// the pairs tell the noise, and the side that is the head from here on tells
// its level. Rolled back, the claim is given back. o is the Outlook it began with.
func (a Auto) CloseCertificate(st RuleState, o Outlook, obs []Observation, c Certificate) RuleState {
	st = st.countLostTests(o)
	_, late := a.spareRuns(st, o)
	settled := ResolveRepeats(obs)
	pairs, _ := st.sortPairs(settled, o.MostCertificatePairs())
	belief := st.Auto.mixture()

	if c.Outcome == Certified {
		st.Kept++
	} else {
		belief.shiftLevel(st.Auto.Claim, st.Auto.ClaimVar)
	}

	var diffs []float64
	for _, p := range pairs {
		if !p.isComplete() || p.unequal {
			continue
		}

		diffs = append(diffs, *p.c-*p.b)
		if c.Outcome == Certified {
			belief.observe(*p.c, false)
		} else {
			belief.observe(*p.b, false)
		}
	}

	if len(obs) > 0 {
		st.Tests++
	}

	if len(diffs) >= 2 {
		st = st.learnNoise(aroundMedian(diffs))
	}

	growth := a.baseRule().measureGrowth(st, settled, Checkpoint, Incumbent)
	st.Guards = a.baseRule().learnGuards(st, settled)

	auto := *st.Auto
	auto.Belief, auto.Late, auto.IfKept = belief.AutoBelief, auto.Late || late, nil
	auto.Claim, auto.ClaimVar, auto.Chain = 0, 0, 0
	st.Auto = &auto

	// Only now: addGrowth changes nothing while a chain is open.
	if c.Outcome == Certified {
		st = st.addGrowth(growth, 1)
	}

	return st
}
