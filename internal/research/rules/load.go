package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// LoadState is what a campaign has learned of what others' load does to its metric. The
// zero value is that of a calibration beside which the machine was quiet.
type LoadState struct {
	// Busy says that others were busy beside every run of the calibration: on such a
	// machine no repetition helps.
	Busy bool `json:"busy,omitempty"`
	// HeadBusy says the same of the last looks at the incumbent, whose level is remembered.
	HeadBusy bool `json:"head_busy,omitempty"`
	// Repeats counts the repetitions, Calm those beside which nobody was busy; both are
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

// IsLoadProof says whether the program says that others' load can't change the metric: the
// memory of a run, or one that is declared deterministic.
func IsLoadProof(metric contract.Metric) bool {
	return metric.Noise == research.Deterministic || metric.From.Kind == "max_rss"
}

// load is what is known of the load, of any state.
func (s RuleState) load() LoadState {
	if s.Load == nil {
		return LoadState{}
	}

	return *s.Load
}

// isLoadIndifferent says whether load changes no number: by the program, or since
// contended runs did not differ from others of the same version by more than a run's
// noise. What was learned stops repetitions only: every proof leaves one-sided pairs out.
func (s RuleState) isLoadIndifferent(metric contract.Metric) bool {
	if s.NoiseKind != research.Noisy || IsLoadProof(metric) {
		return true
	}

	l := s.load()
	if l.Contrasts < leastContrasts {
		return false
	}

	n := float64(l.Contrasts)
	mean := l.Sum / n
	variance := math.Max(0, l.Squares/n-mean*mean)

	return math.Abs(mean)+contrastErrors*math.Sqrt(variance/n) < math.Sqrt(noiseModel{s: s.S}.runVar())
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
func (s RuleState) learnContrast(l LoadState, obs []Observation, side Side) LoadState {
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
func (s RuleState) learnCalibrationLoad(obs []Observation) RuleState {
	isBusy := !slices.ContainsFunc(obs, func(o Observation) bool { return !o.WarmUp && !o.Contended })
	l := LoadState{Busy: isBusy, HeadBusy: isBusy}
	l = s.learnContrast(l, obs, Incumbent)
	s.Load = &l

	return s
}

// loadRule is a rule of version 1 or later, see the top of repeat.go.
type loadRule repeatingRule

// next repeats a contended look, or asks the rule, whose judgement stands unless the two
// sides met different loads.
func (r loadRule) next(st RuleState, outlook Outlook, obs []Observation) Step {
	isIndifferent := st.isLoadIndifferent(r.metric)
	if !isIndifferent && len(obs) < outlook.Left {
		if repeat := st.nextLookRepeat(obs); repeat != nil {
			return Step{Run: repeat}
		}
	}

	step := r.Rule.Next(st.countLostTests(outlook), outlook, obs)
	if step.Done == nil || isIndifferent || !isCall(*step.Done) {
		return step
	}

	reason := st.differentLoads(obs)
	if reason == "" {
		return step
	}

	if beside := st.nextBeside(outlook, obs); beside != nil {
		return Step{Run: beside}
	}
	step.Done.Verdict, step.Done.Reason = research.Inconclusive, reason

	return step
}

// close folds a judged experiment into the state, and what it showed of the load.
func (r loadRule) close(st RuleState, o Outlook, obs []Observation, j Judgement) RuleState {
	st = r.Rule.Close(st.countLostTests(o), o, obs, j)
	if st.NoiseKind != research.Noisy {
		return st
	}

	l := st.load().countRepeats(obs)
	if !slices.ContainsFunc(obs, func(o Observation) bool { return o.Contended }) {
		l.Repeats, l.Calm = l.Repeats/2, l.Calm/2
	}

	for _, side := range []Side{Candidate, Incumbent} {
		l = st.learnContrast(l, obs, side)
	}

	if calm, contended := looksOf(obs, Incumbent); calm+contended > 0 {
		l.HeadBusy = contended > calm
	}
	st.Load = &l

	return st
}

// nextLookRepeat is the run that repeats the last of obs, nil unless that was a contended
// look, the other side has met no load, and a repetition is likely to help.
func (s RuleState) nextLookRepeat(obs []Observation) *RunRequest {
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
func (s RuleState) differentLoads(obs []Observation) string {
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
func (s RuleState) nextBeside(outlook Outlook, obs []Observation) *RunRequest {
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
