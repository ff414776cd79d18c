package rules

import (
	"fmt"
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

const (
	quickCalibration = 2 // equal runs that confirm a declared deterministic metric
	trialCalibration = 3 // bit-equal runs that let auto infer one
)

// baseRule is what both forms of the rule share: the calibration, the judgement
// of a deterministic metric by one run, and of runs that nothing can compare.
type baseRule struct {
	metric  contract.Metric
	guards  []contract.Guard
	version int // of the states that its calibrations begin
}

// Calibrate names the next run of the start version, nil when obs is enough: a
// metric declared deterministic needs no warm-up and two equal runs; one left to auto as
// many equal runs, the warm-up among them, as its digits ask for (equalRunsNeeded); any
// other as many as noise says. An invalid run ends it.
func (r baseRule) Calibrate(obs []Observation, noise noiseRuns) *RunRequest {
	request := &RunRequest{Side: Incumbent, Role: research.Calibrate}
	if len(obs) == 0 && r.metric.Noise != research.Deterministic {
		request.WarmUp = true
		return request
	}

	values := make([]float64, 0, len(obs))
	for _, observation := range obs {
		if !observation.Valid || !research.IsFinite(observation.Value) {
			return nil
		}

		if !observation.WarmUp {
			values = append(values, observation.Value)
		}
	}

	if r.isExact(obs, values) || !r.mayBeExact(obs) && noise.areEnough(r.version, obs) {
		return nil
	}

	return request
}

// neededEqualRuns is how many equal runs make the metric deterministic, 0 if none do. What
// it says of auto holds for the rule's first version; see equalRunsNeeded for later ones.
func (r baseRule) neededEqualRuns() int {
	switch r.metric.Noise {
	case research.Deterministic:
		return quickCalibration
	case research.Noisy:
		return 0
	}

	return trialCalibration
}

// isExact says whether the runs make the metric deterministic; values are of those
// that count.
func (r baseRule) isExact(obs []Observation, values []float64) bool {
	if r.infersNoise() {
		return r.isExactAuto(obs)
	}

	needed := r.neededEqualRuns()

	return needed > 0 && len(values) >= needed && allEqual(values[:needed])
}

// newState is the state that a finished calibration gives, of either class.
// obs are all its runs, the warm-up included.
func (r baseRule) newState(obs, counted []Observation, values []float64, sequence string) RuleState {
	st := RuleState{
		Version: r.version, Scale: r.chooseScale(counted, values), Better: r.metric.Better, Values: values,
		Incumbent: median(values), TestCount: TestCount{Sequence: sequence}, Start: r.guardMedians(counted),
		Guards: r.newGuardStates(counted), Unit: counted[0].Unit,
	}
	st = r.learnNumber(st, counted)

	if r.isExact(obs, values) {
		st.NoiseKind = research.Deterministic
		return st
	}

	return r.noisyState(st, noiseValues(r.version, obs, values))
}

// countedRuns are a calibration's runs that count, and their values; the warm-up does not.
func (r baseRule) countedRuns(obs []Observation) (counted []Observation, values []float64, err error) {
	for _, observation := range obs {
		if why := r.unusableReason(observation); why != "" {
			return nil, nil, research.Errorf(research.CodeProgram,
				"make the program's command print its metric on the unchanged version, then start again", "%s", why)
		}

		if err := requireScale(r.metric, observation.Value); err != nil {
			return nil, nil, err
		}

		if first := obs[0].Unit; observation.Unit != first && first != "" && observation.Unit != "" {
			return nil, nil, research.Errorf(research.CodeProgram,
				"make the command print the metric in one unit always, then start again",
				"the unchanged version printed %s %s and %s", r.metric.Name, contract.WithUnit(first),
				contract.WithUnit(observation.Unit))
		}

		if !observation.WarmUp {
			counted = append(counted, observation)
			values = append(values, observation.Value)
		}
	}

	return counted, values, nil
}

func unfinishedError(values []float64) error {
	return research.Errorf(research.CodeInternal, "let the calibration finish",
		"a calibration of %d runs is not enough", len(values))
}

// noisyState is st with the level that its calibration showed, and the noise that the
// values of noise show.
func (r baseRule) noisyState(st RuleState, noise []float64) RuleState {
	st.NoiseKind = research.Noisy
	if r.metric.Noise == research.Deterministic {
		st.Demoted = true
		st.Note = "the metric was declared deterministic, but runs of one version differed: it counts as noisy"
	}

	if st.isNoiseUnknown() && st.Note == "" {
		st.Note = st.DescribeUnknownNoise()
	}

	heights := st.heights(st.Values)
	st = st.learnNoise(successiveDiffs(st.heights(noise)))
	st.Level = median(heights)
	st.LevelVar = medianEff * medianEff * st.S * st.S / 2 / float64(len(heights))

	return st
}

// minGain is the smallest gain worth keeping, as a positive difference on the
// scale. The program's default stands for 0 once a metric is deterministic.
func (r baseRule) minGain(st RuleState) float64 {
	given := r.metric.MinGain
	base := math.Abs(st.Incumbent)
	isExact := st.NoiseKind == research.Deterministic

	switch {
	case given.Value <= 0:
		return 0
	case isExact && r.hasDefaultMinGain():
		return 0
	case isExact || st.Scale != LogScale:
		if given.Relative {
			return given.Value * base
		}

		return given.Value
	case given.Relative:
		return st.MetricScale().Size(given.Value)
	}

	return st.MetricScale().Size(given.Value / base)
}

// hasDefaultMinGain says whether min_gain is the default of a metric that was not known
// to be deterministic when the program was read.
func (r baseRule) hasDefaultMinGain() bool {
	m := r.metric
	return !m.MinGainSet && m.Noise != research.Deterministic && m.MinGain == contract.Amount{Value: .005,
		Relative: true}
}

// A deterministic metric is decided by one run of the candidate, with one exception:
// before an edit is improved it is run once more, since the edit itself can make the
// number random, and be lucky once. Where the two differ, the incumbent is run too: if it
// gives its value again, the candidate is what is random, and is invalid; if it does not,
// the metric was never deterministic, and is noisy from then on (AfterRepeats).

// nextExact asks for a run of a deterministic metric, or judges by what there is. A
// state whose incumbent has been seen to differ is not for it: see seenIncumbents.
func (r baseRule) nextExact(st RuleState, obs []Observation) Step {
	candidates := runsOfSide(obs, Candidate)
	if len(candidates) == 0 {
		return Step{Run: &RunRequest{Side: Candidate, Role: research.Screen}}
	}

	judgement := r.compareExactly(st, candidates[len(candidates)-1].Value)

	if st.Version != FirstVersion {
		isFirst := len(candidates) == 1

		switch {
		case isFirst && judgement.Verdict == research.Improved:
			return Step{Run: &RunRequest{Side: Candidate, Role: research.Screen}}
		case !isFirst && candidates[0].Value != candidates[1].Value:
			if len(candidates) == len(obs) {
				return Step{Run: &RunRequest{Side: Incumbent, Role: research.Anchor}}
			}

			return conclude(newInvalid(r.describeRandom(st, candidates)), st, obs)
		}
	}

	if judgement.Verdict != research.Regressed {
		r.checkGrowth(st, obs, judgement)
	}

	return conclude(judgement, st, obs)
}

// describeRandom says that the candidate, and not the incumbent, gave two values.
func (r baseRule) describeRandom(st RuleState, candidates []Observation) string {
	format := func(v float64) string { return wording.FormatValue(v, r.metric.Unit) }

	return fmt.Sprintf("two runs of the edit gave %s as %s and %s, and the incumbent gave %s again: the edit makes "+
		"the number random; make it repeatable, or let a person set metric.noise: noisy", r.metric.Name,
		format(candidates[0].Value), format(candidates[1].Value), format(st.Incumbent))
}

// compareExactly judges a value of a deterministic metric: better by more than min_gain
// is improved, within it equivalent, else regressed.
func (r baseRule) compareExactly(st RuleState, value float64) *Judgement {
	base := st.Incumbent

	gain := base - value
	if r.metric.Better == research.Higher {
		gain = -gain
	}

	judgement := &Judgement{StoppedBy: "one_run", Scale: linearScale, Value: &value, Baseline: &base}
	least := r.minGain(st) * (1 + 1e-9) // a hair, so that 1 % of .3 is not beaten by rounding

	switch {
	case gain > least:
		judgement.Verdict = research.Improved
	case gain >= -least:
		judgement.Verdict = research.Equivalent
	default:
		judgement.Verdict = research.Regressed
	}

	switch {
	case st.Scale == LogScale && base > 0:
		judgement.Scale = LogScale
		gain /= base
	case research.IsOfItems(st.Scale):
		judgement.Scale = st.Scale
	}

	judgement.Gain = &research.Interval{Mid: gain, Lo: gain, Hi: gain}

	return judgement
}

// seenIncumbents are the values of the incumbent that an experiment of a deterministic
// metric has shown, the known one first, where they differ; nil where they do not.
func (s RuleState) seenIncumbents(obs []Observation) []float64 {
	if s.Version == FirstVersion || s.NoiseKind != research.Deterministic {
		return nil
	}

	values := []float64{s.Incumbent}
	for _, observation := range runsOfSide(obs, Incumbent) {
		if observation.Valid {
			values = append(values, observation.Value)
		}
	}

	if allEqual(values) || !s.fitsScale(values) {
		return nil
	}

	return values
}

// conclude is the step that ends with j, or with invalid when one of its
// numbers can't be written down.
func conclude(judgement *Judgement, st RuleState, obs []Observation) Step {
	judgement = requireFinite(judgement)
	judgement.Runs, judgement.State = len(obs), st
	judgement.countRuns(st, obs)

	return Step{Done: judgement}
}

// unusableReason says why an observation can't be compared, "" when it can.
func (r baseRule) unusableReason(observation Observation) string {
	switch {
	case !observation.Valid && observation.Reason == "":
		return "the run was invalid and gave no reason"
	case !observation.Valid:
		return observation.Reason
	case !research.IsFinite(observation.Value):
		return fmt.Sprintf("the value of %s is not a finite number", r.metric.Name)
	case math.Abs(observation.Value) > largest:
		return fmt.Sprintf("the value of %s, %s, is too large to be compared", r.metric.Name,
			wording.FormatValue(observation.Value, r.metric.Unit))
	}

	return ""
}

// judgeInvalid judges what no comparison can: a run that failed, a value off the
// scale, a guard out of its bounds. nil when all is well.
func (r baseRule) judgeInvalid(st RuleState, obs []Observation) *Judgement {
	isNoisy := st.NoiseKind == research.Noisy
	if st.NoiseKind != research.Deterministic && !(isNoisy && st.S > 0) {
		return newInvalid("the campaign is not calibrated")
	}

	for _, observation := range obs {
		why := r.unusableReason(observation)
		if why == "" && isNoisy && !st.fitsScale([]float64{observation.Value}) {
			why = fmt.Sprintf("the value %s is not positive, and the calibration's were: they are compared by ratio; if "+
				"it may be so without a fault, a person can set metric.scale: linear, count or share",
				wording.FormatValue(observation.Value, r.metric.Unit))
		}

		if why == "" && observation.Side == Candidate {
			why = r.brokenBound(observation)
		}

		switch {
		case why == "":
		case observation.Side == Candidate:
			return newInvalid(why)
		default:
			return newInvalid("the incumbent's own run failed, not the candidate's: " + why)
		}
	}

	return nil
}

// requireFinite is j, or invalid when one of its numbers can't be written down.
func requireFinite(judgement *Judgement) *Judgement {
	numbers := []float64{judgement.E, judgement.Need, judgement.Noise, judgement.Detectable}

	for _, x := range []*float64{judgement.Value, judgement.Baseline} {
		if x != nil {
			numbers = append(numbers, *x)
		}
	}

	if g := judgement.Gain; g != nil {
		numbers = append(numbers, g.Mid, g.Lo, g.Hi)
	}

	for _, g := range judgement.Growth {
		numbers = append(numbers, g.Mid, g.Var)
	}

	for _, x := range numbers {
		if !research.IsFinite(x) {
			verdict := newInvalid("the candidate's value and the incumbent's are too far apart to be compared as numbers")
			verdict.Test, verdict.Pairs, verdict.Wins, verdict.Losses = judgement.Test, judgement.Pairs, judgement.Wins,
				judgement.Losses

			return verdict
		}
	}

	return judgement
}

func newInvalid(reason string) *Judgement {
	return &Judgement{Verdict: research.Invalid, StoppedBy: "invalid", Reason: reason}
}

// How many runs learn a noisy metric: as many as fit into half a minute, within bounds.
const (
	fullCalibration    = 8   // counted runs of search: certify, at least
	autoCalibration    = 3   // counted runs that start auto's belief, at least
	mostCalibration    = 20  // counted runs
	calibrationSeconds = 30. // run time
	// A run that takes longer, in seconds, is made twice, of which the first warms up:
	// search: auto learns the rest of the noise from the runs of its experiments.
	longRun = 60.
)

// noiseRuns is how many counted runs a noisy metric's calibration has.
type noiseRuns struct {
	least       int
	isShortened bool // long runs may be fewer than least
}

// areEnough says whether obs, valid runs, are enough of a noisy metric. Where their
// length is not known, and for states of the first version, least is the number.
func (n noiseRuns) areEnough(version int, obs []Observation) bool {
	spent, counted := 0.0, 0
	values := make([]float64, 0, len(obs))

	for _, observation := range obs {
		spent += observation.Wall
		values = append(values, observation.Value)
		if !observation.WarmUp {
			counted++
		}
	}

	switch {
	case version == FirstVersion || !(spent > 0):
		return counted >= n.least
	case counted >= mostCalibration:
		return true
	case counted >= n.least:
		return spent+spent/float64(len(obs)) > calibrationSeconds
	}

	// Two long runs that are equal may be of a deterministic metric: a third one tells.
	isLong := spent > longRun*float64(len(obs))

	return n.isShortened && isLong && counted > 0 && len(obs) >= 2 && !allEqual(values)
}

// noiseValues are the values that a calibration's noise is learned from: those that
// count and, where these are too few to show any, the warm-up's before them.
func noiseValues(version int, obs []Observation, counted []float64) []float64 {
	if version == FirstVersion || len(counted) >= autoCalibration {
		return counted
	}

	values := make([]float64, len(obs))
	for i, observation := range obs {
		values[i] = observation.Value
	}

	return values
}

// isNoiseUnknown says whether the calibration had too few runs to know the noise.
func (s RuleState) isNoiseUnknown() bool {
	return s.Version > FirstVersion && s.NoiseKind == research.Noisy && len(s.Values) < autoCalibration
}

// DescribeUnknownNoise says so, "" where it is known.
func (s RuleState) DescribeUnknownNoise() string {
	if !s.isNoiseUnknown() {
		return ""
	}

	return fmt.Sprintf("the noise is not known yet (a run takes over a minute: %s so far, and a warm-up; "+
		"the experiments' own runs teach it)", wording.Count(len(s.Values), "run"))
}
