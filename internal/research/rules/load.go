package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// A run is contended when others kept the machine busy beside it. What is repeated
// depends on the load alone, never on a value, so the tests keep their levels.
//
// From the second version on, a contended look is repeated once, right away, for as
// long as that helps (LoadState), and both count: a sound run is never dropped for a
// slower one, and the belief weighs them. A pair is not repeated: where others were busy
// beside one of its runs only, it is unequal (UnequalReason), and another makes up for
// it; where beside both, it counts, since load that stays is noise, which the interleaving
// spreads over both sides. An experiment whose sides met different loads altogether is
// called neither better nor worse: first the side that met less is run again
// (nextBeside), and if that does not help either it is inconclusive.
//
// In the first version a contended look, and a pair of which a half is contended, is
// repeated once, and the repetition counts instead, contended or not.
//
// The number of a deterministic metric, a size, a count or a share does not depend on the
// load: nothing is repeated. If one that was taken for deterministic does after all, the
// runs differ, and the metric counts as noisy from then on.

// LoadState is what a campaign has learned of what others' load does to its metric. The
// zero value is that of a calibration beside which the machine was quiet.
type LoadState struct {
	// Busy says that others were busy beside every run of the calibration: on such a
	// machine no repetition helps.
	Busy bool `json:"busy,omitempty"`
	// HeadBusy says the same of the last looks at the incumbent, whose level is remembered.
	HeadBusy bool `json:"head_busy,omitempty"`
	// Repeats counts the repetitions, Calm those beside which the machine was quiet; both are
	// halved by an experiment without load.
	Repeats int `json:"repeats,omitempty"`
	Calm    int `json:"calm,omitempty"`
	// Contrasts are differences of one version's contended runs from its others, on the
	// scale: how many, their sum, and the sum of their squares.
	Contrasts int     `json:"contrasts,omitempty"`
	Sum       float64 `json:"sum,omitempty"`
	Squares   float64 `json:"squares,omitempty"`
}

const (
	hopefulRepeats  = 3 // repetitions before it is asked whether they help
	calmShare       = 3 // one of so many repetitions must be calm
	leastContrasts  = 6 // before load is believed to change nothing
	contrastErrors  = 2 // standard errors that the mean contrast must stay below the noise by
	mostBesideLooks = 2 // of either side, to meet the load that the other side met
)

// IsLoadProof says whether the program says that others' load can't change the metric: a
// size or an amount of memory, by its unit or its source; a count or a share, by
// metric.scale; or one that is declared deterministic.
func IsLoadProof(metric contract.Metric) bool {
	return metric.Noise == research.Deterministic || metric.MeasuresBytes() || research.IsOfItems(metric.Scale)
}

// load is what is known of the load, of any state.
func (s RuleState) load() LoadState {
	if s.Load == nil {
		return LoadState{}
	}

	return *s.Load
}

// isLoadIndifferent says whether load changes no number: by the program; or since it is
// counted, by the values that the calibration saw, and the campaign's runs have not shown
// otherwise, as they may where a run that is late counts as a failure; or since contended
// runs did not differ from others of the same version by more than a run's noise. What
// was learned stops repetitions only: every proof leaves one-sided pairs out.
func (s RuleState) isLoadIndifferent(metric contract.Metric) bool {
	if s.NoiseKind != research.Noisy || IsLoadProof(metric) {
		return true
	}

	l := s.load()
	if l.Contrasts < leastContrasts {
		return research.IsOfItems(s.Scale)
	}

	n := float64(l.Contrasts)
	mean := l.Sum / n
	uncertain := contrastErrors * math.Sqrt(math.Max(0, l.Squares/n-mean*mean)/n)

	if research.IsOfItems(s.Scale) && math.Abs(mean) <= uncertain {
		return true
	}

	return math.Abs(mean)+uncertain < math.Sqrt(noiseModel{s: s.S}.runVar())
}

// canRepeat says whether another repetition is likely to meet a quiet machine, after
// those of obs too.
func (l LoadState) canRepeat(obs []Observation) bool {
	l = l.countRepeats(obs)
	return !l.Busy && (l.Repeats < hopefulRepeats || calmShare*l.Calm >= l.Repeats)
}

// countRepeats is l with the repetitions of obs.
func (l LoadState) countRepeats(obs []Observation) LoadState {
	for _, observation := range obs {
		if observation.Again && observation.Valid {
			l.Repeats++
			if !observation.Contended {
				l.Calm++
			}
		}
	}

	return l
}

// addContrast is l with the difference of contended runs of one version from its calm
// ones; either may be empty.
func (l LoadState) addContrast(contended, calm []float64) LoadState {
	if len(contended) == 0 || len(calm) == 0 {
		return l
	}

	d := mean(contended) - mean(calm)
	if !research.IsFinite(l.Squares + d*d) {
		return l
	}

	l.Contrasts++
	l.Sum += d
	l.Squares += d * d

	return l
}

