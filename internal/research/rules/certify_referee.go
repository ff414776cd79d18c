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

// referee is what both forms of the rule share: the calibration, the judgement
// of a deterministic metric by one run, and of runs that nothing can compare.
type referee struct {
	metric contract.Metric
	guards []contract.Guard
}

// Calibrate: a metric declared deterministic needs no warm-up and two equal
// runs; one left to auto three bit-equal runs after a discarded warm-up; any
// other eight.
func (r referee) Calibrate(obs []Observation) *Want {
	want := &Want{Side: Incumbent, Role: research.Calibrate}
	if len(obs) == 0 && r.metric.Noise != research.Deterministic {
		want.WarmUp = true
		return want
	}

	values := make([]float64, 0, len(obs))
	for _, o := range obs {
		if !o.Valid || !research.Finite(o.Value) {
			return nil
		}

		if !o.WarmUp {
			values = append(values, o.Value)
		}
	}

	if r.calibrated(values) {
		return nil
	}

	return want
}

// exactRuns is how many equal runs make the metric deterministic, 0 if none do.
func (r referee) exactRuns() int {
	switch r.metric.Noise {
	case research.Deterministic:
		return quickCalibration
	case research.Noisy:
		return 0
	}

	return trialCalibration
}

func (r referee) calibrated(values []float64) bool {
	return len(values) >= fullCalibration || r.exactly(values)
}

// exactly says whether the values make the metric deterministic.
func (r referee) exactly(values []float64) bool {
	exact := r.exactRuns()
	return exact > 0 && len(values) >= exact && allEqual(values[:exact])
}

// begin is the state that a finished calibration gives, of either class.
func (r referee) begin(counted []Observation, values []float64, sequence string) RuleState {
	st := RuleState{
		Scale: scaleOf(values), Better: r.metric.Better, Values: values, Incumbent: median(values), Sequence: sequence,
		Start: r.guardMedians(counted), Guards: r.guardStates(counted),
	}
	if r.exactly(values) {
		st.Class = research.Deterministic
		return st
	}

	return r.noisyState(st)
}

// counted are a calibration's runs that count, and their values; the warm-up does not.
func (r referee) counted(obs []Observation) (counted []Observation, values []float64, err error) {
	for _, o := range obs {
		if why := r.unusable(o); why != "" {
			return nil, nil, research.Errorf(research.CodeProgram,
				"make the program's command print its metric on the unchanged version, then start again", "%s", why)
		}

		if !o.WarmUp {
			counted = append(counted, o)
			values = append(values, o.Value)
		}
	}

	return counted, values, nil
}

func unfinished(values []float64) error {
	return research.Errorf(research.CodeInternal, "let the calibration finish", "a calibration of %d runs is not enough", len(values))
}

func (r referee) noisyState(st RuleState) RuleState {
	st.Class = research.Noisy
	if r.metric.Noise == research.Deterministic {
		st.Demoted = true
		st.Note = "the metric was declared deterministic, but runs of one version differed: it counts as noisy"
	}
	ys := st.heights(st.Values)
	st = st.learn(successive(ys))
	st.Level = median(ys)
	st.LevelVar = medianEff * medianEff * st.S * st.S / 2 / float64(len(ys))

	return st
}

// minGain is the smallest gain worth keeping, as a positive difference on the
// scale. The program's default stands for 0 once a metric is deterministic.
func (r referee) minGain(st RuleState) float64 {
	a := r.metric.MinGain

	base := math.Abs(st.Incumbent)
	switch {
	case a.Value <= 0:
		return 0
	case st.Class == research.Deterministic && r.defaulted():
		return 0
	case st.Class == research.Deterministic || st.Scale != LogScale:
		if a.Relative {
			return a.Value * base
		}

		return a.Value
	case a.Relative:
		return st.Ruler().Size(a.Value)
	}

	return st.Ruler().Size(a.Value / base)
}

// defaulted says whether min_gain is the default of a metric that was not known
// to be deterministic when the program was read.
func (r referee) defaulted() bool {
	m := r.metric
	return !m.MinGainSet && m.Noise != research.Deterministic && m.MinGain == contract.Amount{Value: .005, Relative: true}
}

