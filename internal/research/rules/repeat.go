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
func NextRepeat(class research.NoiseKind, obs []Observation) *RunRequest {
	if class == research.Deterministic {
		return nil
	}

	last := 0
	for _, o := range obs {
		last = max(last, o.Pair)
	}
	var first, second []Observation
	contended := false

	for _, o := range obs {
		switch {
		case o.Pair != last || last == 0 || !o.Valid && !o.Again:
		case !o.Valid:
			return nil
		case o.Again:
			second = append(second, o)
		default:
			first = append(first, o)
			contended = contended || o.Contended
		}
	}

	if len(first) != 2 || !contended || len(second) >= 2 {
		return nil
	}
	w := first[len(second)].RunRequest
	w.Again = true

	return &w
}

// repeatLook is the run that repeats the last of obs, if that was a contended look
// at one version; nil otherwise. A warm-up is no look.
func repeatLook(obs []Observation) *RunRequest {
	if len(obs) == 0 || !obs[len(obs)-1].isContendedLook() {
		return nil
	}
	w := obs[len(obs)-1].RunRequest
	w.Again = true

	return &w
}

// isContendedLook says that o is a look that its repetition, right after it, replaces.
func (o Observation) isContendedLook() bool {
	return o.Valid && o.Contended && o.Pair == 0 && !o.Again && !o.WarmUp
}

// ResolveRepeats is obs with one run for each look and each half of a pair: the
// repetition's where there is one. Invalid runs stay.
func ResolveRepeats(obs []Observation) []Observation {
	repeats := map[int]int{}

	for _, o := range obs {
		if o.Again && o.Valid {
			repeats[o.Pair]++
		}
	}

	if len(repeats) == 0 {
		return obs
	}
	var out []Observation

	for i, o := range obs {
		replaced := o.isContendedLook() && i+1 < len(obs) && obs[i+1].Again && obs[i+1].Valid
		if !o.Valid || o.Pair == 0 && !replaced || o.Pair > 0 && o.Again == (repeats[o.Pair] >= 2) {
			out = append(out, o)
		}
	}

	return out
}

// repeatingRule is a rule that repeats what was contended.
type repeatingRule struct{ Rule }

func (r repeatingRule) Next(st RuleState, o Outlook, obs []Observation) Step {
	if w := NextRepeat(st.NoiseKind, obs); w != nil {
		return Step{Run: w}
	}

	if w := repeatLook(obs); w != nil && st.NoiseKind == research.Noisy {
		return Step{Run: w}
	}
	st = st.countLostTests(o)

	step := r.Rule.Next(st, o, ResolveRepeats(obs))
	if step.Done != nil {
		step.Done.Runs = len(obs)
	}

	return step
}

func (r repeatingRule) Close(st RuleState, o Outlook, obs []Observation, j Judgement) RuleState {
	return r.Rule.Close(st.countLostTests(o), o, ResolveRepeats(obs), j)
}
