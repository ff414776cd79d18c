package rules

import (
	"ratchet/internal/research"
)

// A pair of runs is contended when others kept the machine busy during either
// half. It is repeated once, and the repetition counts, contended or not: load
// that stays is noise, which the interleaving spreads over both sides. So is a
// run that belongs to no pair, of a noisy metric. What is repeated depends on
// the load alone, never on a value, so the tests keep their levels. The number
// of a deterministic metric does not depend on the load: nothing is repeated. If
// it does after all, the runs differ, and the metric counts as noisy from then on.

// NextRepeat is the run that repeats a half of the last pair of obs, nil when the
// metric is deterministic, or that pair is not complete, not contended, has been
// repeated, or could not be.
func NextRepeat(kind research.NoiseKind, obs []Observation) *RunRequest {
	if kind == research.Deterministic {
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

// repeatingRule is a rule whose contended runs are repeated once.
type repeatingRule struct{ Rule }

// Next repeats what was contended, and otherwise asks the rule, which sees one
// run for each look and each half of a pair.
func (r repeatingRule) Next(st RuleState, outlook Outlook, obs []Observation) Step {
	if repeat := NextRepeat(st.NoiseKind, obs); repeat != nil {
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
	return r.Rule.Close(st.countLostTests(o), o, ResolveRepeats(obs), j)
}