// learnContrast is l with what the runs of one side say of the load.
func learnContrast(s RuleState, l LoadState, obs []Observation, side Side) LoadState {
	var contended, calm []float64

	for _, observation := range obs {
		y, ok := s.height(observation)

		switch {
		case !ok || observation.Side != side || observation.WarmUp:
		case observation.Contended:
			contended = append(contended, y)
		default:
			calm = append(calm, y)
		}
	}

	return l.addContrast(contended, calm)
}

// learnCalibrationLoad is the state with what its calibration's runs say of the load.
func learnCalibrationLoad(s RuleState, obs []Observation) RuleState {
	isBusy := !slices.ContainsFunc(obs, func(o Observation) bool { return !o.WarmUp && !o.Contended })
	l := LoadState{Busy: isBusy, HeadBusy: isBusy}
	l = learnContrast(s, l, obs, Incumbent)
	s.Load = &l

	return s
}

// nextPooled is Next from the second version on: it repeats a contended look, or asks the
// rule, whose judgement stands unless the two sides met different loads.
func (r repeatingRule) nextPooled(st RuleState, outlook Outlook, obs []Observation) Step {
	isIndifferent := st.isLoadIndifferent(r.metric)
	if !isIndifferent && len(obs) < outlook.Left {
		if repeat := nextLookRepeat(st, obs); repeat != nil {
			return Step{Run: repeat}
		}
	}

	step := r.Rule.Next(st.countLostTests(outlook), outlook, obs)
	if step.Done == nil || isIndifferent || !isCall(*step.Done) {
		return step
	}

	reason := differentLoads(st, obs)
	if reason == "" {
		return step
	}

	if beside := nextBeside(st, outlook, obs); beside != nil {
		return Step{Run: beside}
	}
	step.Done.Verdict, step.Done.Reason = research.Inconclusive, reason

	return step
}

// closePooled is Close from the second version on: it folds a judged experiment into the
// state, and what it showed of the load.
func (r repeatingRule) closePooled(st RuleState, o Outlook, obs []Observation, j Judgement) RuleState {
	st = r.Rule.Close(st.countLostTests(o), o, obs, j)
	if st.NoiseKind != research.Noisy {
		return st
	}

	l := st.load().countRepeats(obs)
	if !slices.ContainsFunc(obs, func(o Observation) bool { return o.Contended }) {
		l.Repeats, l.Calm = l.Repeats/2, l.Calm/2
	}

	for _, side := range []Side{Candidate, Incumbent} {
		l = learnContrast(st, l, obs, side)
	}

	if calm, contended := looksOf(obs, Incumbent); calm+contended > 0 {
		l.HeadBusy = contended > calm
	}
	st.Load = &l

	return st
}

// nextLookRepeat is the run that repeats the last of obs, nil unless that was a contended
// look, the other side has met no load, and a repetition is likely to help.
func nextLookRepeat(s RuleState, obs []Observation) *RunRequest {
	repeat := repeatLook(obs)
	if repeat == nil || !s.load().canRepeat(obs) {
		return nil
	}

	other := Incumbent
	if repeat.Side == Incumbent {
		other = Candidate
	}

	if _, contended := looksOf(obs, other); contended > 0 {
		return nil
	}

	return repeat
}

// looksOf counts a side's looks by the load beside them.
func looksOf(obs []Observation, side Side) (calm, contended int) {
	for _, observation := range obs {
		switch {
		case !observation.Valid || observation.WarmUp || observation.Side != side:
		case observation.Contended:
			contended++
		default:
			calm++
		}
	}

	return calm, contended
}

// isCall says whether a judgement calls an edit better or worse, by looks alone.
func isCall(j Judgement) bool {
	isBetter := j.Verdict == research.Improved || j.Verdict == research.Provisional
	return j.Pairs+j.Unequal == 0 && (isBetter || j.Verdict == research.Regressed)
}

// differentLoads says how the loads that the two sides met differ, "" where some looks of
// both met the same: the looks at the incumbent, if there are any, and those that its
// remembered level comes from, unless two newer ones outweigh it.
func differentLoads(s RuleState, obs []Observation) string {
	calm, contended := looksOf(obs, Candidate)
	headCalm, headContended := looksOf(obs, Incumbent)

	alike := 0 // looks at the incumbent under a load that the candidate met too
	if calm > 0 {
		alike += headCalm
	}

	if contended > 0 {
		alike += headContended
	}

	remembersAlike := calm > 0
	if s.load().HeadBusy {
		remembersAlike = contended > 0
	}

	switch {
	case alike >= mostBesideLooks, remembersAlike && (alike > 0 || headCalm+headContended == 0):
		return ""
	case contended > calm:
		return "others kept the machine busy beside the edit's runs and not beside the incumbent's: " +
			"the difference may be theirs"
	}

	return "others kept the machine busy beside the incumbent's runs and not beside the edit's: " +
		"the difference may be theirs"
}

