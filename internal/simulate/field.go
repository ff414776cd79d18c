package simulate

import (
	"fmt"
	"math"
	"slices"

	"ratchet/internal/research"
)

// FieldTrial is one edit of a real benchmark, whose truth is known, as the real
// binary judged it. Gains are shares of the start's value, those of a share
// (an accuracy) are in shares of the whole; positive is better.
type FieldTrial struct {
	Benchmark string           `json:"benchmark"`
	Condition string           `json:"condition"` // quiet | loaded: beside a competing load that comes and goes
	Kind      string           `json:"kind"`      // gain | loss, or how a no-op is made: comment | rename | order
	Truth     float64          `json:"truth"`     // the gain by construction
	Verdict   research.Verdict `json:"verdict"`
	Reason    string           `json:"reason,omitempty"` // of an invalid verdict
	Low       *float64         `json:"low,omitempty"`    // of the interval in the answer, nil where it has none
	High      *float64         `json:"high,omitempty"`
	Runs      int              `json:"runs"`
	RunCost   float64          `json:"run_s"`              // mean seconds of a run, 0 where none was made
	Seconds   float64          `json:"seconds"`            // from the proposal to the verdict
	At        float64          `json:"at"`                 // seconds from the campaign's start to the verdict
	Value     *float64         `json:"value,omitempty"`    // in the answer
	Baseline  *float64         `json:"baseline,omitempty"` // median of the start's runs in this experiment, else of all
	Noise     float64          `json:"noise"`              // of the start's runs so far, as a share, see FieldNoise
	Processor string           `json:"processor"`
	Cores     int              `json:"cores"`
}

// ParseFieldTrials reads lines of JSON, a trial each.
func ParseFieldTrials(text []byte) ([]FieldTrial, error) {
	return decodeLines[FieldTrial](text, "the trials of the field")
}

// Called is the direction in which the answer calls a difference: 1 for better,
// -1 for worse, 0 for none. A verdict calls it, and an interval without 0 does; a
// keep on trial alone does not.
func (t FieldTrial) Called() int {
	switch {
	case t.Verdict == research.Improved, t.Low != nil && *t.Low > 0:
		return 1
	case t.Verdict == research.Regressed, t.High != nil && *t.High < 0:
		return -1
	default:
		return 0
	}
}

// IsNoOp says whether the edit changes nothing.
func (t FieldTrial) IsNoOp() bool { return t.Truth == 0 }

// IsFound says whether a gain is called better, or a loss worse.
func (t FieldTrial) IsFound() bool { return float64(t.Called())*t.Truth > 0 }

// FieldNoise is half the distance between the 16th and the 84th percentile of
// the values over their median: the standard deviation of normal noise, which a
// few outliers do not move. 0 of fewer than three values, or where the median is 0.
func FieldNoise(values []float64) float64 {
	if len(values) < 3 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))

	middle := quantileOf(sorted, .5)
	if middle == 0 {
		return 0
	}

	return (quantileOf(sorted, .84) - quantileOf(sorted, .16)) / 2 / math.Abs(middle)
}

// quantileOf interpolates between the two nearest of the sorted values, at least one.
func quantileOf(sorted []float64, share float64) float64 {
	at := share * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)

	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// FieldPromise is what was promised of the trials of one condition, and what came out.
type FieldPromise struct {
	Condition, What string
	Got, Of         int
	Wanted          string // the bound, in words
	Holds           bool   // true also where no trial asks for it
}

// What is promised of pooled trials, as shares. Of 160 no-ops 12 may be called.
const (
	mostNoOpsCalled = 12. / 160
	leastGainsFound = .95
	noisePromised   = .2 // the noise of a run up to which gains must be found
	costPromised    = 1. // seconds of a run below which a gain of 10 % must be found
)

// CheckField holds the trials against what is promised of each condition.
func CheckField(trials []FieldTrial) (promises []FieldPromise) {
	noise := lastNoise(trials)

	for _, condition := range distinct(trials, func(t FieldTrial) string { return t.Condition }) {
		noOps := FieldPromise{Condition: condition, What: "no-ops called"}
		large := FieldPromise{Condition: condition, What: "gains of 20 % found, where a run's noise is at most 20 %"}
		middle := FieldPromise{Condition: condition,
			What: "gains of 10 % found, where a run's noise is at most 20 % and a run costs less than 1 s"}

		for _, t := range trials {
			quietEnough := noise[t.campaign()] <= noisePromised

			switch {
			case t.Condition != condition:
			case t.IsNoOp():
				noOps.count(t.Called() != 0)
			case t.Truth == .2 && quietEnough:
				large.count(t.IsFound())
			case t.Truth == .1 && quietEnough && t.RunCost < costPromised:
				middle.count(t.IsFound())
			}
		}

		most := int(mostNoOpsCalled * float64(noOps.Of))
		noOps.Wanted, noOps.Holds = fmt.Sprintf("at most %d", most), noOps.Got <= most
		large.wantFound()
		middle.wantFound()
		promises = append(promises, noOps, large, middle)
	}

	return promises
}

// count counts one more trial.
func (p *FieldPromise) count(is bool) {
	p.Of++
	if is {
		p.Got++
	}
}

// wantFound says how many must be found, and whether they are.
func (p *FieldPromise) wantFound() {
	least := int(math.Ceil(leastGainsFound * float64(p.Of)))
	p.Wanted, p.Holds = fmt.Sprintf("at least %d", least), p.Got >= least
}

// String is the promise as a line of a list.
func (p FieldPromise) String() string {
	held := "held"

	switch {
	case p.Of == 0:
		held = "no trial asks for it"
	case !p.Holds:
		held = "FAILS"
	}

	return fmt.Sprintf("%s, %s: %d of %d (%s): %s", p.Condition, p.What, p.Got, p.Of, p.Wanted, held)
}

// campaign names the campaign that the trial was made in.
func (t FieldTrial) campaign() string { return t.Benchmark + ", " + t.Condition }

// lastNoise is, by campaign, the noise of all its runs of the start.
func lastNoise(trials []FieldTrial) map[string]float64 {
	noise := map[string]float64{}
	for _, t := range trials {
		noise[t.campaign()] = t.Noise
	}

	return noise
}

// distinct are the values of a key, in the order of their first trials.
func distinct(trials []FieldTrial, key func(FieldTrial) string) (keys []string) {
	for _, t := range trials {
		if k := key(t); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}

	return keys
}
