package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Constants of certify; none is an option. Their source is simulation.
const (
	anchorEvery = 24 // screens after which the incumbent is run again
	lossAbove   = .95
	equalAbove  = .90
	signPairs   = 20 // that a confirmation without assumptions may take, at least
)

// Certify is the rule that proves every single edit. Deterministic metrics are
// decided by one run. Noisy ones are screened by one run, which steers and is
// never evidence, and then confirmed by fresh interleaved pairs B C, C B, … of
// incumbent and candidate, under an e-process with e-LOND over the campaign's
// confirmations.
//
// What it promises: in a night of edits that gain nothing, the chance of even
// one `improved` is at most 5 %, given the noise model of a pair. With min_gain
// m > 0 the null is "gain <= m"; simulated too, in nights of 100 edits that
// gain exactly m, under normal, one-sided heavy and drifting noise: see
// TestGainsOfMinGainStayUnproven. Without assumptions no noise model is needed,
// only that a pair of an edit without a gain (of one that gains m) is at most
// as likely to fall above it as below; at least eleven clean pairs are needed.
//
// An edit that is Shorter and can't be shown to be better may be shown to lose
// less than the smallest gain worth having: `equivalent` then means that. Its
// tests are a stream of their own, at most 5 % of which are wrong.
//
// regressed is an e-value of 20 for a loss, or a belief of P(loss) >= .95 as
// the test gives up; equivalent of an edit that is not shorter is a belief too,
// of P(no effect) >= .90 after two pairs or more.
//
// Limits: a guard of a deterministic metric is compared on the one run, whatever
// its noise; guards are weighed under the noise model with either assumptions;
// a shorter edit's test needs a noise that is small against min_gain.
type Certify struct {
	Metric      contract.Metric
	Guards      []contract.Guard
	Assumptions string // "" is model
	// Rope is the smallest gain worth having, on the scale; 0 derives it: min_gain
	// where there is one, else .3 % of the incumbent.
	Rope float64
	// Version is that of the states that a calibration begins.
	Version int
}

func newCertify(p contract.Program) Certify {
	return Certify{Metric: p.Metric, Guards: p.Guards, Assumptions: p.Assumptions, Version: CurrentVersion}
}

func (c Certify) baseRule() baseRule { return baseRule{c.Metric, c.Guards, c.Version} }

// preset is how patient a confirmation is.
type preset struct {
	drop  float64 // P(gain) below which an edit is given up
	pairs int     // at most
}

// choosePreset goes by the runs that each proposal can have: from 5 on cheap, from
// 2 on the middle one, else costly. Unknown proposals are unlimited ones. Where runs are
// short, a test may have more pairs than the preset says. Without assumptions it has at
// least as many as a proof with one lost pair needs.
func (c Certify) choosePreset(outlook Outlook) preset {
	p := preset{.30, 12}

	if outlook.Proposals >= 0 {
		share := float64(outlook.Left) / float64(max(outlook.Proposals, 1))

		switch {
		case share >= 5:
			p = preset{.07, 40}
		case share >= 2:
			p = preset{.15, 20}
		}
	}

	p.pairs = outlook.mostPairs(p.pairs)
	if outlook.runsOfExperiment() >= patientRuns {
		p.drop = .02
	}

	if c.Assumptions == contract.AssumeNone {
		p.pairs = max(p.pairs, signPairs)
	}

	return p
}

// Calibrate names the next run of the start version, or nil when obs is
// enough: two for a metric declared deterministic that are equal, three
// bit-equal ones where noise is auto, else eight after a discarded warm-up, and more
// where runs are short: every proof rests on the noise.
func (c Certify) Calibrate(obs []Observation) *RunRequest {
	return c.baseRule().Calibrate(obs, noiseRuns{least: fullCalibration})
}

// Calibrated learns the class, the scale, the noise and the level. Its error
// has the invalid run's reason as its sentence.
func (c Certify) Calibrated(obs []Observation) (RuleState, error) {
	counted, values, err := c.baseRule().countedRuns(obs)
	switch {
	case err != nil:
		return RuleState{}, err
	case len(values) == 0 || c.Calibrate(obs) != nil:
		return RuleState{}, unfinishedError(values)
	}

	return c.baseRule().newState(obs, counted, values, SearchCertify), nil
}

// Next judges, or asks for one more run.
func (c Certify) Next(st RuleState, outlook Outlook, obs []Observation) Step {
	if values := st.seenIncumbents(obs); values != nil {
		st = st.demote(values)
	}

	if judgement := c.baseRule().judgeInvalid(st, obs); judgement != nil {
		if st.NoiseKind == research.Noisy {
			c.newConfirmation(st, outlook, obs).noteBrokenTest(judgement)
		}

		return conclude(judgement, st, obs)
	}

	if st.NoiseKind == research.Deterministic {
		return c.baseRule().nextExact(st, obs)
	}

	want, verdict := c.newConfirmation(st, outlook, obs).nextRun()
	if want != nil {
		return Step{Run: want}
	}

	return conclude(verdict, st, obs)
}