// nextBeside is a look of the side that was run longer ago, so that both meet the same
// load; nil where that was tried often enough, or no belief weighs it.
func nextBeside(s RuleState, outlook Outlook, obs []Observation) *RunRequest {
	if s.Auto == nil || len(obs) >= outlook.Left {
		return nil
	}

	incumbent, since := 0, 0 // looks at the incumbent, and at the candidate since its last

	for _, observation := range obs {
		if observation.Side == Incumbent {
			incumbent++
			since = 0
		} else {
			since++
		}
	}

	switch {
	case incumbent < mostBesideLooks:
		return &RunRequest{Side: Incumbent, Role: research.Anchor}
	case since < mostBesideLooks:
		return &RunRequest{Side: Candidate, Role: research.Screen}
	}

	return nil
}

// NextRepeat is the run that repeats a half of the last pair of obs, by a state of
// the first version; nil for later ones, when the metric is deterministic, or that pair is not
// complete, not contended, has been repeated, or could not be.
func (st RuleState) NextRepeat(obs []Observation) *RunRequest {
	if st.NoiseKind == research.Deterministic || st.Version > FirstVersion {
		return nil
	}

	last := 0
	for _, o := range obs {
		last = max(last, o.Pair)
	}

	if last == 0 {
		return nil
	}

	var first, second []Observation
	contended := false

	for _, observation := range obs {
		if observation.Pair != last {
			continue
		}

		switch {
		case observation.Again && !observation.Valid:
			return nil
		case observation.Again:
			second = append(second, observation)
		case observation.Valid:
			first = append(first, observation)
			contended = contended || observation.Contended
		}
	}

	if len(first) != 2 || !contended || len(second) >= 2 {
		return nil
	}

	request := first[len(second)].RunRequest
	request.Again = true

	return &request
}

// repeatLook is the run that repeats the last of obs, if that was a contended look
// at one version; nil otherwise. A warm-up is not a look.
func repeatLook(obs []Observation) *RunRequest {
	if len(obs) == 0 || !obs[len(obs)-1].isContendedLook() {
		return nil
	}

	request := obs[len(obs)-1].RunRequest
	request.Again = true

	return &request
}

// isContendedLook says that o is a look that its repetition, right after it, replaces.
func (o Observation) isContendedLook() bool {
	return o.Valid && o.Contended && o.Pair == 0 && !o.Again && !o.WarmUp
}

// ResolveRepeats is obs with one run for each look and each half of a pair: the
// repetition's where there is one. Invalid runs stay.
func ResolveRepeats(obs []Observation) []Observation {
	repeats := map[int]int{} // valid ones, by pair; 0 for looks
	for _, o := range obs {
		if o.Again && o.Valid {
			repeats[o.Pair]++
		}
	}

	if len(repeats) == 0 {
		return obs
	}

	var resolved []Observation

	for i, observation := range obs {
		counts := true

		switch {
		case !observation.Valid:
		case observation.Pair == 0:
			replaced := observation.isContendedLook() && i+1 < len(obs) && obs[i+1].Again && obs[i+1].Valid
			counts = !replaced
		default: // a pair is replaced as a whole, once both halves were repeated
			counts = observation.Again == (repeats[observation.Pair] >= 2)
		}

		if counts {
			resolved = append(resolved, observation)
		}
	}

	return resolved
}

// resolve is the runs of an experiment as the rule of the state's version sees them: in the
// first, one run for each look and each half of a pair; in later ones all of them.
func (s RuleState) resolve(obs []Observation) []Observation {
	if s.Version == FirstVersion {
		return ResolveRepeats(obs)
	}

	return obs
}

// repeatingRule is a rule with what is done about contended runs.
type repeatingRule struct {
	Rule
	metric contract.Metric
}

// Calibrated is the first state, with what the calibration shows of the load.
func (r repeatingRule) Calibrated(obs []Observation) (RuleState, error) {
	st, err := r.Rule.Calibrated(obs)
	if err != nil || st.Version == FirstVersion || st.NoiseKind != research.Noisy {
		return st, err
	}

	return learnCalibrationLoad(st, obs), nil
}

// Next repeats what was contended, and otherwise asks the rule, which sees one
// run for each look and each half of a pair.
func (r repeatingRule) Next(st RuleState, outlook Outlook, obs []Observation) Step {
	if st.Version > FirstVersion {
		return r.nextPooled(st, outlook, obs)
	}

	if repeat := st.NextRepeat(obs); repeat != nil {
		return Step{Run: repeat}
	}

	if repeat := repeatLook(obs); repeat != nil && st.NoiseKind == research.Noisy {
		return Step{Run: repeat}
	}

	step := r.Rule.Next(st.countLostTests(outlook), outlook, ResolveRepeats(obs))
	if step.Done != nil {
		step.Done.Runs = len(obs)
	}

	return step
}

// Close hands the rule one run for each look and each half of a pair.
func (r repeatingRule) Close(st RuleState, o Outlook, obs []Observation, j Judgement) RuleState {
	if st.Version > FirstVersion {
		return r.closePooled(st, o, obs, j)
	}

	return r.Rule.Close(st.countLostTests(o), o, ResolveRepeats(obs), j)
}
