package rules_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

var about = cmpopts.EquateApprox(1e-6, 0)

func TestAlphaSequenceIsGolden(t *testing.T) {
	var got []float64
	for _, c := range [][2]int{{1, 0}, {2, 0}, {10, 0}, {10, 3}, {100, 0}} {
		got = append(got, 1/rules.CertifyAlpha(c[0], c[1]))
	}

	want := []float64{1011.161857, 1133.683696, 2184.363947, 546.090987, 17771.843340}
	if diff := cmp.Diff(want, got, about); diff != "" {
		t.Error(diff)
	}
}

// Without a certificate the levels of all tests together stay below .05; the
// tail of (t+9)^-1.2 beyond n is at most 5 (n+9)^-.2.
func TestAlphaIsSpentOnce(t *testing.T) {
	if sum := alphaSum(func(i int) float64 { return rules.CertifyAlpha(i, 0) }); sum >= .05 {
		t.Errorf("the levels sum to %.5f", sum)
	}
}

func alphaSum(at func(int) float64) float64 {
	const n = 1_000_000

	sum := 0.0
	for i := n; i >= 1; i-- {
		sum += at(i)
	}

	return sum + .05*5*math.Pow(n+9, -.2)/3.19
}

func TestDetectable(t *testing.T) {
	if got := rules.DetectableSize(.02, 0, rules.CertifyAlpha(1, 0)); math.Abs(got-.02*math.Sqrt2) > 1e-12 {
		t.Errorf("one run: %v", got)
	}

	if got := rules.DetectableSize(.02, 12, rules.CertifyAlpha(1, 0)) / .02; math.Abs(got-1.0738) > 1e-3 {
		t.Errorf("12 pairs: %.4f s", got)
	}
}

func TestSummariseMeasurements(t *testing.T) {
	m := contract.Metric{Better: research.Lower}
	for _, c := range []struct {
		name            string
		samples, paired []float64
		m               contract.Metric
		scale           string
		want            rules.MeasurementEnd
	}{
		{"log", []float64{100, 102, 98}, nil, m, "", rules.MeasurementEnd{
			Samples: []float64{100, 102, 98}, Median: ptr(100.), Noise: ptr(.0223191), Scale: "log"}},
		{"five pairs", []float64{90, 91, 92, 93, 94}, []float64{100, 100, 100, 100, 100}, m, "log",
			rules.MeasurementEnd{
				Samples: []float64{90, 91, 92, 93, 94}, Paired: []float64{100, 100, 100, 100, 100}, Median: ptr(92.),
				Noise: ptr(.0054353), Scale: "log", Gain: &research.Interval{Mid: .08, Lo: .06, Hi: .10}}},
		{"two pairs, linear", []float64{-1, 1}, []float64{4, 4}, m, "log", rules.MeasurementEnd{
			Samples: []float64{-1, 1}, Paired: []float64{4, 4}, Median: ptr(0.), Noise: ptr(1.), Scale: "linear",
			Gain: &research.Interval{Mid: 4, Lo: 4 - 6.314, Hi: 4 + 6.314}}},
		{"one pair", []float64{9}, []float64{10}, m, "log", rules.MeasurementEnd{
			Samples: []float64{9}, Paired: []float64{10}, Median: ptr(9.), Scale: "log"}},
		{"one exact pair", []float64{9}, []float64{10},
			contract.Metric{Better: research.Higher, Noise: research.Deterministic}, "log",
			rules.MeasurementEnd{Samples: []float64{9}, Paired: []float64{10}, Median: ptr(9.), Scale: "log",
				Gain: &research.Interval{Mid: -.1, Lo: -.1, Hi: -.1}}},
		{"nan", []float64{math.NaN()}, nil, m, "log",
			rules.MeasurementEnd{Failed: "a sample is not a finite number"}},
		{"none", nil, nil, m, "log", rules.MeasurementEnd{Failed: "no run gave a sample"}},
	} {
		got := rules.SummariseMeasurement(c.samples, c.paired, c.m, c.scale)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// The 90 % interval of a paired measurement covers the truth at least nine times in ten.
func TestMeasuredIntervalsCover(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	m := contract.Metric{Better: research.Lower}

	for _, pairs := range []int{2, 4, 5, 8, 15} {
		hit := 0

		for range 2000 {
			a, b := make([]float64, pairs), make([]float64, pairs)
			for i := range a {
				a[i], b[i] = 95*math.Exp(.02*r.NormFloat64()), 100*math.Exp(.02*r.NormFloat64())
			}

			if g := rules.SummariseMeasurement(a, b, m, "log").Gain; g.Lo <= .05 && .05 <= g.Hi {
				hit++
			}
		}

		if share := float64(hit) / 2000; share < .88 {
			t.Errorf("%d pairs: %.3f", pairs, share)
		}
	}
}

func ptr(x float64) *float64 { return &x }
