package rules

import (
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// An ablation leaves changes out of the head, one by one or in groups, and
// measures what that costs. What is not shown to pay is dropped:
//
//	suspects   changes that little is believed of, in groups that are halved until
//	           a group does not pay, which is dropped whole, or one change is left.
//	           From the second version of the rule on both halves of a group must not pay
//	           either, since a gain may be cancelled by a loss beside it
//	the others alone, the smallest claim first
//	shorter    changes that made the files shorter: they stay unless they hurt
//	the end    the trimmed head against the untrimmed: if it lost, drops are taken back
//
// Every test is made on the head as it was trimmed until then, so that of two
// changes that do the same, one stays.

// Level of each test of an ablation (Ville 1939): the chance that what brings
// nothing is kept, and that a gain of DetectableGain or more is dropped. A group test
// repeats the second for each halving on the way to the change.
const (
	idleKeptRisk    = .02
	gainDroppedRisk = .005
	lossMissedRisk  = .05 // of the end's two tests
	// separation is z(1-keptIdle) + z(1-droppedGain): a fixed number of pairs n
	// tells effects separation*s/sqrt(n) apart with those errors (Neyman & Pearson
	// 1933), which is what DetectableGain goes by.
	separation      = 2.054 + 2.576
	largestGroup    = 16  // a gain among many may be cancelled by their losses
	suspectBelow    = .75 // of DetectableGain: a smaller claim says little
	gainToKeep      = .98 // of the untrimmed head's
	minFitResiduals = 10  // the noise is not fitted to fewer
	maxTakeBacks    = 2   // halvings of the drops, before all are taken back
)

// AblationChange is a kept experiment as an ablation sees it.
type AblationChange struct {
	N       int     `json:"n"`
	Claim   float64 `json:"claim"` // what was believed of it, as a positive difference on the scale; 0 for nothing
	Shorter bool    `json:"shorter,omitempty"`
	// Ties are later changes that build on its lines: where it goes, they go.
	Ties []int `json:"ties,omitempty"`
}

// Ablation is what an ablation begins with, and the body of ablation.started.
// Everything it decides follows from this and the runs.
type Ablation struct {
	Of        string             `json:"of"`      // what is ablated: the incumbent's commit, and the contract
	Head      string             `json:"head"`    // commit
	Changes   []AblationChange   `json:"changes"` // that are in the head, oldest first
	NoiseKind research.NoiseKind `json:"class"`
	Scale     string             `json:"scale"`
	Better    research.Direction `json:"better"`
	// Residuals of the campaign's pairs, and S and Eps, the noise of a pair for as
	// long as there are too few of them; all on the scale.
	Residuals research.Floats `json:"residuals,omitempty"`
	S         float64         `json:"s,omitempty"`
	Eps       float64         `json:"eps,omitempty"`
	// Least is the gain, on the scale, from which on a change is worth its lines:
	// half of min_gain, since what a change brings within others is often less.
	Least float64 `json:"least"`
	Pairs int     `json:"pairs"`          // at most, of one comparison
	Zero  float64 `json:"zero,omitempty"` // what stands for 0 on the log scale, see RuleState
	// AsksHalves: a group that does not pay is asked again by halves before it is dropped;
	// false in records of the rule's first version.
	AsksHalves bool `json:"asks_halves,omitempty"`
}

func (a Ablation) MetricScale() metricScale { return metricScale{a.Scale, a.Better, a.Zero} }

// NewAblation is the ablation of a head with these changes by what st knows of
// the noise. pairs is the cap on those of a comparison.
func NewAblation(program contract.Program, st RuleState, changes []AblationChange, pairs int) Ablation {
	a := Ablation{Changes: changes, NoiseKind: st.NoiseKind, Scale: st.Scale, Better: program.Metric.Better,
		Pairs: pairs, Zero: st.Zero, AsksHalves: st.Version > FirstVersion}
	a.Least = NewAuto(program).baseRule().minGain(st) / 2

	if a.NoiseKind == research.Deterministic {
		a.Scale = linearScale // differences of exact values
		return a
	}

	a.Residuals, a.S, a.Eps = st.Residuals, st.S, max(st.Eps, outlierShare)
	if st.Auto != nil && len(st.Residuals) < minFitResiduals {
		noise := st.pairNoise(st.Auto.mixture())
		a.S, a.Eps = noise.s, noise.eps
	}

	return a
}

// ClaimedGain is what was believed of a kept experiment, as a positive difference
// on the scale of the ablation; 0 for nothing, and for one that a person kept
// against its verdict.
func (a Ablation) ClaimedGain(judgement *Judgement, overridden bool) float64 {
	scale := a.MetricScale()

	switch {
	case judgement == nil || overridden:
		return 0
	case a.NoiseKind == research.Deterministic:
		if judgement.Value == nil || judgement.Baseline == nil {
			return 0
		}

		return max(0, scale.Height(*judgement.Baseline)-scale.Height(*judgement.Value))
	case judgement.Claim != nil:
		return max(0, judgement.Claim.Gain)
	case judgement.Gain != nil && judgement.Scale == a.Scale:
		return max(0, scale.Size(judgement.Gain.Mid))
	}

	return 0
}

// DetectableGain is the smallest gain, on the scale, that is kept practically always.
func (a Ablation) DetectableGain() float64 {
	if a.NoiseKind == research.Deterministic {
		return a.Least
	}

	return a.Least + separation*a.S/math.Sqrt(float64(a.Pairs))
}

// ComparisonResult is what the runs of one comparison showed so far.
type ComparisonResult struct {
	Diffs []float64        // of pairs on the scale, without minus with: positive means that what was left out pays
	Unfit string           // why the version without can't be: it does not build, fails its check, breaks a guard
	Jobs  []research.JobID // that the runs are of
}

// Comparison asks for pairs of the head without Besides, and the same without Out too.
type Comparison struct {
	Besides []int
	Out     []int
	Pairs   int // how many more
	Last    bool
}

// AblationEffect is what an ablation found of one change.
type AblationEffect struct {
	N int `json:"n"`
	// one of the words below, or what is wrong with the head without it
	Why string `json:"why"`
	// that it brings to the trimmed head, with those of With; nil where nothing was measured
	Gain  *research.Interval `json:"gain,omitempty"`
	With  []int              `json:"with,omitempty"`  // others that were left out in the same comparison
	Pairs int                `json:"pairs,omitempty"` // of it
	Jobs  []research.JobID   `json:"jobs,omitempty"`
}

// Why a change stays or goes.
const (
	AblationPays      = "pays"
	AblationIdle      = "no gain shown"
	AblationHurts     = "hurts"
	AblationShorter   = "shorter"    // it does not hurt, and made the files shorter
	AblationTakenBack = "taken back" // without it and others the head lost too much
)

// AblationEnd is what an ablation came to, and the body of ablation.finished.
type AblationEnd struct {
	Of      string           `json:"of"`
	Kept    []AblationEffect `json:"kept"`    // in the order of the changes
	Dropped []AblationEffect `json:"dropped"` // the same
	// Gain of the trimmed head over the untrimmed, nil when nothing was dropped.
	Gain   *research.Interval `json:"gain,omitempty"`
	Pairs  int                `json:"pairs,omitempty"` // of that comparison
	Jobs   []research.JobID   `json:"jobs,omitempty"`
	Scale  string             `json:"scale"`
	Commit string             `json:"commit,omitempty"` // the trimmed head
	Tree   string             `json:"tree,omitempty"`
}

// DroppedExperiments are the experiments that were dropped.
func (e AblationEnd) DroppedExperiments() []int { return ExperimentNumbers(e.Dropped) }

// ExperimentNumbers are the experiments that the effects are of.
func ExperimentNumbers(effects []AblationEffect) []int {
	var ns []int
	for _, f := range effects {
		ns = append(ns, f.N)
	}

	return ns
}

// AblationStep is the next comparison, or the end. Exactly one is set.
type AblationStep struct {
	Compare *Comparison
	Done    *AblationEnd
}
