package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// mostStudentPairs is how many pairs have Student's interval in a measurement;
// more have the distribution-free one of their median.
const mostStudentPairs = 4

// student90 is the 95 % point of Student's t by degrees of freedom from 1
// (Gosset 1908); beyond its end the normal's is near enough.
var student90 = [...]float64{6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812,
	1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725}

// SummariseAudit says what the runs obs of an audit m show, of head (Samples) and start
// (Paired): the mean of the pairs' differences, which is unbiased whatever led to the
// head, with Student's 90 % interval. A deterministic metric's equal pairs have an
// interval of no width; fewer than two pairs give no gain. Where the head interferes
// (Control) only those pairs count whose start ran after a start.
func SummariseAudit(m JobStart, obs []Observation, metric contract.Metric, scale string) MeasurementEnd {
	samples, paired := SplitSamples(m, obs)
	end := SummariseMeasurement(samples, paired, metric, scale)
	end.Gain = nil

	if end.Failed != "" {
		return end
	}

	used := newScale(end.Scale, metric.Better)
	diffs := pairedDiffs(used, samples, paired)

	if m.Control {
		if end.Control = newControl(used, obs); end.Control != nil && end.Control.Interferes {
			diffs, _ = splitDiffs(used, obs)
		}
	}

	if len(diffs) >= 2 {
		mid, half := studentInterval(diffs)
		end.Gain = used.interval(mid, mid-half, mid+half)
	}

	return end
}

// pairedDiffs are the differences of pairs on the scale, samples minus paired.
func pairedDiffs(scale metricScale, samples, paired []float64) []float64 {
	diffs := make([]float64, min(len(samples), len(paired)))
	for i := range diffs {
		diffs[i] = scale.Height(samples[i]) - scale.Height(paired[i])
	}

	return diffs
}

// studentInterval is the mean of two differences or more, and half the width of
// its 90 % interval.
func studentInterval(diffs []float64) (mid, half float64) {
	n := len(diffs)

	mid, squares := mean(diffs), 0.0
	for _, d := range diffs {
		squares += (d - mid) * (d - mid)
	}

	t := z95
	if n-2 < len(student90) {
		t = student90[n-2]
	}

	return mid, t * math.Sqrt(squares/float64(n-1)/float64(n))
}

// power95 times the standard error is the difference that a 90 % interval sets
// apart from none four times of five: the normal's 95 % and 80 % points together.
const power95 = z95 + .8416

// DetectableGain says, before any run is spent, which difference n pairs could
// show at the noise known so far, on the scale's terms: as a share (log) or an
// amount. false for a deterministic metric, which one run shows exactly, and
// before calibration.
func (s RuleState) DetectableGain(pairs int) (gain float64, ok bool) {
	if s.NoiseKind != research.Noisy || !(s.S > 0) || pairs < 1 {
		return 0, false
	}

	return s.MetricScale().Gain(-power95 * s.S / math.Sqrt(float64(pairs))), true
}

// NextMeasurementRun is the next run of a measurement or audit m, nil when it has
// them all: of one version, or of two in pairs A B, B A, … so that steady drift
// cancels; a contended pair is repeated as st says. Pairs that do not count are made up for by others, as many at most as
// were asked for. An audit with a control ends with one more run of the start.
func NextMeasurementRun(m JobStart, role research.Role, st RuleState, obs []Observation) *RunRequest {
	if repeat := st.NextRepeat(obs); repeat != nil {
		return repeat
	}

	measured, comparedWith := measuredSides(m)
	resolved := ResolveRepeats(obs)
	done := len(resolved)

	if m.Paired == "" {
		if done >= m.Runs {
			return nil
		}

		return &RunRequest{Side: measured, Role: role}
	}

	unequal := len(unequalPairs(resolved))
	if done >= 2*(m.Runs+min(unequal, m.Runs)) {
		if m.Control && done%2 == 0 {
			return &RunRequest{Side: comparedWith, Role: role}
		}

		return nil
	}

	request := &RunRequest{Side: comparedWith, Role: role, Pair: done/2 + 1, Order: "BC"}
	if request.Pair%2 == 0 {
		request.Order = "CB"
	}

	isFirstHalf := done%2 == 0
	if isFirstHalf == (request.Order == "CB") {
		request.Side = measured
	}

	return request
}

// SplitSamples are the samples of both versions of a measurement, pair by pair: of
// those pairs that count.
func SplitSamples(m JobStart, obs []Observation) (samples, paired []float64) {
	a, _ := measuredSides(m)
	for _, observation := range countedRuns(obs) {
		switch {
		case m.Paired != "" && observation.Pair == 0: // an audit's control
		case observation.Side == a:
			samples = append(samples, observation.Value)
		default:
			paired = append(paired, observation.Value)
		}
	}

	return samples, paired
}

// measuredSides are the version measured and the one it is compared with.
func measuredSides(m JobStart) (a, b Side) {
	if m.Job.Kind() == research.AuditJob {
		return Incumbent, Start
	}

	return Candidate, Incumbent
}

// SummariseMeasurement says what the samples of a measurement show: their median, the
// standard deviation of one run on the scale (from successive differences, von
// Neumann 1941, so that slow drift is not noise), and, where the runs of
// another version were interleaved, the paired gain over it with a 90 %
// interval: distribution-free from five pairs on, Student's below. One pair of
// a metric not declared deterministic gives no interval and so no gain. An
// empty scale, or a log scale over a value that is not positive, is chosen
// again. Non-finite samples make it a failure that says so; Job is left to the caller.
func SummariseMeasurement(samples, paired []float64, metric contract.Metric, scale string) MeasurementEnd {
	all := slices.Concat(samples, paired)
	for _, x := range all {
		if !research.IsFinite(x) {
			return MeasurementEnd{Failed: "a sample is not a finite number"}
		}
	}

	end := MeasurementEnd{Samples: samples, Paired: paired}
	if len(samples) == 0 {
		end.Failed = "no run gave a sample"
		return end
	}

	if !research.IsLinear(scale) {
		scale = scaleOf(all)
	}
	r := newScale(scale, metric.Better)
	mid := median(samples)
	end.Median, end.Scale = &mid, scale
	end.Noise = runNoise(r, samples, paired)
	end.Gain = pairedGain(r, samples, paired, metric.Noise == research.Deterministic)

	return end
}

// runNoise is the root of half the mean squared successive difference, nil
// when no version ran twice.
func runNoise(r metricScale, groups ...[]float64) *float64 {
	sum, n := 0.0, 0

	for _, g := range groups {
		for i := 1; i < len(g); i++ {
			d := r.Height(g[i]) - r.Height(g[i-1])
			sum += d * d
			n++
		}
	}

	if n == 0 {
		return nil
	}
	sd := math.Sqrt(sum / float64(2*n))

	return &sd
}

// pairedGain is the gain of samples over paired with its 90 % interval; nil
// without pairs, and of one pair unless the metric is exact.
func pairedGain(scale metricScale, samples, paired []float64, exact bool) *research.Interval {
	diffs := pairedDiffs(scale, samples, paired)

	switch n := len(diffs); {
	case n == 0, n == 1 && !exact:
		return nil
	case n == 1:
		return scale.interval(diffs[0], diffs[0], diffs[0])
	case n > mostStudentPairs:
		return scale.interval(medianInterval(diffs, 0))
	}

	mid, half := studentInterval(diffs)

	return scale.interval(mid, mid-half, mid+half)
}

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
// A gain that is not a number changes nothing.
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
