package rules

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// guardResiduals bounds GuardState.Residuals.
const guardResiduals = 40

// GuardState is what a campaign knows of a guard with max_growth, beside its
// value at the start.
type GuardState struct {
	Scale string `json:"scale"` // log | linear
	// Exact says that every repeat of one version gave the same value so far: one
	// comparison decides. The other fields describe a noisy guard.
	Exact bool `json:"exact,omitempty"`
	// Residuals of paired differences on Scale, the last 40; S and Eps are the noise model fitted to them.
	Residuals []float64 `json:"residuals,omitempty"`
	S         float64   `json:"s,omitempty"`
	Eps       float64   `json:"eps,omitempty"`
	// Growth of the last proven version over the start, on Scale.
	Growth
}

// Growth is what a guard has grown by, on its scale, with the variance of that estimate.
type Growth struct {
	Mid float64 `json:"mid"`
	Var float64 `json:"var"`
}

// brokenBound checks a run against the guards' own bounds.
func (r baseRule) brokenBound(o Observation) string { return BrokenBound(r.guards, o.Guards) }

// BrokenBound says which guard's own bound a run's samples break, "" for none.
func BrokenBound(guards []contract.Guard, samples map[string]float64) string {
	for _, guard := range guards {
		x, ok := samples[guard.Name]
		switch {
		case !ok:
			return fmt.Sprintf("the guard %s was not measured", guard.Name)
		case !research.IsFinite(x):
			return fmt.Sprintf("the guard %s is not a finite number", guard.Name)
		case guard.Max != nil && x > *guard.Max:
			return fmt.Sprintf("guard %s = %s breaks max %s", guard.Name, wording.FormatValue(x, ""),
				wording.FormatValue(*guard.Max, ""))
		case guard.Min != nil && x < *guard.Min:
			return fmt.Sprintf("guard %s = %s breaks min %s", guard.Name, wording.FormatValue(x, ""),
				wording.FormatValue(*guard.Min, ""))
		}
	}

	return ""
}

// checkGrowth turns j invalid when the candidate's median of a guard exceeds
// what max_growth allows over the campaign's start, and notes in j what it
// grew by. It compares points: for one run, and for what is only adopted provisionally.
func (r baseRule) checkGrowth(st RuleState, obs []Observation, judgement *Judgement) {
	now := r.guardMedians(runsOfSide(obs, Candidate))

	for _, guard := range r.guards {
		start, hasStart := st.Start[guard.Name]
		if guard.MaxGrowth == nil || !hasStart {
			continue
		}

		value := now[guard.Name]
		if guard.IsExceeded(value, start) {
			judgement.Verdict, judgement.StoppedBy, judgement.Reason = research.Invalid, "invalid",
				guard.DescribeExcess(value, start)
			return
		}

		state, known := st.Guards[guard.Name]
		if !known || judgement.StoppedBy != "one_run" || !state.fitsScale(value) {
			continue
		}

		if judgement.Growth == nil {
			judgement.Growth = map[string]Growth{}
		}

		judgement.Growth[guard.Name] = Growth{Mid: state.height(value) - state.height(start) - state.Mid,
			Var: state.S * state.S}
	}
}

// GrownGuard says which guard with max_growth an audit's head exceeds, by the medians of
// the runs, over what it was at the campaign's start and in the audit's runs of the start;
// "" for none.
func GrownGuard(guards []contract.Guard, st RuleState, obs []Observation) string {
	for _, guard := range guards {
		head := guardValues(runsOfSide(obs, Incumbent), guard.Name)
		start := guardValues(runsOfSide(obs, Start), guard.Name)
		was, known := st.Start[guard.Name]

		if guard.MaxGrowth == nil || !known || len(head) == 0 || len(start) == 0 {
			continue
		}

		value, then := median(head), median(start)
		if guard.IsExceeded(value, was) && guard.IsExceeded(value, then) {
			return guard.DescribeExcess(value, was)
		}
	}

	return ""
}

func runsOfSide(obs []Observation, s Side) []Observation {
	var own []Observation

	for _, o := range obs {
		if o.Side == s {
			own = append(own, o)
		}
	}

	return own
}

// guardMedians gives each guard's median over the observations that have it.
func (r baseRule) guardMedians(obs []Observation) map[string]float64 {
	if len(r.guards) == 0 || len(obs) == 0 {
		return nil
	}
	medians := map[string]float64{}

	for _, g := range r.guards {
		if xs := guardValues(obs, g.Name); len(xs) > 0 {
			medians[g.Name] = median(xs)
		}
	}

	return medians
}

func guardValues(obs []Observation, name string) []float64 {
	var xs []float64

	for _, o := range obs {
		if x, ok := o.Guards[name]; ok && research.IsFinite(x) {
			xs = append(xs, x)
		}
	}

	return xs
}

