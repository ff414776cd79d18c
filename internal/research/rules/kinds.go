package rules

import (
	"fmt"
	"math"
	"strconv"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// This file knows what kind of number a metric is: how it is compared, how fine it is,
// how noisy it has to be, and how many equal runs say that it has no noise.
//
// States of the first version know nothing of this: their fields are zero.

const (
	smallCount = 20 // a whole number that was below it is a count
	// Of a number that is a whole multiple of 1/n, no matter how it is written.
	mostItems  = 1000
	mostShare  = 100 // up to which value that is looked for
	exactDigit = 9   // significant digits that a rounded number has at most
)

// chooseScale is the scale that the program names, or the one that its calibration's
// values fit: a share where runs say of how many items; a count where all are whole and
// one is small; by ratio where all are positive; else by difference.
func (r baseRule) chooseScale(counted []Observation, values []float64) string {
	switch {
	case r.version == FirstVersion:
	case r.metric.Scale != "":
		return r.metric.Scale
	case r.metric.MeasuresUsage():
	case len(counted) > 0 && counted[0].Of > 0:
		return research.ShareScale
	case areCounts(values):
		return research.CountScale
	}

	return scaleOf(values)
}

// areCounts says whether all values are whole and not negative, and one is small.
func areCounts(values []float64) bool {
	smallest := math.Inf(1)
	for _, v := range values {
		if v < 0 || v != math.Trunc(v) {
			return false
		}
		smallest = min(smallest, v)
	}

	return smallest < smallCount
}

// learnNumber is the state with what a calibration's runs show of the number itself.
func (r baseRule) learnNumber(st RuleState, counted []Observation) RuleState {
	if r.version == FirstVersion {
		return st
	}

	full := r.fullShare(counted)
	st.Step = finestStep(counted, full)

	if st.Of = counted[0].Of; st.Of > 0 {
		st.Full = full
	}

	if st.Step < 1e-6*math.Abs(st.Incumbent) { // too fine to matter
		st.Step = 0
	}

	if st.Scale == LogScale && !r.metric.MeasuresUsage() && mayBeZero(counted) {
		st.Zero = st.Step / 2
	}

	st.ItemVar = itemVariance(counted)

	return st
}

// fullShare is the value of a share of all items: 100 where it is in percent, else 1.
func (r baseRule) fullShare(counted []Observation) float64 {
	for _, observation := range counted {
		if observation.Value > 1 || r.metric.Unit == "%" {
			return 100
		}
	}

	return 1
}

// finestStep is the smallest step between values that the observations show.
func finestStep(obs []Observation, full float64) float64 {
	step := math.Inf(1)
	for _, observation := range obs {
		step = min(step, stepOf(observation, full))
	}

	return step
}

// stepOf is the step that a run's value is known to: one item of a share, else one in
// the last place of the number as it is written shortest, or a small fraction.
func stepOf(observation Observation, full float64) float64 {
	if observation.Of > 0 && !observation.hasPartialItems() {
		return full / float64(observation.Of)
	}

	v := math.Abs(observation.Value)
	if v == math.Trunc(v) && observation.Of == 0 {
		return 1
	}

	text := strconv.FormatFloat(v, 'e', -1, 64)
	mantissa, exponent := text[:len(text)-len("e+00")], text[len(text)-len("+00"):]
	if text[len(text)-4] != 'e' { // an exponent of three digits
		return v * 1e-15
	}

	digits := max(1, len(mantissa)-1)
	power, _ := strconv.Atoi(exponent)
	step := math.Pow(10, float64(power-digits+1))

	if digits <= exactDigit || v > mostShare {
		return step
	}

	for n := 2.; n <= mostItems; n++ {
		if math.Abs(v*n-math.Round(v*n)) < 1e-9 {
			return 1 / n
		}
	}

	return step
}

// hasPartialItems says whether an item's outcome is known to be between 0 and 1.
func (o Observation) hasPartialItems() bool {
	for _, outcome := range o.Items {
		if outcome != 0 && outcome != 1 {
			return true
		}
	}

	return false
}

// mayBeZero says whether the values are of a kind that can be 0 without a fault: whole
// numbers, or shares of one in few digits.
func mayBeZero(obs []Observation) bool {
	for _, observation := range obs {
		v := observation.Value
		isWhole := v == math.Trunc(v)
		isShare := v <= 1 && stepOf(observation, 1) >= 1e-4

		if v < 0 || !isWhole && !isShare {
			return false
		}
	}

	return true
}

// itemVariance is the variance of one run's share by what its items did from run to
// run; 0 where the items of two runs are not known. Half an item more
// than was seen is taken to change: few runs can't show that nothing ever does.
func itemVariance(obs []Observation) float64 {
	squares, comparisons, n := .5, 0., 0

	for i := 1; i < len(obs); i++ {
		before, now := obs[i-1].Items, obs[i].Items
		if len(now) == 0 || len(now) != len(before) || n != 0 && n != len(now) {
			return 0
		}

		n = len(now)
		comparisons++

		for item := range now {
			d := now[item] - before[item]
			squares += d * d
		}
	}

	if comparisons == 0 {
		return 0
	}

	return squares / comparisons / 2 / float64(n*n)
}

// countingVariance is the variance of a run that the kind of number has by itself: what
// the items of a share did, or that of a binomial, or of a Poisson for a count. Half an
// item is added, so that a level at the edge is not taken for one without noise. 0 for
// other numbers, and for a share whose number of items is not known.
func countingVariance(s RuleState) float64 {
	switch {
	case s.Scale == research.CountScale:
		return max(s.Incumbent, 0) + .5
	case s.Scale != research.ShareScale || s.Of == 0:
		return 0
	case s.ItemVar > 0:
		return s.ItemVar
	}

	sd := s.ShareError(s.Of)

	return sd * sd
}

// ShareError is the standard deviation, in the metric's unit, that a share of that many
// items has by the choice of the items alone (binomial); 0 where the metric is not a share.
func (s RuleState) ShareError(items int) float64 {
	if s.Of == 0 || items == 0 {
		return 0
	}

	return s.Full * shareError(s.Incumbent/s.Full, s.Of, items)
}

// shareError is the standard deviation of a share of items, by what one of n items shows.
// Half an item is added on either side, so that the edges are not without error.
func shareError(share float64, n, items int) float64 {
	p := (min(max(share, 0), 1)*float64(n) + .5) / float64(n+1)
	return math.Sqrt(p * (1 - p) / float64(items))
}

const (
	fewItemsError = .02 // of a share that is called one of few items
	moreItems     = 8   // times as many are advised
)

// AdviseItems says how much a share of few items tells, "" for one of many and for any
// other number.
func AdviseItems(metric contract.Metric, observation Observation) string {
	n := observation.Of
	if n == 0 {
		return ""
	}

	full := baseRule{metric: metric}.fullShare([]Observation{observation})
	share := observation.Value / full

	now := shareError(share, n, n)
	if now < fewItemsError {
		return ""
	}

	more := moreItems * n
	points := func(share float64) string { return wording.FormatDigits(100*share, 2) }

	return fmt.Sprintf("%.0f/%d: by the choice of the items one run tells ±%s points (a standard error); "+
		"%d items tell ±%s", share*float64(n), n, points(now), more, points(shareError(share, n, more)))
}

// leastPairNoise is the smallest standard deviation of a paired difference that is
// believed in, on the scale, by its residuals so far:
//
//   - a hundredth of the smallest gain worth having;
//   - of a number with steps: the next residual may be a step with a chance of
//     1/(n+2) where n were none (Laplace's rule of succession);
//   - that of the counting itself, unless the residuals are too small for it.
func leastPairNoise(s RuleState, residuals []float64) float64 {
	least := s.rope(0) / 100
	if s.Version == FirstVersion {
		return least
	}

	step := s.Step
	if s.Scale == LogScale {
		step /= math.Abs(s.Incumbent)
	}

	if research.IsFinite(step) {
		least = max(least, step/math.Sqrt(float64(len(residuals)+2)))
	}

	if pair := 2 * countingVariance(s); pair > 0 && fitsVariance(residuals, pair) {
		least = max(least, math.Sqrt(pair))
	}

	return least
}

// fitsVariance says whether differences of that variance are as small as these in more
// than one of a hundred cases. The degrees of freedom are those of successive
// differences, whose squares have the variance (3n-1)/n^2 around one (von Neumann 1941).
func fitsVariance(diffs []float64, variance float64) bool {
	n := float64(len(diffs))
	if n == 0 {
		return true
	}

	squares := 0.0
	for _, d := range diffs {
		squares += d * d / variance
	}

	freedom := 2 * n * n / (3*n - 1)

	return chiSquareBelow(squares*freedom/n, freedom) > .01
}

// chiSquareBelow is P(a chi-square of that many degrees of freedom < x): the series of
// the incomplete gamma function (Abramowitz & Stegun 6.5.29). Above the mean it is
// not needed exactly, and is .5.
func chiSquareBelow(x, freedom float64) float64 {
	a, half := freedom/2, x/2
	if half >= a {
		return .5
	}

	term := 1 / a
	sum := term

	for k := 1.; term > 1e-12*sum; k++ {
		term *= half / (a + k)
		sum += term
	}

	logGamma, _ := math.Lgamma(a)

	return sum * math.Exp(a*math.Log(half)-half-logGamma)
}

const (
	// Evidence that a number has no noise: had it any, as many equal runs would come about
	// in one calibration of a hundred.
	luckyCalibration = .01
	// The noise that a number with many digits would have at least, as a share of it.
	leastNoise = .001
	// How often a number of few steps may be the same although it has noise. Ten runs are
	// then equal in .6^10 = .6 % of calibrations. By the rule of three ten equal runs
	// also bound the share of other values to 26 % (95 %); what is left is why a gain is
	// run twice before it counts, see nextExact.
	commonValue = .6
	coarseRuns  = 10
	leastEqual  = trialCalibration + 1 // runs, with the warm-up
)

// equalRunsNeeded is how many equal runs, the warm-up included, are evidence that the
// number has no noise. Normal noise of sd s rounds two runs to the same step with a
// chance of about step/(2 sqrt(pi) s): 48,213 bytes that vary by a thousandth come out
// equal once in 170 pairs, a score of 7 more often than not.
func equalRunsNeeded(obs []Observation, full float64) int {
	value := math.Abs(obs[0].Value)
	chance := finestStep(obs, full) / (2 * math.Sqrt(math.Pi) * leastNoise * value)

	if !(chance < commonValue) { // also where the value is 0
		return coarseRuns
	}

	return max(leastEqual, 1+int(math.Ceil(math.Log(luckyCalibration)/math.Log(chance))))
}

// equalRuns counts the valid runs, the warm-up included, and says whether all of them
// gave the same, item by item where items are known.
func equalRuns(obs []Observation) (n int, equal bool) {
	for i, observation := range obs {
		if observation.Value != obs[0].Value {
			return i, false
		}

		for item, outcome := range observation.Items {
			if len(observation.Items) == len(obs[0].Items) && outcome != obs[0].Items[item] {
				return i, false
			}
		}
	}

	return len(obs), true
}

// infersNoise says whether the calibration finds out if the metric is deterministic, by
// equalRunsNeeded.
func (r baseRule) infersNoise() bool {
	isDeclared := r.metric.Noise == research.Deterministic || r.metric.Noise == research.Noisy
	return r.version != FirstVersion && !isDeclared
}

// mayBeExact says whether more runs may still show that the metric is deterministic.
func (r baseRule) mayBeExact(obs []Observation) bool {
	if len(obs) == 0 || !r.infersNoise() {
		return false
	}

	n, equal := equalRuns(obs)
	spent := 0.0

	for _, observation := range obs {
		spent += observation.Wall
	}

	return equal && n < equalRunsNeeded(obs, r.fullShare(obs)) && spent < mostEqualSeconds
}

// mostEqualSeconds is the run time after which no more equal runs are asked for: a
// number that is equal so far then counts as noisy.
const mostEqualSeconds = 600

// isExactAuto says whether the runs, the warm-up included, are evidence that a metric
// whose noise was left to auto is deterministic.
func (r baseRule) isExactAuto(obs []Observation) bool {
	n, equal := equalRuns(obs)

	return equal && n > 0 && n >= equalRunsNeeded(obs, r.fullShare(obs))
}

// requireScale refuses a value that the program's scale has no place for.
func requireScale(metric contract.Metric, value float64) error {
	if metric.Scale != LogScale || value > 0 {
		return nil
	}

	return research.Errorf(research.CodeProgram, "set metric.scale: linear, or count or share, and start again",
		"metric.scale is log, by which only positive values are compared, and %s is %v", metric.Name, value)
}
