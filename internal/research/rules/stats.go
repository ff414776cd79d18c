package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

const (
	LogScale    = research.LogScale
	linearScale = research.LinearScale
)

// scaleOf is log when every value is positive, else linear.
func scaleOf(values []float64) string {
	for _, v := range values {
		if v <= 0 {
			return linearScale
		}
	}

	return LogScale
}

// ruler puts raw values on the scale of comparison, where lower is better.
type ruler struct {
	Scale  string
	better research.Direction
}

// Y is the value on the scale: log x or x, negated when higher is better.
// On the log scale x must be positive.
func (r ruler) Y(x float64) float64 {
	if r.Scale == LogScale {
		x = math.Log(x)
	}

	if r.better == research.Higher {
		return -x
	}

	return x
}

// raw is the inverse of y.
func (r ruler) raw(y float64) float64 {
	if r.better == research.Higher {
		y = -y
	}

	if r.Scale == LogScale {
		return math.Exp(y)
	}

	return y
}

// Gain turns a difference on the scale into what is reported: a share of the
// incumbent's value (log) or an amount in the unit (linear); positive is better.
func (r ruler) Gain(d float64) float64 {
	switch {
	case d == 0:
		return 0
	case r.Scale != LogScale:
		return -d
	case r.better == research.Higher:
		return math.Expm1(-d)
	}

	return -math.Expm1(d)
}

// Size is the difference on the scale, as a positive number, of a reported gain.
func (r ruler) Size(gain float64) float64 {
	switch {
	case r.Scale != LogScale:
		return gain
	case r.better == research.Higher:
		return math.Log1p(min(max(gain, -1+1e-9), 1e9))
	}

	return -math.Log1p(-min(gain, 1-1e-9))
}

// interval reports an interval of differences as one of gains.
func (r ruler) interval(mid, lo, hi float64) *research.Interval {
	return &research.Interval{Mid: r.Gain(mid), Lo: r.Gain(hi), Hi: r.Gain(lo)}
}

// largest is the largest absolute value that a rule takes: its square is still a number.
const largest = 1e150

// median of at least one value; the mean of the middle two when n is even.
func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	n := len(s)

	return s[(n-1)/2]/2 + s[n/2]/2
}

func medianAbs(xs []float64) float64 {
	abs := make([]float64, len(xs))
	for i, x := range xs {
		abs[i] = math.Abs(x)
	}

	return median(abs)
}

func normalDensity(x, sd float64) float64 {
	z := x / sd
	return math.Exp(-z*z/2) / (sd * math.Sqrt(2*math.Pi))
}

// successive gives the differences of neighbours.
func successive(xs []float64) []float64 {
	var ds []float64
	for i := 1; i < len(xs); i++ {
		ds = append(ds, xs[i]-xs[i-1])
	}

	return ds
}

func allEqual(xs []float64) bool {
	for _, x := range xs {
		if x != xs[0] {
			return false
		}
	}

	return true
}

const (
	alpha     = .05
	z95       = 1.6449 // the normal's 95 % point, for two-sided 90 %
	medianEff = 1.2533 // sqrt(pi/2): sd of a normal sample's median over that of its mean
)

// medianInterval is the median of differences with its 90 % interval. From
// five on it is the distribution-free one between two order statistics (David
// & Nagaraja 2003, 7.1), whose coverage is at least 90 % and reported as 90;
// below, the normal one with the given standard deviation of a difference.
func medianInterval(ds []float64, s float64) (mid, lo, hi float64) {
	sorted := slices.Sorted(slices.Values(ds))
	n := len(sorted)

	mid = median(sorted)
	if k := medianRank(n); k > 0 {
		return mid, sorted[k-1], sorted[n-k]
	}
	half := z95 * medianEff * s / math.Sqrt(float64(n))

	return mid, mid - half, mid + half
}