// exact asks for the one run of a deterministic metric, or judges by it:
// better by more than min_gain is improved, within it equivalent, else regressed.
func (r referee) exact(st RuleState, obs []Observation) Step {
	if len(obs) == 0 {
		return Step{Run: &Want{Side: Candidate, Role: research.Screen}}
	}
	base, value := st.Incumbent, obs[len(obs)-1].Value

	gain := base - value
	if r.metric.Better == research.Higher {
		gain = -gain
	}
	j := &Judgement{StoppedBy: "one_run", Scale: linearScale, Value: &value, Baseline: &base}

	least := r.minGain(st) * (1 + 1e-9) // a hair, so that 1 % of .3 is not beaten by rounding
	switch {
	case gain > least:
		j.Verdict = research.Improved
	case gain >= -least:
		j.Verdict = research.Equivalent
	default:
		j.Verdict = research.Regressed
	}

	if st.Scale == LogScale && base > 0 {
		j.Scale = LogScale
		gain /= base
	}

	j.Gain = &research.Interval{Mid: gain, Lo: gain, Hi: gain}
	if j.Verdict != research.Regressed {
		r.checkGrowth(st, obs, j)
	}

	return concluded(j, st, obs)
}

// concluded is the step that ends with j, or with invalid when one of its
// numbers can't be written down.
func concluded(j *Judgement, st RuleState, obs []Observation) Step {
	j = bounded(j)
	j.Runs, j.State = len(obs), st

	return Step{Done: j}
}

// unusable says why an observation can't be compared, "" when it can.
func (r referee) unusable(o Observation) string {
	switch {
	case !o.Valid && o.Reason == "":
		return "the run was invalid and gave no reason"
	case !o.Valid:
		return o.Reason
	case !research.Finite(o.Value):
		return fmt.Sprintf("the value of %s is not a finite number", r.metric.Name)
	case math.Abs(o.Value) > largest:
		return fmt.Sprintf("the value of %s, %s, is too large to be compared", r.metric.Name,
			wording.FormatValue(o.Value, r.metric.Unit))
	}

	return ""
}

// invalid judges what no comparison can: a run that failed, a value off the
// scale, a guard out of its bounds. nil when all is well.
func (r referee) invalid(st RuleState, obs []Observation) *Judgement {
	if st.Class != research.Deterministic && !(st.Class == research.Noisy && st.S > 0) {
		return voided("the campaign is not calibrated")
	}

	for _, o := range obs {
		why := r.unusable(o)
		if why == "" && st.Class == research.Noisy && !st.measurable([]float64{o.Value}) {
			why = fmt.Sprintf("the value %s is not positive, and the calibration's were: they are compared by ratio",
				wording.FormatValue(o.Value, r.metric.Unit))
		}

		if why == "" && o.Side == Candidate {
			why = r.outOfBounds(o)
		}

		if why != "" && o.Side != Candidate {
			why = "the incumbent's own run failed, not the candidate's: " + why
		}

		if why != "" {
			return voided(why)
		}
	}

	return nil
}

// bounded is j, or invalid when one of its numbers can't be written down.
func bounded(j *Judgement) *Judgement {
	xs := []float64{j.E, j.Need, j.Noise, j.Detectable}
	for _, x := range []*float64{j.Value, j.Baseline} {
		if x != nil {
			xs = append(xs, *x)
		}
	}

	if g := j.Gain; g != nil {
		xs = append(xs, g.Mid, g.Lo, g.Hi)
	}

	for _, g := range j.Growth {
		xs = append(xs, g.Mid, g.Var)
	}

	for _, x := range xs {
		if !research.Finite(x) {
			v := voided("the candidate's value and the incumbent's are too far apart to be compared as numbers")
			v.Test, v.Pairs, v.Wins, v.Losses = j.Test, j.Pairs, j.Wins, j.Losses

			return v
		}
	}

	return j
}

func voided(reason string) *Judgement {
	return &Judgement{Verdict: research.Invalid, StoppedBy: "invalid", Reason: reason}
}
