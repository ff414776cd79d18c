package research

import "math"

// Constants of the rule; none is an option.
const (
	quickCalibration = 2  // equal runs that confirm a declared deterministic metric
	trialCalibration = 3  // bit-equal runs that let auto infer one
	fullCalibration  = 8  // runs that learn a noisy metric
	anchorEvery      = 24 // screens after which the incumbent is run again
	maxPairs         = 20 // of one confirmation
	dropBelow        = .15
	lossAbove        = .95
	equalAbove       = .90
	winFactor        = 1.9 // the e-process's factor for a pair won; a lost one has 2 - 1.9
	lossFactor       = .1
)

// signRule is the first form of the rule: exact comparison for deterministic
// metrics, and for noisy ones a certificate for every single edit from the
// signs of interleaved pairs.
type signRule struct {
	metric Metric
	guards []Guard
}

// NewRule is the program's rule. Deterministic metrics are decided by one run.
// Noisy ones are screened by one run (two where the first could be an outlier
// or a plain loss), which steers and is never evidence, and then confirmed by fresh interleaved pairs B C, C B, … of incumbent and
// candidate, under a sign e-process with e-LOND over the campaign's
// confirmations: it needs no noise model.
//
// What it promises: in a night of edits that gain nothing, the chance of even
// one `improved` is at most 5 %, provided a pair is as likely to fall either
// way. With min_gain m > 0 the null is "gain <= m", and the proviso is that an
// edit shifts the metric without changing the shape of its noise (or at least
// keeps the median of a pair's difference where its gain is).
//
// The other verdicts are beliefs under the noise model of the runs: regressed
// when P(loss) >= .95 as the screen or the pairs give up, equivalent when
// P(no effect) >= .90 after two pairs or more.
//
// Limits: `search: auto` programs are judged by this same rule until the full
// one lands behind the same interface. A guard's max_growth is compared by
// medians, not by a non-inferiority test. At least 11 clean pairs are needed
// for the first `improved`.
func NewRule(p Program) Rule { return signRule{p.Metric, p.Guards} }

