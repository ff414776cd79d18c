package rules

import (
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Auto is the full rule. It searches by the value of information, adopts edits
// on expected gain alone, and proves the accumulated head as a whole against
// the last checkpoint. A campaign is driven like this, every step a pure
// function of the state, what is left, and the observations so far:
//
//	Calibrate … Calibrated              → RuleState
//	Plan                                → propose | certify | end
//	propose: Next … Next, Close, AfterKeep (if kept)
//	certify: NextPair … NextPair, CloseCertificate; certified → the checkpoint
//	         is the head, rolled_back → the head is the checkpoint
//
// What it promises: in a campaign whose edits gain nothing, the chance of even
// one `certified` is at most 5 %, given the noise model of a pair (contaminated
// normal) and interleaved fresh pairs. What is adopted but not certified is no
// gain; a certificate says nothing of any single edit of its chain, and most
// edits of a chain bring nothing.
//
// A guard's max_growth is compared by medians when an edit is adopted, and by
// evidence when the head is certified: see guardTest.
//
// Limits: a metric whose gains shrink as others are taken is only approximately followed.
type Auto struct {
	Metric contract.Metric
	Guards []contract.Guard
	// Rope is the smallest gain worth having, on the scale; 0 derives it:
	// min_gain where the program gives one, else .3 % of the incumbent.
	Rope float64
	// KeepBar is the share of Rope that an edit must be expected to bring to be
	// adopted; 0 is keepShare, and .05 in the first version.
	KeepBar float64
	// Version is that of the states that a calibration begins.
	Version int
}

// NewAuto is the program's full rule.
func NewAuto(p contract.Program) Auto {
	return Auto{Metric: p.Metric, Guards: p.Guards, Version: CurrentVersion}
}

// AutoState is what auto carries from experiment to experiment of a noisy
// metric, beside the noise of a pair and the counts of e-LOND that RuleState
// has in either mode. Functions never change the one given.
type AutoState struct {
	Belief AutoBelief `json:"belief"`
	// On the scale: the smallest gain worth having, the largest effect believed
	// in, and the m of a certificate's null "gain <= m".
	Rope      float64 `json:"rope"`
	Top       float64 `json:"top"`
	MinEffect float64 `json:"min_effect"`
	Price     float64 `json:"price"`  // of a run, in units of the scale; 0 before the first proposal
	Gained    float64 `json:"gained"` // sum of the adopted edits' expected gains, all campaign
	// Claim is the believed gain of the head over the checkpoint, with its variance;
	// Chain the number of edits between them.
	Claim    float64 `json:"claim"`
	ClaimVar float64 `json:"claim_var"`
	Chain    int     `json:"chain"`
	// Late says that the main certificate is behind: little is kept back from here on.
	Late bool `json:"late,omitempty"`
	// IfKept is what changes should the experiment just closed become the head.
	IfKept *Adoption `json:"if_kept,omitempty"`
}

// Claim is the expected gain of an edit, with its variance, on the scale.
type Claim struct {
	Gain float64 `json:"gain"`
	Var  float64 `json:"var"`
}

// Adoption is what keeping an edit does to the belief: its claim, and the level
// that the head then has under each hypothesis.
type Adoption struct {
	N int `json:"n,omitempty"` // the experiment, 0 for the one closed last
	Claim
	Levels research.Floats `json:"levels"`
	Vars   research.Floats `json:"vars"`
}

// keepShare is KeepBar's default from the second version on: keeping what is expected to
// gain less carries more edits without a gain than it is worth (docs/evidence.md has the
// curve).
const keepShare = .2

// baseRule calibrates, and decides deterministic metrics.
func (a Auto) baseRule() baseRule { return baseRule{a.Metric, a.Guards, a.Version} }

// Calibrate names the next run of the start version, or nil when obs is
// enough: two for a metric declared deterministic that are equal, else three
// after a discarded warm-up, more where runs are short, one where they are long. An
// invalid run ends it.
func (a Auto) Calibrate(obs []Observation) *RunRequest {
	return a.baseRule().Calibrate(obs, noiseRuns{least: autoCalibration, isShortened: true})
}

// Calibrated folds a finished calibration into the first state. Its errors
// (program) say what was wrong with a run.
func (a Auto) Calibrated(obs []Observation) (RuleState, error) {
	counted, values, err := a.baseRule().countedRuns(obs)
	if err != nil {
		return RuleState{}, err
	}

	if len(values) == 0 || a.Calibrate(obs) != nil {
		return RuleState{}, unfinishedError(values)
	}

	st := a.baseRule().newState(obs, counted, values, SearchAuto)
	if st.NoiseKind == research.Deterministic {
		return st, nil
	}

	return a.noisy(st, noiseValues(a.Version, obs, values)), nil
}

// noisy starts the belief of a metric known to be noisy from runs of one version.
func (a Auto) noisy(st RuleState, values []float64) RuleState {
	auto := AutoState{Rope: a.Rope, MinEffect: a.baseRule().minGain(st)}

	if auto.Rope <= 0 {
		given := 0.0
		if a.Metric.MinGainSet {
			given = auto.MinEffect
		}

		auto.Rope = st.rope(given)
	}

	auto.Top = autoTop(st.Scale, auto.Rope)
	auto.Belief = newMixture(st.heights(values), auto.Rope, auto.Top,
		leastRunNoise(st, auto.Rope, values), st.Version).AutoBelief
	st.Auto = &auto

	return st
}

// leastRunNoise is the smallest standard deviation of a run that a belief begins around.
// Calibration runs that happen to be equal, as a coarse clock makes them, do not mean
// that there is no noise.
func leastRunNoise(s RuleState, rope float64, values []float64) float64 {
	if s.Version == FirstVersion {
		return rope / 100
	}

	least := max(rope/2, leastPairNoise(s, successiveDiffs(s.heights(values)))/math.Sqrt2)
	if s.isNoiseUnknown() { // two runs may be close by chance
		least = max(least, rope)
	}

	return least
}

// demote is a deterministic state whose incumbent gave these values, as a noisy one:
// all that was kept on single runs is one chain that claims the difference.
func (a Auto) demote(st RuleState, values []float64) RuleState {
	was := st.Values

	st = st.demote(values)
	if !st.fitsScale(was) {
		return st
	}

	st = a.noisy(st, values)
	scale := st.MetricScale()
	st.Auto.Chain = st.OneRun
	st.Auto.Claim = scale.Height(was[0]) - scale.Height(st.Incumbent)
	st.Auto.Gained = st.Auto.Claim

	return st
}

// autoTop is the largest effect believed in: a factor e on the log scale (.3
// for a metric whose ropes are as fine as a loss's), else 333 ropes.
func autoTop(scale string, rope float64) float64 {
	switch {
	case scale != LogScale:
		return rope * 1000 / 3
	case rope < .001:
		return .3
	}

	return max(1, 8*rope)
}

// keepBar is the gain, on the scale, that an edit must be expected to bring.
func (a Auto) keepBar(st RuleState) float64 {
	if a.KeepBar > 0 {
		return a.KeepBar * st.Auto.Rope
	}

	if st.Version > FirstVersion {
		return keepShare * st.Auto.Rope
	}

	return .05 * st.Auto.Rope
}

// continueFrom is a fresh calibration's state in a campaign that has a past: what
// was learnt of proposals stays, and so do the chain and its claim; the belief of
// noise and level starts again.
func (s AutoState) continueFrom(old AutoState) *AutoState {
	s.Claim, s.ClaimVar, s.Chain = old.Claim, old.ClaimVar, old.Chain
	s.Price, s.Gained, s.Late = old.Price, old.Gained, old.Late

	if len(old.Belief.Counts) == len(s.Belief.Counts) && s.Rope == old.Rope {
		s.Belief.Counts, s.Belief.Closed = old.Belief.Counts, old.Belief.Closed
	}

	return &s
}

// afterKeep is the state after the experiment closed last has become the head.
func (s AutoState) afterKeep() *AutoState {
	kept := *s.IfKept
	s.IfKept = nil
	s.Belief.Levels, s.Belief.Vars = kept.Levels, kept.Vars

	return s.withClaim(kept.Claim)
}

// afterLateKeep is the state after an experiment that was closed earlier than the
// last one has become the head: its level moves by what is claimed.
func (s AutoState) afterLateKeep(kept Claim) *AutoState {
	belief := s.mixture()
	belief.shiftLevel(-kept.Gain, kept.Var)
	s.Belief, s.IfKept = belief.AutoBelief, nil

	return s.withClaim(kept)
}

// withClaim is the state with one more edit in the chain.
func (s AutoState) withClaim(kept Claim) *AutoState {
	s.Claim += kept.Gain
	s.ClaimVar += kept.Var
	s.Gained += kept.Gain
	s.Chain++

	return &s
}

// afterUndo is the state after the keep that made the claim was undone.
func (s AutoState) afterUndo(kept Claim) *AutoState {
	belief := s.mixture()
	belief.shiftLevel(kept.Gain, kept.Var)
	s.Belief, s.IfKept = belief.AutoBelief, nil
	s.Gained -= kept.Gain

	// Without a chain the edit was certified: the checkpoint moves back with the head.
	if s.Chain == 0 {
		return &s
	}

	s.Claim -= kept.Gain
	s.ClaimVar = math.Max(0, s.ClaimVar-kept.Var)
	s.Chain--

	return &s
}

func (s AutoState) mixture() *mixture { return s.Belief.toMixture(s.Rope, s.Top) }
