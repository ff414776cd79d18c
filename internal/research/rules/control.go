package rules

import (
	"fmt"
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Control compares the start with itself, in an audit: its runs right after a run of
// the head, with its runs right after one of its own (A/A after B). They are the same
// version, so a difference is what the head's run left behind in the machine: cold
// files, a full disk, a hot processor. What the head gains that way is not a gain.
//
// Pairs in the order A B, B A, … have both kinds of runs, and one more run of the start
// at the end gives as many of the one as of the other.
type Control struct {
	AfterHead  []float64 `json:"after_head"`  // the start's values, in the metric's unit
	AfterStart []float64 `json:"after_start"` // as many, each the next one of its kind
	// Effect is how much better the start is right after a run of the head, with its 99 %
	// interval: negative where the head's runs slow down what follows them.
	Effect *research.Interval `json:"effect,omitempty"`
	// Interferes says that the effect is proven: the interval does not hold 0.
	Interferes bool `json:"interferes,omitempty"`
}

// leastControls is how many values of each kind a control needs.
const leastControls = 3

// newControl compares the start's runs among obs, all runs of an audit in order; nil
// where there are too few.
func newControl(scale metricScale, obs []Observation) *Control {
	var control Control

	for _, run := range startRuns(obs) {
		switch run.after {
		case Incumbent:
			control.AfterHead = append(control.AfterHead, run.Value)
		case Start:
			if len(control.AfterStart) < len(control.AfterHead) {
				control.AfterStart = append(control.AfterStart, run.Value)
			}
		}
	}

	n := min(len(control.AfterHead), len(control.AfterStart))
	if n < leastControls {
		return nil
	}
	control.AfterHead, control.AfterStart = control.AfterHead[:n], control.AfterStart[:n]

	effects := pairedDiffs(scale, control.AfterHead, control.AfterStart)
	undisturbed, disturbed := splitDiffs(scale, obs)
	mid, half := mean(effects), pooledHalf99(effects, undisturbed, disturbed)
	control.Effect = scale.interval(mid, mid-half, mid+half)
	control.Interferes = math.Abs(mid) > half

	return &control
}

// startRun is a run of the start, and the side of the run right before it; "" for none.
type startRun struct {
	Observation
	after Side
}

// startRuns are the start's runs that count, in order.
func startRuns(obs []Observation) (runs []startRun) {
	unequal := unequalPairs(ResolveRepeats(obs))

	for i, observation := range obs {
		if observation.Side != Start || !observation.Valid || unequal[observation.Pair] || isRepeated(obs,
			observation) {
			continue
		}
		run := startRun{Observation: observation}

		if i > 0 {
			run.after = obs[i-1].Side
		}

		runs = append(runs, run)
	}

	return runs
}

// isRepeated says whether a half of a pair was made again, and so does not count.
func isRepeated(obs []Observation, half Observation) bool {
	again := 0
	for _, o := range obs {
		if half.Pair > 0 && o.Pair == half.Pair && o.Again && o.Valid {
			again++
		}
	}

	return half.Again != (again >= 2)
}

// splitDiffs are the differences, head minus start, of the pairs that count: those whose
// start ran right after a start, or first of all, and those whose start ran after the head.
func splitDiffs(scale metricScale, obs []Observation) (undisturbed, disturbed []float64) {
	heads := map[int]float64{}

	for _, observation := range countedRuns(obs) {
		if observation.Side == Incumbent {
			heads[observation.Pair] = observation.Value
		}
	}

	for _, run := range startRuns(obs) {
		head, ok := heads[run.Pair]
		diff := scale.Height(head) - scale.Height(run.Value)

		switch {
		case !ok || run.Pair == 0:
		case run.after == Incumbent:
			disturbed = append(disturbed, diff)
		default:
			undisturbed = append(undisturbed, diff)
		}
	}

	return undisturbed, disturbed
}

// student99 is the 99.5 % point of Student's t by degrees of freedom from 1 (Gosset 1908).
var student99 = [...]float64{63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055,
	3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845}

// pooledHalf99 is half the width of the 99 % interval of the first group's mean, at the
// spread that all groups have around their own means.
func pooledHalf99(first []float64, others ...[]float64) float64 {
	squares, freedom := 0.0, 0

	for _, group := range append(others, first) {
		if len(group) == 0 {
			continue
		}

		middle := mean(group)
		for _, d := range group {
			squares += (d - middle) * (d - middle)
		}
		freedom += len(group) - 1
	}

	t := 2.576 // the normal's
	if freedom <= len(student99) {
		t = student99[freedom-1]
	}

	return t * math.Sqrt(squares/float64(freedom)/float64(len(first)))
}

// Describe says what the control found, for readers of m: "" where nothing is proven.
func (c *Control) Describe(m contract.Metric, scale string) string {
	if c == nil || !c.Interferes || c.Effect == nil {
		return ""
	}
	way, than := "worse", *c.Effect
	if than.Mid > 0 {
		way = "better"
	}
	w := m.Words(scale)

	return fmt.Sprintf("interference: right after a run of the head, the start itself is %s, that is %s (99 %%: %s), than "+
		"after one of its own; pairs in which it ran after the head do not count", w.FormatAmount(than.Mid), way,
		w.FormatRange(nil, than))
}
