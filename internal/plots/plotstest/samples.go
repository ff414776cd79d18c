// Package plotstest has campaigns as the plots read them, for tests.
package plotstest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/view"
)

var Night = time.Date(2026, 11, 22, 21, 30, 0, 0, time.UTC)

var ideas12 = strings.Fields("pdqsort radix insertion branchless prefetch unroll merge cache simd heap shell bucket")

// NoisyNight is a night of n experiments on a noisy metric, as Progress gives it.
func NoisyNight(n int) *view.Progress {
	rnd := rand.New(rand.NewPCG(1, 2))
	progress := &view.Progress{Campaign: "sorting", Metric: view.ProgressMetric{Name: "ns_per_op", Unit: "ns",
		Better: research.Lower}, Scale: "log",
		Standing: "certified: about 31 % in 2 certificates", Total: n, From: 1, To: n}
	total, sd := 0.0, 0.0

	for i := 1; i <= n; i++ {
		g := rnd.NormFloat64()*.015 - .01

		pt := view.ProgressPoint{N: i, Status: research.Reverted, Verdict: research.Inconclusive,
			At: Night.Add(time.Duration(i) * 5 * time.Minute), Class: 1,
			Hypothesis: fmt.Sprintf("%s for the small partitions, since the profile shows them hot", ideas12[i%12])}
		switch {
		case i%13 == 4:
			g = (.03 + rnd.Float64()*.06) * math.Exp(-float64(i)/250)
			pt.Verdict, pt.Status, pt.Kept = research.Provisional, research.Kept, true
		case i%29 == 9:
			g = .05
			pt.Verdict, pt.Status, pt.RolledBack = research.Provisional, research.Reverted, true
		case i%17 == 0:
			pt.Verdict, pt.Status = research.Invalid, research.Voided
		case i%5 == 1:
			g -= .05
			pt.Verdict = research.Regressed
		case i%7 == 3:
			pt.Verdict = research.Equivalent
		}

		if pt.Verdict != research.Invalid {
			pt.Gain = &research.Interval{Mid: g, Lo: g - .012, Hi: g + .012}
			pt.OverStart = &research.Interval{Mid: over(total, g), Lo: over(total, g-.012), Hi: over(total, g+.012)}
		}

		if pt.Kept {
			total, sd = over(total, g), math.Hypot(sd, .004)
		}
		pt.Best = &research.Interval{Mid: total, Lo: total - 1.6*sd, Hi: total + 1.6*sd}
		progress.Points = append(progress.Points, pt)
	}

	if n > 0 {
		progress.Gain = &view.TotalGain{Interval: *progress.Points[n-1].Best}
	} else {
		progress.From, progress.To = 0, 0
	}

	return progress
}

// over is a gain on top of another.
func over(a, b float64) float64 { return 1 - (1-a)*(1-b) }

// ExactNight is one on a deterministic metric.
func ExactNight(n int) *view.Progress {
	rnd := rand.New(rand.NewPCG(3, 4))
	base, best := 48213.0, 48213.0

	progress := &view.Progress{Campaign: "bundle", Metric: view.ProgressMetric{Name: "bundle_size", Unit: "bytes",
		Better: research.Lower}, Exact: true, Scale: "log",
		Baseline: &base, Total: n, From: 1, To: n}
	for i := 1; i <= n; i++ {
		v := math.Round(best * (1 + rnd.Float64()*.08))

		pt := view.ProgressPoint{N: i, Status: research.Reverted, Verdict: research.Regressed, Value: &v,
			Hypothesis: fmt.Sprintf("drop the %s polyfill", ideas12[i%12])}
		switch {
		case i%6 == 2:
			was := best
			v = math.Round(best * (.9 + rnd.Float64()*.08))
			best = v
			pt.Verdict, pt.Status, pt.Kept = research.Improved, research.Kept, true
			pt.Gain = &research.Interval{Mid: 1 - v/was, Lo: 1 - v/was, Hi: 1 - v/was}
		case i%9 == 0:
			pt.Verdict, pt.Status, pt.Value = research.Invalid, research.Voided, nil
		case i%8 == 5:
			v = best
			pt.Verdict = research.Equivalent
		}
		pt.Best = &research.Interval{Mid: best, Lo: best, Hi: best}
		progress.Points = append(progress.Points, pt)
	}
	now := best
	progress.Best = &now

	return progress
}

func NoiseSample() *view.NoiseSeries {
	rnd := rand.New(rand.NewPCG(5, 6))
	series := &view.NoiseSeries{Campaign: "sorting",
		Metric: view.ProgressMetric{Name: "ns_per_op", Unit: "ns", Better: research.Lower}, Noise: research.Noisy,
		Scale: "log", Spread: .014, Runs: 300, Total: 420}

	for range 7 {
		d := rnd.NormFloat64() * .01
		series.Calibration, series.Values = append(series.Calibration, d), append(series.Values, 812*(1+d))
	}

	for range 120 {
		series.Residuals = append(series.Residuals, rnd.NormFloat64()*.014)
	}

	for i := range 140 {
		series.Drift = append(series.Drift, view.DriftPoint{At: Night.Add(time.Duration(i) * 4 * time.Minute),
			Deviation: rnd.NormFloat64()*.01 + float64(i)*1e-4, Contended: i%31 == 7})
	}

	return series
}

func BudgetSample() *view.Spending {
	spending := &view.Spending{Campaign: "llm", Started: Night,
		Limit: view.Spent{Experiments: 200, Hours: 10, GPUHours: 10}, Total: 260}
	for i := range 260 {
		sp := view.Spent{Experiments: i / 2, Hours: float64(i) * .028, GPUHours: float64(i) * .02}
		spending.Points, spending.Now = append(spending.Points,
			view.SpendingPoint{At: Night.Add(time.Duration(i) * 2 * time.Minute),
				Spent: sp}), sp
	}

	return spending
}

func GPUSample() *view.GPUSeries {
	rnd := rand.New(rand.NewPCG(7, 8))
	s := &view.GPUSeries{Campaign: "llm", Leases: 1, Runs: 90, Total: 90}

	for i := range 90 {
		m, j := 60+rnd.Float64()*35, 90e3+rnd.Float64()*40e3
		top := min(100, m+10)
		p := view.GPUPoint{At: Night, Job: "x1", MeanUtil: &m, MaxUtil: &top, Joules: &j,
			PeakMemory: int64(20+i/10) << 30, Seconds: 300}
		s.Points = append(s.Points, p)
	}

	return s
}

func FamilySample() *view.FamilySeries {
	series := &view.FamilySeries{Campaign: "sorting", Metric: view.ProgressMetric{Name: "ns_per_op", Unit: "ns",
		Better: research.Lower}, Scale: "log", From: 1, To: 117, Total: 117}

	for i, w := range append(ideas12[:8:8], "") {
		f := view.FamilyYield{Word: w, Tried: 40 - 4*i, Kept: (i * 5) % 4}
		if f.Kept > 0 {
			f.Gain = &research.Interval{Mid: .02 * float64(f.Kept), Lo: .01, Hi: .1}
		}
		series.Families = append(series.Families, f)
	}

	return series
}
