package history

import (
	"fmt"
	"slices"

	"ratchet/internal/research/rules"
)

// TrimmedTarget is the target of an audit that is of a trimmed head, not of the incumbent.
const TrimmedTarget = "trimmed head"

// replayAblation is what records have said of one ablation.
type replayAblation struct {
	rules.Ablation
	runs *rules.AblationRuns
	end  *rules.AblationEnd
}

// beginAblation begins an ablation: the noise must be what the campaign had learnt.
// The changes and what is claimed of them are taken as recorded.
func (c *replay) beginAblation(b rules.Ablation) error {
	is := rules.NewAblation(c.program, c.state, b.Changes, b.Pairs)
	if is.NoiseKind != b.NoiseKind || is.Scale != b.Scale || !rules.NearlyEqual(is.S, b.S) ||
		!rules.NearlyEqual(is.Least, b.Least) ||
		len(is.Residuals) != len(b.Residuals) {
		return fmt.Errorf("the ablation is recorded with a noise of %g (%s), the runs before it say %g (%s)", b.S,
			b.NoiseKind, is.S, is.NoiseKind)
	}

	if was := c.ablations[b.Of]; was != nil { // the same head again, with another cap: its runs count
		was.Ablation, was.end = b, nil
		return nil
	}
	c.ablations[b.Of] = &replayAblation{Ablation: b, runs: rules.NewAblationRuns(b, c.program, c.state)}

	return nil
}

// addComparison keeps the runs of a job that is over, if it was made for an ablation.
func (c *replay) addComparison(job *replayJob, end *rules.MeasurementEnd) {
	if a := c.ablations[job.start.Ablates]; a != nil {
		a.runs.AddJob(job.start, job.observations, end)
	}
}

// checkAblation derives what an ablation came to from its runs alone.
func (c *replay) checkAblation(b rules.AblationEnd) error {
	a := c.ablations[b.Of]
	if a == nil {
		return fmt.Errorf("the ablation of %s has not been started", b.Of)
	}

	is := a.NextComparison(a.runs.ResultOf).Done
	switch {
	case is == nil:
		return fmt.Errorf("the ablation is recorded as finished, its runs decide nothing yet")
	case !slices.Equal(is.DroppedExperiments(), b.DroppedExperiments()) ||
		!slices.Equal(rules.ExperimentNumbers(is.Kept), rules.ExperimentNumbers(b.Kept)):
		return fmt.Errorf("the ablation is recorded as dropping %v, its runs say %v", b.DroppedExperiments(),
			is.DroppedExperiments())
	case !sameGain(is.Gain, b.Gain):
		return fmt.Errorf("the trimmed head is recorded with the gain %s over the untrimmed, the runs say %s",
			jsonText(b.Gain), jsonText(is.Gain))
	}

	for i, f := range slices.Concat(is.Kept, is.Dropped) {
		was := slices.Concat(b.Kept, b.Dropped)[i]
		if f.Why != was.Why || !sameGain(f.Gain, was.Gain) {
			return fmt.Errorf("experiment %d is recorded as %q with %s, its runs say %q with %s", f.N, was.Why,
				jsonText(was.Gain), f.Why, jsonText(f.Gain))
		}
	}
	a.end = is

	return nil
}

// checkFinalization holds a finalization against its audit, its ablation and the runs of its stack.
func (c *replay) checkFinalization(made Finalization) error {
	if gain, ok := c.audits[made.Audit]; !ok || !sameGain(gain, made.Gain) {
		return fmt.Errorf("%s is recorded with the gain %s, its audit %s says %s", made.Branch, jsonText(made.Gain),
			made.Audit, jsonText(gain))
	}

	a := c.ablations[made.Of]
	if made.Of == "" {
		return nil
	}

	if a == nil || made.Ablated && (a.end == nil || !slices.Equal(a.end.DroppedExperiments(), made.Dropped)) ||
		!made.Ablated && len(made.Dropped) > 0 {
		return fmt.Errorf("%s is recorded without %v, which its ablation does not say", made.Branch, made.Dropped)
	}

	for _, s := range made.Stack {
		if gain := a.EstimateGain(a.runs.ResultOf(s.Besides, s.Experiments)); !sameGain(gain, s.Gain) {
			return fmt.Errorf("the commit of experiments %v is recorded with the gain %s, its runs say %s",
				s.Experiments, jsonText(s.Gain), jsonText(gain))
		}
	}

	return nil
}
