package rules

import (
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// A run is contended when others kept the machine busy beside it. What is repeated
// depends on the load alone, never on a value, so the tests keep their levels.
//
// States of version 1 and later. A contended look is repeated once, right away, for as
// long as that helps (LoadState), and both count: a sound run is never dropped for a
// slower one, and the belief weighs them. A pair is not repeated: where others were busy
// beside one of its runs only, it is unequal (UnequalReason), and another makes up for
// it; where beside both, it counts, since load that stays is noise, which the interleaving
// spreads over both sides. An experiment whose sides met different loads altogether is
// called neither better nor worse: first the side that met less is run again
// (loadRule.nextBeside), and if that does not help either it is inconclusive.
//
// States of version 0. A contended look, and a pair of which a half is contended, is
// repeated once, and the repetition counts instead, contended or not.
//
// The number of a deterministic metric does not depend on the load: nothing is repeated. If
// it does after all, the runs differ, and the metric counts as noisy from then on.

// NextRepeat is the run that repeats a half of the last pair of obs, by a state of
// version 0; nil for later ones, when the metric is deterministic, or that pair is not
// complete, not contended, has been repeated, or could not be.
func (st RuleState) NextRepeat(obs []Observation) *RunRequest {
	if st.NoiseKind == research.Deterministic || st.Version >= CurrentVersion {
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
// at one version; nil otherwise. A warm-up is no look.
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

// repeatingRule is a rule of version 0, whose contended runs are repeated once; states of
// later versions go to loadRule.
type repeatingRule struct {
	Rule
	metric contract.Metric
}

// Calibrated is the first state, with what the calibration shows of the load.
func (r repeatingRule) Calibrated(obs []Observation) (RuleState, error) {
	st, err := r.Rule.Calibrated(obs)
	if err != nil || st.Version < CurrentVersion || st.NoiseKind != research.Noisy {
		return st, err
	}

	return st.learnCalibrationLoad(obs), nil
}

// Next repeats what was contended, and otherwise asks the rule, which sees one
// run for each look and each half of a pair.
func (r repeatingRule) Next(st RuleState, outlook Outlook, obs []Observation) Step {
	if st.Version >= CurrentVersion {
		return loadRule(r).next(st, outlook, obs)
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
	if st.Version >= CurrentVersion {
		return loadRule(r).close(st, o, obs, j)
	}

	return r.Rule.Close(st.countLostTests(o), o, ResolveRepeats(obs), j)
}
