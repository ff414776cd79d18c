package rules

import (
	"math"

	"ratchet/internal/research"
)

// Tally adds up gains over a campaign's start, with what is known of their
// errors. The zero value with its Scale and Better set is the start itself.
// Errors of gains that were added are taken for independent; gains that were
// selected for being high add up to too much, which only a certificate or an
// audit corrects.
type Tally struct {
	Scale    string // log | linear
	Better   research.Direction
	Size     float64 // on the scale, positive is better
	Variance float64 // of Size
}

// AddGain is the tally after a gain on its scale; sign -1 takes it off again.
// A gain that is no number changes nothing.
func (t Tally) AddGain(g research.Interval, sign float64) Tally {
	r := newScale(t.Scale, t.Better)
	half := (r.Size(g.Hi) - r.Size(g.Lo)) / (2 * z95)

	return t.AddClaim(Claim{r.Size(g.Mid), half * half}, sign)
}

// AddClaim is Plus for what search auto expects of an edit.
func (t Tally) AddClaim(c Claim, sign float64) Tally {
	if !research.IsFinite(c.Gain) || !research.IsFinite(c.Var) {
		return t
	}
	t.Size += sign * c.Gain
	t.Variance = math.Max(0, t.Variance+sign*c.Var)

	return t
}

// GainOverStart is a gain over the present tally, as one over the start: its own error
// alone, since what came before is the same for whatever is tried next.
func (t Tally) GainOverStart(g research.Interval) research.Interval {
	r := newScale(t.Scale, t.Better)
	return *r.interval(-t.Size-r.Size(g.Mid), -t.Size-r.Size(g.Hi), -t.Size-r.Size(g.Lo))
}

// Interval is the tally as a gain over the start with its 90 % interval.
func (t Tally) Interval() research.Interval {
	half := z95 * math.Sqrt(t.Variance)
	return *newScale(t.Scale, t.Better).interval(-t.Size, -t.Size-half, -t.Size+half)
}
