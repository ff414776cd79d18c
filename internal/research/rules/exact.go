package rules

import (
	"fmt"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// A deterministic metric is decided by one run of the candidate, with one exception:
// before an edit is improved it is run once more, since the edit itself can make the
// number random, and be lucky once. Where the two differ, the incumbent is run too: if it
// gives its value again, the candidate is what is random, and is invalid; if it does not,
// the metric was never deterministic, and is noisy from then on (AfterRepeats).

// nextExact asks for a run of a deterministic metric, or judges by what there is. A
// state whose incumbent has been seen to differ is not for it: see seenIncumbents.
func (r baseRule) nextExact(st RuleState, obs []Observation) Step {
	candidates := runsOfSide(obs, Candidate)
	if len(candidates) == 0 {
		return Step{Run: &RunRequest{Side: Candidate, Role: research.Screen}}
	}

	judgement := r.compareExactly(st, candidates[len(candidates)-1].Value)

	if st.Version != FirstVersion {
		isFirst := len(candidates) == 1

		switch {
		case isFirst && judgement.Verdict == research.Improved:
			return Step{Run: &RunRequest{Side: Candidate, Role: research.Screen}}
		case !isFirst && candidates[0].Value != candidates[1].Value:
			if len(candidates) == len(obs) {
				return Step{Run: &RunRequest{Side: Incumbent, Role: research.Anchor}}
			}

			return conclude(newInvalid(r.describeRandom(st, candidates)), st, obs)
		}
	}

	if judgement.Verdict != research.Regressed {
		r.checkGrowth(st, obs, judgement)
	}

	return conclude(judgement, st, obs)
}

// describeRandom says that the candidate, and not the incumbent, gave two values.
func (r baseRule) describeRandom(st RuleState, candidates []Observation) string {
	format := func(v float64) string { return wording.FormatValue(v, r.metric.Unit) }

	return fmt.Sprintf("two runs of the edit gave %s as %s and %s, and the incumbent gave %s again: the edit makes "+
		"the number random; make it repeatable, or let a person set metric.noise: noisy", r.metric.Name,
		format(candidates[0].Value), format(candidates[1].Value), format(st.Incumbent))
}

// compareExactly judges a value of a deterministic metric: better by more than min_gain
// is improved, within it equivalent, else regressed.
func (r baseRule) compareExactly(st RuleState, value float64) *Judgement {
	base := st.Incumbent

	gain := base - value
	if r.metric.Better == research.Higher {
		gain = -gain
	}

	judgement := &Judgement{StoppedBy: "one_run", Scale: linearScale, Value: &value, Baseline: &base}
	least := r.minGain(st) * (1 + 1e-9) // a hair, so that 1 % of .3 is not beaten by rounding

	switch {
	case gain > least:
		judgement.Verdict = research.Improved
	case gain >= -least:
		judgement.Verdict = research.Equivalent
	default:
		judgement.Verdict = research.Regressed
	}

	switch {
	case st.Scale == LogScale && base > 0:
		judgement.Scale = LogScale
		gain /= base
	case st.Scale == research.CountScale || st.Scale == research.ShareScale:
		judgement.Scale = st.Scale
	}

	judgement.Gain = &research.Interval{Mid: gain, Lo: gain, Hi: gain}

	return judgement
}

// seenIncumbents are the values of the incumbent that an experiment of a deterministic
// metric has shown, the known one first, where they differ; nil where they do not.
func (s RuleState) seenIncumbents(obs []Observation) []float64 {
	if s.Version == FirstVersion || s.NoiseKind != research.Deterministic {
		return nil
	}

	values := []float64{s.Incumbent}
	for _, observation := range runsOfSide(obs, Incumbent) {
		if observation.Valid {
			values = append(values, observation.Value)
		}
	}

	if allEqual(values) || !s.fitsScale(values) {
		return nil
	}

	return values
}
