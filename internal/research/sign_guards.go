package research

import (
	"fmt"
	"math"
)

// unusable says why an observation can't be compared, "" when it can.
func (r signRule) unusable(o Observation) string {
	switch {
	case !o.Valid && o.Reason == "":
		return "the run was invalid and gave no reason"
	case !o.Valid:
		return o.Reason
	case !finite(o.Value):
		return fmt.Sprintf("the value of %s is not a finite number", r.metric.Name)
	case math.Abs(o.Value) > largest:
		return fmt.Sprintf("the value of %s, %s, is too large to be compared", r.metric.Name, FormatValue(o.Value, r.metric.Unit))
	}
	return ""
}

// invalid judges what no comparison can: a run that failed, a value off the
// scale, a guard out of its bounds. nil when all is well.
func (r signRule) invalid(st RuleState, obs []Observation) *Judgement {
	if st.Class != Deterministic && !(st.Class == Noisy && st.S > 0) {
		return voided("the campaign is not calibrated")
	}
	for _, o := range obs {
		why := r.unusable(o)
		if why == "" && st.Class == Noisy && !st.measurable([]float64{o.Value}) {
			why = fmt.Sprintf("the value %s is not positive, and the calibration's were: they are compared by ratio",
				FormatValue(o.Value, r.metric.Unit))
		}
		if why == "" && o.Side == Candidate {
			why = r.outOfBounds(o)
		}
		if why != "" && o.Side != Candidate {
			why = "the incumbent's own run failed, not the candidate's: " + why
		}
		if why != "" {
			j := voided(why)
			r.fillPairs(st, obs, j)
			return j
		}
	}
	return nil
}

// bounded is j, or invalid when one of its numbers can't be written down.
func bounded(j *Judgement) *Judgement {
	xs := []float64{j.E, j.Need, j.Noise, j.Detectable}
	for _, x := range []*float64{j.Value, j.Baseline} {
		if x != nil {
			xs = append(xs, *x)
		}
	}
	if g := j.Gain; g != nil {
		xs = append(xs, g.Mid, g.Lo, g.Hi)
	}
	for _, x := range xs {
		if !finite(x) {
			v := voided("the candidate's value and the incumbent's are too far apart to be compared as numbers")
			v.Test, v.Pairs, v.Wins, v.Losses = j.Test, j.Pairs, j.Wins, j.Losses
			return v
		}
	}
	return j
}

func voided(reason string) *Judgement {
	return &Judgement{Verdict: Invalid, StoppedBy: "invalid", Reason: reason}
}

// fillPairs notes the confirmation that an invalid run broke off.
func (r signRule) fillPairs(st RuleState, obs []Observation, j *Judgement) {
	if st.Class != Noisy {
		return
	}
	if t := r.test(st, obs); t.opened {
		j.Test, j.Pairs, j.Wins, j.Losses = st.Tests+1, len(t.candidate), t.wins, t.losses
	}
}

// outOfBounds checks a run against the guards' own bounds.
func (r signRule) outOfBounds(o Observation) string {
	for _, g := range r.guards {
		x, ok := o.Guards[g.Name]
		switch {
		case !ok:
			return fmt.Sprintf("the guard %s was not measured", g.Name)
		case !finite(x):
			return fmt.Sprintf("the guard %s is not a finite number", g.Name)
		case g.Max != nil && x > *g.Max:
			return fmt.Sprintf("guard %s = %s breaks max %s", g.Name, FormatValue(x, ""), FormatValue(*g.Max, ""))
		case g.Min != nil && x < *g.Min:
			return fmt.Sprintf("guard %s = %s breaks min %s", g.Name, FormatValue(x, ""), FormatValue(*g.Min, ""))
		}
	}
	return ""
}

// checkGrowth turns j invalid when the candidate's median of a guard exceeds
// what max_growth allows over the campaign's start: against the start and not
// the incumbent, or forty keeps of +2 % each would all pass.
func (r signRule) checkGrowth(st RuleState, obs []Observation, j *Judgement) {
	var own []Observation
	for _, o := range obs {
		if o.Side == Candidate {
			own = append(own, o)
		}
	}
	now := r.guardMedians(own)
	for _, g := range r.guards {
		start, known := st.Start[g.Name]
		if g.MaxGrowth == nil || !known {
			continue
		}
		allowed := start + g.MaxGrowth.Value
		if g.MaxGrowth.Relative {
			allowed = start + g.MaxGrowth.Value*math.Abs(start)
		}
		if x := now[g.Name]; x > allowed+1e-12*math.Abs(allowed) {
			j.Verdict, j.StoppedBy = Invalid, "invalid"
			j.Reason = fmt.Sprintf("guard %s = %s breaks max_growth: it was %s at the campaign's start, so at most %s is allowed",
				g.Name, FormatValue(x, ""), FormatValue(start, ""), FormatValue(allowed, ""))
			return
		}
	}
}

// guardMedians gives each guard's median over the observations that have it.
func (r signRule) guardMedians(obs []Observation) map[string]float64 {
	if len(r.guards) == 0 || len(obs) == 0 {
		return nil
	}
	medians := map[string]float64{}
	for _, g := range r.guards {
		var xs []float64
		for _, o := range obs {
			if x, ok := o.Guards[g.Name]; ok && finite(x) {
				xs = append(xs, x)
			}
		}
		if len(xs) > 0 {
			medians[g.Name] = median(xs)
		}
	}
	return medians
}