// medianRank is the largest k with P(fewer than k of n fair coins are heads)
// <= 5 %, 0 when there is none.
func medianRank(n int) int {
	p := math.Pow(.5, float64(n))

	sum, k := 0.0, 0
	for k < n {
		sum += p
		if sum > .05 {
			return k
		}
		p *= float64(n-k) / float64(k+1)
		k++
	}

	return k
}

// AlphaAt is the level of the campaign's t-th confirmation (from 1) after kept
// certificates: alpha_t = .05 gamma_t (kept+1), the e-LOND rule (Xu & Ramdas
// 2024), with gamma_t = (t+9)^-1.2 / 3.19, whose sum is below 1. In a night of
// null edits the chance of any certificate is then at most 5 %.
func AlphaAt(t, kept int) float64 {
	return alpha * math.Pow(float64(t)+9, -1.2) / 3.19 * float64(kept+1)
}

// Detectable is the smallest gain, on the scale of s, that a comparison could
// have shown; s is the standard deviation of a paired difference. After n
// pairs of a test at the level alpha it is s sqrt(2 log(1/alpha_t) / n), what
// a normal likelihood-ratio test would need (Wald 1945); with no pairs, two
// standard deviations of the one run.
func Detectable(s float64, pairs int, alpha float64) float64 {
	if pairs <= 0 {
		return 2 * s / math.Sqrt2
	}

	return s * math.Sqrt(2*math.Log(1/alpha)/float64(pairs))
}

// student95 is the 95 % point of Student's t for 1 to 3 degrees of freedom (Gosset 1908).
var student95 = [...]float64{6.314, 2.920, 2.353}

// Summarise says what the samples of a measurement show: their median, the
// standard deviation of one run on the scale (from successive differences, von
// Neumann 1941, so that slow drift is not noise), and, where the runs of
// another version were interleaved, the paired gain over it with a 90 %
// interval: distribution-free from five pairs on, Student's below. One pair of
// a metric not declared deterministic gives no interval and so no gain. An
// empty scale, or a log scale over a value that is not positive, is chosen
// anew. Non-finite samples make it a failure that says so; Job is left to the caller.
func Summarise(samples, paired []float64, m contract.Metric, scale string) MeasurementEnd {
	all := slices.Concat(samples, paired)
	for _, x := range all {
		if !research.Finite(x) {
			return MeasurementEnd{Failed: "a sample is not a finite number"}
		}
	}

	end := MeasurementEnd{Samples: samples, Paired: paired}
	if len(samples) == 0 {
		end.Failed = "no run gave a sample"
		return end
	}

	if scale != linearScale {
		scale = scaleOf(all)
	}
	r := ruler{scale, m.Better}
	mid := median(samples)
	end.Median, end.Scale = &mid, scale
	end.Noise = runNoise(r, samples, paired)
	end.Gain = pairedGain(r, samples, paired, m.Noise == research.Deterministic)

	return end
}

// runNoise is the root of half the mean squared successive difference, nil
// when no version ran twice.
func runNoise(r ruler, groups ...[]float64) *float64 {
	sum, n := 0.0, 0

	for _, g := range groups {
		for i := 1; i < len(g); i++ {
			d := r.Y(g[i]) - r.Y(g[i-1])
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

func pairedGain(r ruler, samples, paired []float64, exact bool) *research.Interval {
	n := min(len(samples), len(paired))

	ds := make([]float64, n)
	for i := range ds {
		ds[i] = r.Y(samples[i]) - r.Y(paired[i])
	}

	switch {
	case n == 0, n == 1 && !exact:
		return nil
	case n == 1:
		return r.interval(ds[0], ds[0], ds[0])
	case n > len(student95)+1:
		return r.interval(medianInterval(ds, 0))
	}

	mid, sum := mean(ds), 0.0
	for _, d := range ds {
		sum += (d - mid) * (d - mid)
	}
	half := student95[n-2] * math.Sqrt(sum/float64(n-1)/float64(n))

	return r.interval(mid, mid-half, mid+half)
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}

	return sum / float64(len(xs))
}
