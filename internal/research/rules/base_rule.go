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
	fullCalibration  = 8 // runs that learn a noisy metric
)

// baseRule is what both forms of the rule share: the calibration, the judgement
// of a deterministic metric by one run, and of runs that nothing can compare.
type baseRule struct {
	metric  contract.Metric
	guards  []contract.Guard
	version int // of the states that its calibrations begin
}

// Calibrate names the next run of the start version, nil when obs is enough: a
// metric declared deterministic needs no warm-up and two equal runs; one left to
// auto three bit-equal runs after a discarded warm-up; any other eight. An invalid
// run ends it.
func (r baseRule) Calibrate(obs []Observation) *RunRequest {
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

	if r.isCalibrated(values) {
		return nil
	}

	return request
}

// neededEqualRuns is how many equal runs make the metric deterministic, 0 if none do.
func (r baseRule) neededEqualRuns() int {
	switch r.metric.Noise {
	case research.Deterministic:
		return quickCalibration
	case research.Noisy:
		return 0
	}

	return trialCalibration
}

// isCalibrated says whether the values are enough, of either kind of noise.
func (r baseRule) isCalibrated(values []float64) bool {
	return len(values) >= fullCalibration || r.isExact(values)
}

// isExact says whether the values make the metric deterministic.
func (r baseRule) isExact(values []float64) bool {
	needed := r.neededEqualRuns()

	return needed > 0 && len(values) >= needed && allEqual(values[:needed])
}

// newState is the state that a finished calibration gives, of either class.
func (r baseRule) newState(counted []Observation, values []float64, sequence string) RuleState {
	st := RuleState{
		Version: r.version, Scale: scaleOf(values), Better: r.metric.Better, Values: values, Incumbent: median(values),
		TestCount: TestCount{Sequence: sequence}, Start: r.guardMedians(counted), Guards: r.newGuardStates(counted),
	}
	if r.isExact(values) {
		st.NoiseKind = research.Deterministic
		return st
	}

	return r.noisyState(st)
}

// countedRuns are a calibration's runs that count, and their values; the warm-up does not.
func (r baseRule) countedRuns(obs []Observation) (counted []Observation, values []float64, err error) {
	for _, observation := range obs {
		if why := r.unusableReason(observation); why != "" {
			return nil, nil, research.Errorf(research.CodeProgram,
				"make the program's command print its metric on the unchanged version, then start again", "%s", why)
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

// noisyState is st with the noise and the level that its calibration showed.
func (r baseRule) noisyState(st RuleState) RuleState {
	st.NoiseKind = research.Noisy
	if r.metric.Noise == research.Deterministic {
		st.Demoted = true
		st.Note = "the metric was declared deterministic, but runs of one version differed: it counts as noisy"
	}

	heights := st.heights(st.Values)
	st = st.learnNoise(successiveDiffs(heights))
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

// judgeExact asks for the one run of a deterministic metric, or judges by it:
// better by more than min_gain is improved, within it equivalent, else regressed.
func (r baseRule) judgeExact(st RuleState, obs []Observation) Step {
	if len(obs) == 0 {
		return Step{Run: &RunRequest{Side: Candidate, Role: research.Screen}}
	}

	base, value := st.Incumbent, obs[len(obs)-1].Value

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

	if st.Scale == LogScale && base > 0 {
		judgement.Scale = LogScale
		gain /= base
	}

	judgement.Gain = &research.Interval{Mid: gain, Lo: gain, Hi: gain}

	if judgement.Verdict != research.Regressed {
		r.checkGrowth(st, obs, judgement)
	}

	return conclude(judgement, st, obs)
}

// conclude is the step that ends with j, or with invalid when one of its
// numbers can't be written down.
func conclude(judgement *Judgement, st RuleState, obs []Observation) Step {
	judgement = requireFinite(judgement)
	judgement.Runs, judgement.State = len(obs), st

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
			why = fmt.Sprintf("the value %s is not positive, and the calibration's were: they are compared by ratio",
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