// Close counts the tests and learns from the runs: paired residuals of the
// metric and of the guards, the incumbent's level, and how long ago it was run.
func (c Certify) Close(st RuleState, outlook Outlook, obs []Observation, judgement Judgement) RuleState {
	if values := st.seenIncumbents(obs); values != nil {
		st = st.demote(values)
	}

	if st.NoiseKind != research.Noisy {
		return st
	}

	t := c.newConfirmation(st, outlook, obs)
	st.Guards = c.baseRule().learnGuards(st, obs)
	level := t.level

	if t.anchored {
		st.Screens = 0
	}

	if t.opened {
		st.Tests++
	}

	if t.simpleOpened {
		st.SimpleTests++
	}

	switch {
	case t.opened || t.simpleOpened:
		st.Screens = 0
		for _, y := range t.incumbent {
			level = level.observe(y, 0, t.noise)
		}

		st = st.learnNoise(aroundMedian(t.differences()))

		if judgement.Verdict == research.Improved {
			st.Kept++
		}

		if judgement.Verdict == research.Equivalent && t.simple.isOpen() {
			st.SimpleKept++
		}
	case t.screened:
		// A dropped edit, most likely null, shows the incumbent's level for free.
		_, _, _, effect := t.belief.moments(t.minGain)
		level = level.observe(median(t.screens)-effect, t.noise.runVar(), t.noise)
		st.Screens++
	}

	st.Level, st.LevelVar = level.level, level.variance

	return st
}

const (
	insideShare  = .10 // of the prior of an estimate: effects within the rope, beside exactly none
	estimateFine = 4   // points in a standard error
	estimateWide = 5   // standard deviations of a pair around each difference
)

// estimate is the posterior mean of the effect, with its 90 % credible
// interval, given the screen and the pairs (Bayes under the noise model and
// the belief's prior). The prior is that of newBelief with its steps filled
// in: a fine grid around every difference that was seen, so that a large
// effect at low noise is not rounded to a step.
func (t *confirmation) estimate() (mean, lo, hi float64) {
	diffs := t.differences()
	points, step := t.finePoints(diffs)

	// Log posterior of every point; its largest keeps the exponentials in range.
	weights := make([]float64, len(points))
	top := math.Inf(-1)

	for i, effect := range points {
		weights[i] = t.logPrior(effect, step)
		for _, y := range t.screens {
			weights[i] += math.Log(t.screenNoise().density(y-t.level.level, effect))
		}

		for _, d := range diffs {
			weights[i] += math.Log(t.noise.density(d, effect))
		}

		if research.IsFinite(weights[i]) {
			top = max(top, weights[i])
		}
	}

	total := 0.0

	for i, logWeight := range weights {
		weights[i] = math.Exp(logWeight - top)
		if !research.IsFinite(weights[i]) {
			weights[i] = 0
		}

		total += weights[i]
	}

	if !(total > 0) || !research.IsFinite(total) {
		return medianInterval(diffs, t.noise.s)
	}

	below := 0.0 // P(effect below the present point)
	lo, hi = points[0], points[len(points)-1]

	for i, w := range weights {
		mean += points[i] * w / total
		if below < .05 {
			lo = points[i]
		}

		if below < .95 {
			hi = points[i]
		}

		below += w / total
	}

	return mean, min(lo, mean), max(hi, mean)
}

// finePoints are effects worth weighing, ascending, 0 among them, and the step
// between neighbours.
func (t *confirmation) finePoints(ds []float64) (points []float64, step float64) {
	step = t.noise.s / math.Sqrt(float64(len(ds))) / estimateFine
	half := math.Ceil(estimateWide * t.noise.s / step)
	from := math.Inf(-1)

	for _, d := range slices.Sorted(slices.Values(ds)) {
		for k := -half; k <= half; k++ {
			if x := d + k*step; x > from+step/2 {
				points, from = append(points, x), x
			}
		}
	}

	points = append(points, 0)
	slices.Sort(points)

	return points, step
}

// logPrior is the log of the prior weight of a step around x.
func (t *confirmation) logPrior(x, step float64) float64 {
	rope, top := t.belief.effects[2], t.belief.effects[2*gridSteps]
	side := (1 - priorNull) / 2

	switch size := math.Abs(x); {
	case x == 0:
		return math.Log(priorNull - insideShare)
	case size < rope:
		return math.Log(insideShare * step / (2 * rope))
	case size <= top:
		return math.Log(side * step / size / math.Log(top/rope))
	default:
		return math.Log(side / gridSteps * step / size / math.Log(farRatio))
	}
}