// newGuardStates is what a calibration's runs tell of the guards with max_growth.
func (r baseRule) newGuardStates(counted []Observation) map[string]GuardState {
	var states map[string]GuardState

	for _, guard := range r.guards {
		xs := guardValues(counted, guard.Name)
		if guard.MaxGrowth == nil || len(xs) == 0 {
			continue
		}
		s := GuardState{Scale: scaleOf(xs), Exact: allEqual(xs)}

		if states == nil {
			states = map[string]GuardState{}
		}

		if !s.Exact {
			s = s.learnNoise(successiveDiffs(s.heights(xs)), s.height(median(xs)))
		}
		states[guard.Name] = s
	}

	return states
}

// height is a value's place on the guard's scale.
func (s GuardState) height(x float64) float64 { return newScale(s.Scale, research.Lower).Height(x) }

// fitsScale says whether x has a place on the scale.
func (s GuardState) fitsScale(x float64) bool {
	return research.IsFinite(x) && (s.Scale != LogScale || x > 0)
}

func (s GuardState) heights(xs []float64) []float64 {
	ys := make([]float64, 0, len(xs))
	for _, x := range xs {
		if s.fitsScale(x) {
			ys = append(ys, s.height(x))
		}
	}

	return ys
}

// learnNoise adds residuals of paired differences and fits the noise again; level
// is the guard's, whose ten thousandth is the finest noise believed in.
func (s GuardState) learnNoise(residuals []float64, level float64) GuardState {
	all := append(append([]float64(nil), s.Residuals...), residuals...)

	s.Residuals = all[max(0, len(all)-guardResiduals):]
	if len(all) == 0 {
		return s
	}

	floor := 1e-4
	if s.Scale != LogScale {
		floor = max(1e-4*math.Abs(level), 1e-12)
	}

	noise := fitNoise(s.Residuals, floor)
	s.S, s.Eps = noise.s, noise.eps

	return s
}

// learnGuards is the guards' state after an experiment or a certificate. An
// exact one whose repeats differed is noisy from then on.
func (r baseRule) learnGuards(st RuleState, obs []Observation) map[string]GuardState {
	if len(st.Guards) == 0 {
		return st.Guards
	}

	states := maps.Clone(st.Guards)
	for name, guard := range states {
		repeats := guard.repeatDiffs(obs, name)
		if guard.Exact && allZero(repeats) {
			continue
		}
		guard.Exact = false
		states[name] = guard.learnNoise(repeats, guard.height(st.Start[name]))
	}

	return states
}

// repeatDiffs are differences of runs of one version: of those in pairs around the
// pairs' median, else of consecutive runs of one side.
func (s GuardState) repeatDiffs(obs []Observation, name string) []float64 {
	if ds := s.pairedDiffs(obs, name, Candidate); len(ds) >= 2 {
		return aroundMedian(ds)
	}

	if ds := s.pairedDiffs(obs, name, Incumbent); len(ds) >= 2 {
		return aroundMedian(ds)
	}

	var ds []float64
	for _, of := range []Side{Candidate, Incumbent, Checkpoint} {
		ds = append(ds, successiveDiffs(s.heights(guardValues(runsOfSide(obs, of), name)))...)
	}

	return ds
}

// pairedDiffs are the differences of complete pairs, in the order in which the
// pairs began: of minus the other side.
func (s GuardState) pairedDiffs(obs []Observation, name string, of Side) []float64 {
	type halves struct{ own, other *float64 }
	pairs, order := map[int]*halves{}, []int(nil)

	for _, observation := range obs {
		value, ok := observation.Guards[name]
		if observation.Pair == 0 || !observation.Valid || !ok || !s.fitsScale(value) {
			continue
		}

		if pairs[observation.Pair] == nil {
			pairs[observation.Pair] = &halves{}
			order = append(order, observation.Pair)
		}

		height := s.height(value)
		if observation.Side == of {
			pairs[observation.Pair].own = &height
		} else {
			pairs[observation.Pair].other = &height
		}
	}

	var diffs []float64
	for _, n := range order {
		if pair := pairs[n]; pair.own != nil && pair.other != nil {
			diffs = append(diffs, *pair.own-*pair.other)
		}
	}

	return diffs
}

// allZero says whether no number differs from 0.
func allZero(xs []float64) bool {
	for _, x := range xs {
		if x != 0 {
			return false
		}
	}

	return true
}

// GuardValue is what a guard's number was with the candidate.
type GuardValue struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"` // the median of its valid runs
}

// GuardValues are the guards' values in an experiment's runs, in the program's order. A
// guard that no valid run of the candidate has a value of is left out.
func GuardValues(program contract.Program, runs []Run) []GuardValue {
	var all []GuardValue

	for _, guard := range program.Guards {
		var values []float64
		for _, run := range runs {
			if v, ok := run.Samples[guard.Name]; ok && run.Valid && run.Side == Candidate {
				values = append(values, v)
			}
		}

		if len(values) > 0 {
			slices.Sort(values)
			all = append(all, GuardValue{guard.Name, (values[(len(values)-1)/2] + values[len(values)/2]) / 2})
		}
	}

	return all
}