// Calibrate: a metric declared deterministic needs no warm-up and two equal
// runs; one left to auto three bit-equal runs after a discarded warm-up; any
// other eight.
func (r signRule) Calibrate(obs []Observation) *Want {
	want := &Want{Side: Incumbent, Role: Calibrate}
	if len(obs) == 0 && r.metric.Noise != Deterministic {
		want.WarmUp = true
		return want
	}
	values := make([]float64, 0, len(obs))
	for _, o := range obs {
		if !o.Valid || !finite(o.Value) {
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
func (r signRule) exactRuns() int {
	switch r.metric.Noise {
	case Deterministic:
		return quickCalibration
	case Noisy:
		return 0
	}
	return trialCalibration
}

func (r signRule) calibrated(values []float64) bool {
	n := len(values)
	if n >= fullCalibration {
		return true
	}
	exact := r.exactRuns()
	return exact > 0 && n >= exact && allEqual(values[:exact])
}

// Calibrated learns the class, the scale, the noise and the level. Its error
// has the invalid run's reason as its sentence.
func (r signRule) Calibrated(obs []Observation) (RuleState, error) {
	counted, values, err := r.counted(obs)
	if err != nil {
		return RuleState{}, err
	}
	if !r.calibrated(values) {
		return RuleState{}, unfinished(values)
	}
	st := RuleState{
		Scale: scaleOf(values), Better: r.metric.Better, Values: values,
		Start: r.guardMedians(counted), Incumbent: median(values),
	}
	if exact := r.exactRuns(); exact > 0 && allEqual(values[:exact]) {
		st.Class = Deterministic
		return st, nil
	}
	return r.noisyState(st), nil
}

// counted are a calibration's runs that count, and their values; the warm-up does not.
func (r signRule) counted(obs []Observation) (counted []Observation, values []float64, err error) {
	for _, o := range obs {
		if why := r.unusable(o); why != "" {
			return nil, nil, Errorf(CodeProgram, "make the program's command print its metric on the unchanged version, then start again", "%s", why)
		}
		if !o.WarmUp {
			counted = append(counted, o)
			values = append(values, o.Value)
		}
	}
	return counted, values, nil
}

func unfinished(values []float64) error {
	return Errorf(CodeInternal, "let the calibration finish", "a calibration of %d runs is not enough", len(values))
}

func (r signRule) noisyState(st RuleState) RuleState {
	st.Class = Noisy
	if r.metric.Noise == Deterministic {
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
func (r signRule) minGain(st RuleState) float64 {
	a := r.metric.MinGain
	base := math.Abs(st.Incumbent)
	switch {
	case a.Value <= 0:
		return 0
	case st.Class == Deterministic && r.defaulted():
		return 0
	case st.Class == Deterministic || st.Scale != logScale:
		if a.Relative {
			return a.Value * base
		}
		return a.Value
	case a.Relative:
		return st.ruler().size(a.Value)
	}
	return st.ruler().size(a.Value / base)
}

// defaulted says whether min_gain is the default of a metric that was not known
// to be deterministic when the program was read.
func (r signRule) defaulted() bool {
	m := r.metric
	return !m.MinGainSet && m.Noise != Deterministic && m.MinGain == Amount{Value: .005, Relative: true}
}

// Next judges, or asks for one more run.
func (r signRule) Next(st RuleState, obs []Observation) Step {
	j := r.invalid(st, obs)
	switch {
	case j != nil:
	case st.Class == Deterministic:
		if len(obs) == 0 {
			return Step{Run: &Want{Side: Candidate, Role: Screen}}
		}
		j = r.oneRun(st, obs)
	default:
		t := r.test(st, obs)
		var want *Want
		if want, j = t.next(); want != nil {
			return Step{Run: want}
		}
	}
	if j.Verdict == Improved || j.Verdict == Equivalent {
		r.checkGrowth(st, obs, j)
	}
	j = bounded(j)
	j.Runs, j.State = len(obs), st
	return Step{Done: j}
}

// oneRun compares exactly: better by more than min_gain is improved, within it
// equivalent, else regressed.
func (r signRule) oneRun(st RuleState, obs []Observation) *Judgement {
	base, value := st.Incumbent, obs[len(obs)-1].Value
	gain := base - value
	if r.metric.Better == Higher {
		gain = -gain
	}
	j := &Judgement{StoppedBy: "one_run", Scale: linearScale, Value: &value, Baseline: &base}
	least := r.minGain(st) * (1 + 1e-9) // a hair, so that 1 % of .3 is not beaten by rounding
	switch {
	case gain > least:
		j.Verdict = Improved
	case gain >= -least:
		j.Verdict = Equivalent
	default:
		j.Verdict = Regressed
	}
	if st.Scale == logScale && base > 0 {
		j.Scale = logScale
		gain /= base
	}
	j.Gain = &Interval{gain, gain, gain}
	return j
}

// Close counts the confirmation and learns from the runs: paired residuals,
// the incumbent's level, and how long ago it was run.
func (r signRule) Close(st RuleState, obs []Observation, j Judgement) RuleState {
	if st.Class != Noisy {
		return st
	}
	t := r.test(st, obs)
	next := st
	next.Level, next.LevelVar = t.level.level, t.level.variance
	if t.anchored {
		next.Screens = 0
	}
	switch {
	case t.opened:
		next.Tests++
		next.Screens = 0
		for _, y := range t.incumbent {
			t.level = t.level.observe(y, 0, t.noise)
		}
		next.Level, next.LevelVar = t.level.level, t.level.variance
		next = next.learn(t.residuals())
		if j.Verdict == Improved {
			next.Kept++
		}
	case t.screened:
		// A dropped edit, most likely null, shows the incumbent's level for free.
		_, _, _, mean := t.belief.moments(t.m)
		level := t.level.observe(median(t.screens)-mean, t.noise.runVar(), t.noise)
		next.Level, next.LevelVar = level.level, level.variance
		next.Screens++
	}
	return next
}
