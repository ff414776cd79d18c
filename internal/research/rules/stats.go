package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

const (
	LogScale    = research.LogScale
	linearScale = research.LinearScale
)

// newScale is a scale on which nothing stands for 0.
func newScale(name string, better research.Direction) metricScale {
	return metricScale{Name: name, better: better}
}

// scaleOf is log when every value is positive, else linear.
func scaleOf(values []float64) string {
	for _, v := range values {
		if v <= 0 {
			return linearScale
		}
	}

	return LogScale
}

// metricScale puts raw values on the scale of comparison, where lower is better.
type metricScale struct {
	Name   string
	better research.Direction
	zero   float64 // what stands for 0 on the log scale, 0 where nothing does
}

// Height is the value on the scale: log x or x, negated when higher is better.
// On the log scale x must be positive, or 0 where something stands for it.
func (r metricScale) Height(x float64) float64 {
	if r.Name == LogScale {
		if x == 0 {
			x = r.zero
		}

		x = math.Log(x)
	}

	if r.better == research.Higher {
		return -x
	}

	return x
}

// fits says whether x has a place on the scale.
func (r metricScale) fits(x float64) bool {
	return r.Name != LogScale || x > 0 || x == 0 && r.zero > 0
}

// value is the inverse of y.
func (r metricScale) value(y float64) float64 {
	if r.better == research.Higher {
		y = -y
	}

	switch r.Name {
	case LogScale:
		if x := math.Exp(y); x > r.zero*(1+1e-9) {
			return x
		}

		return 0
	case research.CountScale, research.ShareScale:
		return max(y, 0)
	}

	return y
}

// Gain turns a difference on the scale into what is reported: a share of the
// incumbent's value (log) or an amount in the unit (linear); positive is better.
func (r metricScale) Gain(d float64) float64 {
	switch {
	case d == 0:
		return 0
	case r.Name != LogScale:
		return -d
	case r.better == research.Higher:
		return math.Expm1(-d)
	}

	return -math.Expm1(d)
}

// Size is the difference on the scale, as a positive number, of a reported gain.
func (r metricScale) Size(gain float64) float64 {
	switch {
	case r.Name != LogScale:
		return gain
	case r.better == research.Higher:
		return math.Log1p(min(max(gain, -1+1e-9), 1e9))
	}

	return -math.Log1p(-min(gain, 1-1e-9))
}

// interval reports an interval of differences as one of gains.
func (r metricScale) interval(mid, lo, hi float64) *research.Interval {
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

// successiveDiffs gives the differences of neighbours.
func successiveDiffs(xs []float64) []float64 {
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

// CertifyAlpha is the level of the campaign's t-th confirmation (from 1) after kept
// certificates: alpha_t = .05 gamma_t (kept+1), the e-LOND rule (Xu & Ramdas
// 2024), with gamma_t = (t+9)^-1.2 / 3.19, whose sum is below 1. In a night of
// null edits the chance of any certificate is then at most 5 %.
func CertifyAlpha(t, kept int) float64 {
	return alpha * math.Pow(float64(t)+9, -1.2) / 3.19 * float64(kept+1)
}

// DetectableSize is the smallest gain, on the scale of s, that a comparison could
// have shown; s is the standard deviation of a paired difference. After n
// pairs of a test at the level alpha it is s sqrt(2 log(1/alpha_t) / n), what
// a normal likelihood-ratio test would need (Wald 1945); with no pairs, two
// standard deviations of the one run.
func DetectableSize(s float64, pairs int, alpha float64) float64 {
	if pairs <= 0 {
		return 2 * s / math.Sqrt2
	}

	return s * math.Sqrt(2*math.Log(1/alpha)/float64(pairs))
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}

	return sum / float64(len(xs))
}

// NearlyEqual forgives what another processor's arithmetic may change.
func NearlyEqual(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b))
}
