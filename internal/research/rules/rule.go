package rules

import (
	"maps"
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Side is which version a run is of.
type Side string

const (
	Candidate Side = "candidate"
	Incumbent Side = "incumbent"
	Start     Side = "start"
)

// RunRequest is a run that a rule asks for.
type RunRequest struct {
	Side   Side          `json:"side"`
	Role   research.Role `json:"role"`
	Pair   int           `json:"pair,omitempty"`  // from 1, for role confirm
	Order  string        `json:"order,omitempty"` // BC | CB
	WarmUp bool          `json:"warm_up,omitempty"`
	Again  bool          `json:"again,omitempty"` // repeats the half of a contended pair
}

// Observation is a finished run as a rule sees it. Value is raw, in the
// metric's unit; it is meaningless when Valid is false.
type Observation struct {
	RunRequest
	Valid     bool
	Reason    string
	Value     float64
	Of        int               // items that Value is a share of, 0 where it is none
	Items     research.Outcomes // of these items, nil where they are not known
	Guards    map[string]float64
	Contended bool    // others kept the machine busy meanwhile
	Unequal   bool    // it ends a pair whose runs can't be compared
	Wall      float64 // its length in seconds, 0 where that is not known
	Unit      string  // see Run.Unit
	// BrokenGuard is set on a run of a certificate or an audit, see Run.BrokenGuard.
	BrokenGuard string
}

// Step is a rule's answer: one more run, or the judgement. Exactly one is set.
type Step struct {
	Run  *RunRequest
	Done *Judgement
}

// RuleState is what a rule carries from experiment to experiment. It is stored
// in calibration.finished and experiment.judged, so that a verdict can be
// derived again from the records alone.
type RuleState struct {
	// Version is the rule's, set by the calibration that the state began with: what is
	// derived again from an older ledger follows the rule that judged it.
	Version   int                `json:"rule,omitempty"`
	NoiseKind research.NoiseKind `json:"class"`            // deterministic | noisy; "" before calibration
	Scale     string             `json:"scale,omitempty"`  // log | linear | count | share
	Values    []float64          `json:"values,omitempty"` // the calibration's samples, raw
	// Step is the smallest difference between two values, 0 where it is too fine to matter;
	// Zero what stands for the value 0 on the log scale, 0 where that is a fault.
	Step float64 `json:"step,omitempty"`
	Zero float64 `json:"zero,omitempty"`
	// Of is how many items the value is a share of, 0 where it is none; Full the value of all
	// of them, 1 or 100; ItemVar the variance of a run by what its items did in the
	// calibration, 0 where they are not known.
	Of      int     `json:"of,omitempty"`
	Full    float64 `json:"full,omitempty"`
	ItemVar float64 `json:"item_var,omitempty"`
	// Unit is what the number was printed in by the calibration's runs, see Run.Unit; "" where
	// that is not known, as in older states.
	Unit string `json:"printed_unit,omitempty"`
	// Start holds the guards' medians at the campaign's start.
	Start map[string]float64 `json:"start_guards,omitempty"`
	// Guards holds what is known besides of those with max_growth.
	Guards map[string]GuardState `json:"guards,omitempty"`
	// Incumbent is the incumbent's value (deterministic: exact; noisy: level), raw.
	Incumbent float64 `json:"incumbent"`
	// Residuals of paired differences on Scale, the last 120; S and Eps are the noise model fitted to them.
	Residuals research.Floats `json:"residuals,omitempty"`
	S         float64         `json:"s,omitempty"`
	Eps       float64         `json:"eps,omitempty"`
	// Level and LevelVar are the level tracker of the incumbent, on Scale, lower is better.
	Level    float64 `json:"level,omitempty"`
	LevelVar float64 `json:"level_var,omitempty"`
	Screens  int     `json:"screens,omitempty"` // since the incumbent was last run
	TestCount
	OneRun  int  `json:"one_run,omitempty"` // keeps that stand and were decided by a single run
	Demoted bool `json:"demoted,omitempty"` // was deterministic until a repeat differed
	// Better is the metric's direction, which Scale's values are turned by.
	Better research.Direction `json:"better,omitempty"`
	// Load is what is known of what others' load does, nil in states of the first version and of
	// deterministic metrics.
	Load *LoadState `json:"load,omitempty"`
	// Note is what a person should know of the last calibration or demotion, "" for nothing.
	Note string `json:"note,omitempty"`
	// Auto is what search: auto carries besides, nil until its metric is known to be noisy.
	Auto *AutoState `json:"auto,omitempty"`
}

// The versions of the rule. A record without one was judged by the first.
const (
	FirstVersion   = 0 // one look may call a loss; contended looks are repeated whatever it costs
	CurrentVersion = 1
)

// TestCount counts e-LOND's tests. It is the campaign's, whose tests are one sequence
// whatever they are about; the rest of a RuleState is of one line of descent. In
// records both are one flat object.
type TestCount struct {
	Tests int `json:"tests"`        // confirmations (auto: certificates tried) so far, t of e-LOND
	Kept  int `json:"certificates"` // improved verdicts (auto: certificates passed) so far, R of e-LOND
	// SimpleTests and SimpleKept are t and R of the stream that shorter edits are tested in.
	SimpleTests int `json:"simple_tests,omitempty"`
	SimpleKept  int `json:"simple_kept,omitempty"`
	// Sequence is the search mode that the campaign began in: its e-LOND sequence
	// outlives a change of mode.
	Sequence  string `json:"sequence,omitempty"`
	LostTests int    `json:"lost_tests,omitempty"` // of the campaign, that Tests has in it
}

// Rule decides, run by run, what is known of one experiment. Implementations
// are pure: the same arguments give the same answer, and nothing is remembered
// between calls. Auto, which also certifies the head, is the other half of
// search: auto.
type Rule interface {
	// Calibrate names the next run of the start version, or nil when obs is enough.
	Calibrate(obs []Observation) *RunRequest
	// Calibrated folds a finished calibration into the first state. An invalid
	// observation among obs is an error that says what is wrong with it.
	Calibrated(obs []Observation) (RuleState, error)
	// Next names the experiment's next run or judges it. o is the same for every
	// call about one experiment; obs holds its runs in order. An invalid run of
	// the candidate judges it invalid; the State of a judgement is the state
	// before (Close makes the next).
	Next(st RuleState, o Outlook, obs []Observation) Step
	// Close folds a judged experiment into the state, when the verdict falls.
	// Whether it will be kept is not known yet: see RuleState.Moved.
	Close(st RuleState, o Outlook, obs []Observation, j Judgement) RuleState
}

// The values of Program.Search.
const (
	SearchAuto    = "auto"
	SearchCertify = "certify"
)

// NewRule is the rule that the program asks for, in its current version. What is done
// about runs beside which others kept the machine busy is the same in either mode.
func NewRule(program contract.Program) Rule { return NewRuleOfVersion(program, CurrentVersion) }

// NewRuleOfVersion is the rule whose calibrations begin states of that version. What
// comes after a calibration follows the version of its state.
func NewRuleOfVersion(program contract.Program, version int) Rule {
	if program.Search == SearchCertify {
		certify := newCertify(program)
		certify.Version = version

		return repeatingRule{certify, program.Metric}
	}

	auto := NewAuto(program)
	auto.Version = version

	return repeatingRule{auto, program.Metric}
}

// AfterKeep is the state after the experiment that j judged, the one closed last,
// has become the incumbent. Without a value in j nothing changes.
func (s RuleState) AfterKeep(judgement Judgement) RuleState {
	if judgement.Value == nil || !research.IsFinite(*judgement.Value) {
		return s
	}

	s.Incumbent = *judgement.Value
	switch {
	case s.NoiseKind == research.Deterministic:
		s.OneRun++
	case s.Auto != nil && s.Auto.IfKept != nil && (s.Auto.IfKept.N == 0 || s.Auto.IfKept.N == judgement.N):
		s.Auto = s.Auto.afterKeep()
		return s
	case s.Auto != nil && judgement.Claim != nil: // another was closed since
		s.Auto = s.Auto.afterLateKeep(*judgement.Claim)
		return s
	}

	return s.shiftLevel(judgement, 1).addGrowth(judgement.Growth, 1)
}

// AfterUndo is the state after that keep was undone. It must be the last keep
// that stands.
func (s RuleState) AfterUndo(judgement Judgement) RuleState {
	if judgement.Baseline == nil || !research.IsFinite(*judgement.Baseline) {
		return s
	}

	s.Incumbent = *judgement.Baseline
	if s.OneRun > 0 && judgement.StoppedBy == "one_run" {
		s.OneRun--
	}

	if s.Auto != nil && judgement.Claim != nil {
		s.Auto = s.Auto.afterUndo(*judgement.Claim)
		return s
	}

	return s.shiftLevel(judgement, -1).addGrowth(judgement.Growth, -1)
}

// AfterOverride is the state after a person kept the experiment that j judged
// against that verdict. It claims nothing and joins no chain; the level of a
// noisy metric is for a calibration to find.
func (s RuleState) AfterOverride(j Judgement) RuleState {
	if s.NoiseKind == research.Deterministic {
		return s.AfterKeep(j)
	}

	return s.withoutPending()
}

// AfterOverrideUndone is the state after that was undone.
func (s RuleState) AfterOverrideUndone(j Judgement) RuleState {
	if s.NoiseKind == research.Deterministic {
		return s.AfterUndo(j)
	}

	return s.withoutPending()
}

// withoutPending is the state without what keeping the experiment closed last
// would change.
func (s RuleState) withoutPending() RuleState {
	if s.Auto != nil {
		auto := *s.Auto
		auto.IfKept = nil
		s.Auto = &auto
	}

	return s
}

// shiftLevel moves the tracked level by j's estimated gain, once forwards (+1) or back (-1).
func (s RuleState) shiftLevel(judgement Judgement, sign float64) RuleState {
	if s.NoiseKind != research.Noisy || judgement.Gain == nil || judgement.Scale != s.Scale {
		return s
	}
	s.Level -= sign * s.MetricScale().Size(judgement.Gain.Mid)
	s.LevelVar += medianEff * medianEff * s.S * s.S / float64(max(judgement.Pairs, 1))

	return s
}

// AfterRepeats is the state after repeated runs of one commit, outside any
// experiment of p. A deterministic metric whose repeats differ is demoted to
// noisy: what was kept on one run is then unverified, and in search auto it is
// the chain that the next certificate judges. For a noisy one the runs tell
// more of the noise. Values that are not finite, or not on the scale, are ignored.
func (s RuleState) AfterRepeats(program contract.Program, values []float64) RuleState {
	if len(values) < 2 || s.NoiseKind == "" || !s.fitsScale(values) {
		return s
	}

	if s.NoiseKind == research.Noisy {
		return s.learnNoise(successiveDiffs(s.heights(values)))
	}

	if allEqual(values) {
		return s
	}

	if program.Search == SearchCertify {
		return s.demote(values)
	}

	return NewAuto(program).demote(s, values)
}

// alphaNext is the level of the campaign's next test.
func (s RuleState) alphaNext() float64 {
	if s.Sequence == SearchAuto {
		return AutoAlpha(s.Tests+1, s.Kept)
	}

	return CertifyAlpha(s.Tests+1, s.Kept)
}

// Continue is a fresh calibration's state in a campaign that has a past: the
// confirmations and certificates already counted, and the guards' values at the
// campaign's start, outlive every recalibration. After the zero state it is s.
func (s RuleState) Continue(old RuleState) RuleState {
	s.Tests, s.Kept = max(s.Tests, old.Tests), max(s.Kept, old.Kept)
	s.SimpleTests, s.SimpleKept = max(s.SimpleTests, old.SimpleTests), max(s.SimpleKept, old.SimpleKept)
	s.OneRun, s.LostTests = old.OneRun, max(s.LostTests, old.LostTests)
	s.Demoted = s.Demoted || old.Demoted && s.NoiseKind == research.Noisy

	if old.Sequence != "" {
		s.Sequence = old.Sequence
	}

	switch {
	case old.Auto == nil:
	case s.Auto == nil: // certify mode carries the chain along
		auto := *old.Auto
		auto.IfKept = nil
		s.Auto = &auto
	default:
		s.Auto = s.Auto.continueFrom(*old.Auto)
	}

	s.Guards = continueGuards(s.Guards, old.Guards)

	if len(old.Start) > 0 {
		start := maps.Clone(old.Start)
		for name, v := range s.Start {
			if _, known := start[name]; !known {
				start[name] = v
			}
		}

		s.Start = start
	}

	return s
}

// demote makes the state noisy from here on, since runs of the incumbent gave these values.
func (s RuleState) demote(values []float64) RuleState {
	s.NoiseKind, s.Demoted, s.Residuals = research.Noisy, true, nil
	s.Note = "repeated runs of one version differed: the metric counts as noisy from here on, " +
		"and what was kept on a single run is unverified"

	if !s.MetricScale().fits(s.Incumbent) {
		s.Scale = linearScale
	}

	s.Level = s.MetricScale().Height(s.Incumbent)

	return s.learnNoise(successiveDiffs(s.heights(values)))
}

// learnNoise adds residuals of paired differences and fits the noise again. The new
// slice shares nothing with the old. Residuals too large to square are left out.
func (s RuleState) learnNoise(residuals []float64) RuleState {
	all := append([]float64(nil), s.Residuals...)

	for _, r := range residuals {
		if research.IsFinite(r * r * keptResiduals) {
			all = append(all, r)
		}
	}

	if len(all) > keptResiduals {
		all = all[len(all)-keptResiduals:]
	}

	noise := fitNoise(all, leastPairNoise(s, all))
	s.Residuals, s.S, s.Eps = all, noise.s, noise.eps

	return s
}

// MetricScale is the scale that values are compared on.
func (s RuleState) MetricScale() metricScale { return metricScale{s.Scale, s.Better, s.Zero} }

// heights are values on the scale, lower is better.
func (s RuleState) heights(values []float64) []float64 {
	ys := make([]float64, len(values))
	for i, v := range values {
		ys[i] = s.MetricScale().Height(v)
	}

	return ys
}

// fitsScale says whether every value has a place on the scale.
func (s RuleState) fitsScale(values []float64) bool {
	for _, v := range values {
		if !(math.Abs(v) <= largest) || !s.MetricScale().fits(v) {
			return false
		}
	}

	return true
}

// rope is the smallest gain worth having, on the scale (a region of practical
// equivalence, Kruschke 2018): the program's m or, without one, .3 % of the
// incumbent (around zero: a twentieth of the noise). Of a count and a share it is at
// least one item.
func (s RuleState) rope(m float64) float64 {
	isOfItems := research.IsOfItems(s.Scale)

	switch {
	case m > 0 && !isOfItems:
		return m
	case s.Scale == LogScale:
		return smallRatio
	case m <= 0:
		m = max(smallRatio*math.Abs(s.Incumbent), s.S/20, 1e-12)
	}

	if isOfItems {
		m = max(m, s.Step)
	}

	return m
}

// NewObservation is a recorded run as a rule sees it.
func NewObservation(run Run, metric contract.Metric) Observation {
	v, ok := run.Samples[metric.Name]

	observation := Observation{
		RunRequest: RunRequest{Side: run.Side, Role: run.Role, Pair: run.Pair, Order: run.Order, WarmUp: run.WarmUp,
			Again: run.Again},
		Valid: run.Valid, Reason: run.Reason, Value: v, Of: run.Of, Items: run.Items, Guards: run.Samples,
		Contended: run.Contended, Unequal: run.Unequal != "", Wall: run.Wall, Unit: run.Unit,
		BrokenGuard: run.BrokenGuard,
	}
	if observation.Valid && !ok {
		observation.Valid, observation.Reason = false, "the run has no sample of "+metric.Name
	}

	return observation
}
