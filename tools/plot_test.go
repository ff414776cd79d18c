package tools_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/chart"
	"ratchet/internal/research"
	"ratchet/internal/view"
	"ratchet/tools"
)

var night = time.Date(2026, 11, 22, 21, 30, 0, 0, time.UTC)

var ideas12 = strings.Fields("pdqsort radix insertion branchless prefetch unroll merge cache simd heap shell bucket")

// noisyNight is a night of n experiments on a noisy metric, as Progress gives it.
func noisyNight(n int) *view.Progress {
	rnd := rand.New(rand.NewPCG(1, 2))
	p := &view.Progress{Campaign: "sorting", Metric: view.ProgressMetric{Name: "ns_per_op", Unit: "ns",
		Better: research.Lower}, Scale: "log",
		Standing: "certified: about 31 % in 2 certificates", Total: n, From: 1, To: n}
	total, sd := 0.0, 0.0

	for i := 1; i <= n; i++ {
		g := rnd.NormFloat64()*.015 - .01

		pt := view.ProgressPoint{N: i, Status: research.Reverted, Verdict: research.Inconclusive,
			At: night.Add(time.Duration(i) * 5 * time.Minute), Class: 1,
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
		p.Points = append(p.Points, pt)
	}

	if n > 0 {
		p.Gain = &view.TotalGain{Interval: *p.Points[n-1].Best}
	} else {
		p.From, p.To = 0, 0
	}

	return p
}

// over is a gain on top of another.
func over(a, b float64) float64 { return 1 - (1-a)*(1-b) }

// exactNight is one on a deterministic metric.
func exactNight(n int) *view.Progress {
	rnd := rand.New(rand.NewPCG(3, 4))
	base, best := 48213.0, 48213.0

	p := &view.Progress{Campaign: "bundle", Metric: view.ProgressMetric{Name: "bundle_size", Unit: "bytes",
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
		p.Points = append(p.Points, pt)
	}
	now := best
	p.Best = &now

	return p
}

func noiseSample() *view.NoiseSeries {
	rnd := rand.New(rand.NewPCG(5, 6))
	s := &view.NoiseSeries{Campaign: "sorting",
		Metric: view.ProgressMetric{Name: "ns_per_op", Unit: "ns", Better: research.Lower}, Noise: research.Noisy,
		Scale: "log", Spread: .014, Runs: 300, Total: 420}

	for range 7 {
		d := rnd.NormFloat64() * .01
		s.Calibration, s.Values = append(s.Calibration, d), append(s.Values, 812*(1+d))
	}

	for range 120 {
		s.Residuals = append(s.Residuals, rnd.NormFloat64()*.014)
	}

	for i := range 140 {
		s.Drift = append(s.Drift, view.DriftPoint{At: night.Add(time.Duration(i) * 4 * time.Minute),
			Deviation: rnd.NormFloat64()*.01 + float64(i)*1e-4, Contended: i%31 == 7})
	}

	return s
}

func budgetSample() *view.Spending {
	s := &view.Spending{Campaign: "llm", Started: night, Limit: view.Spent{Experiments: 200, Hours: 10, GPUHours: 10},
		Total: 260}
	for i := range 260 {
		sp := view.Spent{Experiments: i / 2, Hours: float64(i) * .028, GPUHours: float64(i) * .02}
		s.Points, s.Now = append(s.Points, view.SpendingPoint{At: night.Add(time.Duration(i) * 2 * time.Minute),
			Spent: sp}), sp
	}

	return s
}

func gpuSample() *view.GPUSeries {
	rnd := rand.New(rand.NewPCG(7, 8))
	s := &view.GPUSeries{Campaign: "llm", Leases: 1, Runs: 90, Total: 90}

	for i := range 90 {
		m, j := 60+rnd.Float64()*35, 90e3+rnd.Float64()*40e3
		top := min(100, m+10)
		p := view.GPUPoint{At: night, Job: "x1", MeanUtil: &m, MaxUtil: &top, Joules: &j,
			PeakMemory: int64(20+i/10) << 30, Seconds: 300}
		s.Points = append(s.Points, p)
	}

	return s
}

func familySample() *view.FamilySeries {
	s := &view.FamilySeries{Campaign: "sorting", Metric: view.ProgressMetric{Name: "ns_per_op", Unit: "ns",
		Better: research.Lower}, Scale: "log", From: 1, To: 117, Total: 117}

	for i, w := range append(ideas12[:8:8], "") {
		f := view.FamilyYield{Word: w, Tried: 40 - 4*i, Kept: (i * 5) % 4}
		if f.Kept > 0 {
			f.Gain = &research.Interval{Mid: .02 * float64(f.Kept), Lo: .01, Hi: .1}
		}
		s.Families = append(s.Families, f)
	}

	return s
}

// drawings are what the golden images show.
func drawings() map[string]*tools.Plot {
	return map[string]*tools.Plot{
		"progress-noisy": tools.PlotProgress(noisyNight(70)), "progress-exact": tools.PlotProgress(exactNight(60)),
		"progress-1000": tools.PlotProgress(noisyNight(1000)), "noise": tools.PlotNoise(noiseSample()),
		"budget": tools.PlotBudget(budgetSample()), "gpu": tools.PlotGPU(gpuSample()),
		"families": tools.PlotFamilies(familySample()),
	}
}

func picture(t *testing.T, p *tools.Plot, o chart.Options) []byte {
	t.Helper()

	b, err := chart.Draw(p.Figure, o)
	if err != nil {
		t.Fatal(err)
	}

	return b
}

// TestPlotsLookAsTheyDid compares with golden images, with tolerance: another
// version of Go or of the library may set an edge's pixels a little differently.
func TestPlotsLookAsTheyDid(t *testing.T) {
	for name, p := range drawings() {
		theme := chart.Light
		if name == "noise" || name == "progress-exact" {
			theme = chart.Dark
		}

		got := picture(t, p, chart.Options{Theme: theme})
		if len(got) > 100<<10 {
			t.Errorf("%s has %d bytes", name, len(got))
		}

		path := filepath.Join("testdata", "plot", name+".png")
		if *update {
			if err := os.WriteFile(path, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}

		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}

		if off := unlike(t, want, got); off > .0005 {
			t.Errorf("%s differs from its golden image by %.2g of its pixels; look at both, then -update", name, off)
		}
	}
}

// unlike is the share of pixels that differ visibly, 1 if the sizes do.
func unlike(t *testing.T, a, b []byte) float64 {
	t.Helper()

	x, y := decodePNG(t, a), decodePNG(t, b)
	if x.Bounds() != y.Bounds() {
		return 1
	}

	n, all := 0, x.Bounds().Dx()*x.Bounds().Dy()
	for i := x.Bounds().Min.Y; i < x.Bounds().Max.Y; i++ {
		for k := x.Bounds().Min.X; k < x.Bounds().Max.X; k++ {
			r1, g1, b1, _ := x.At(k, i).RGBA()

			r2, g2, b2, _ := y.At(k, i).RGBA()
			if d := abs(r1, r2) + abs(g1, g2) + abs(b1, b2); d > 3*0x2000 {
				n++
			}
		}
	}

	return float64(n) / float64(all)
}

func abs(a, b uint32) uint32 { return max(a, b) - min(a, b) }

func decodePNG(t *testing.T, b []byte) image.Image {
	t.Helper()

	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}

	return img
}

// TestPlotsTellTheirNumbers: whatever the texts and numbers, at most 2 kB in
// either form, and the image small enough for any client.
func TestPlotsTellTheirNumbers(t *testing.T) {
	hostile := noisyNight(1000)
	for i := range hostile.Points {
		hostile.Points[i].Hypothesis = long
		hostile.Points[i].Kept = true
	}
	hostile.Campaign, hostile.Metric.Name, hostile.Metric.Unit, hostile.Standing = long, long, long, long
	hostile.Audit = &view.ProgressAudit{After: 900, Gain: research.Interval{Mid: 1.0 / 3, Lo: -1e300, Hi: 1e300},
		Pairs: 6}

	odd := exactNight(300)
	for i, v := range []float64{1e-12, 1e12, -5, 0, math.MaxFloat64} {
		odd.Points[10+i].Value = &v
	}
	families := familySample()
	families.Families[0].Word, families.Campaign = long, long
	all := drawings()

	all["hostile"], all["odd"], all["long families"] = tools.PlotProgress(hostile), tools.PlotProgress(odd),
		tools.PlotFamilies(families)
	for name, p := range all {
		a, err := p.Drawn()
		if err != nil {
			t.Fatal(err)
		}
		fits(t, a, tools.Limit)

		if len(a.PNG) == 0 || len(a.PNG) > 100<<10 {
			t.Errorf("%s: the image has %d bytes", name, len(a.PNG))
		}

		if svg := string(picture(t, p, chart.Options{Format: chart.SVG})); strings.Contains(svg, "NaN") ||
			strings.Contains(svg, "\x1b") {
			t.Errorf("%s: %.300s", name, svg)
		}
	}
}

// TestPlotsWithoutDataSayWhy: no image is sent for nothing, a file has the reason in it.
func TestPlotsWithoutDataSayWhy(t *testing.T) {
	for want, p := range map[string]*tools.Plot{
		"no experiment yet":   tools.PlotProgress(noisyNight(0)),
		"not calibrated yet":  tools.PlotNoise(&view.NoiseSeries{}),
		"no run was made yet": tools.PlotBudget(&view.Spending{}),
		"no GPU was used":     tools.PlotGPU(&view.GPUSeries{Runs: 3}),
		"no experiment":       tools.PlotFamilies(&view.FamilySeries{}),
		"every repeat gave the same": tools.PlotNoise(&view.NoiseSeries{Noise: research.Deterministic,
			Calibration: []float64{0, 0}}),
	} {
		a, err := p.Drawn()
		if err != nil || a.PNG != nil || !strings.Contains(a.Text, want) {
			t.Errorf("%q is not said, or an image of nothing sent (%d bytes, %v):\n%s", want, len(a.PNG), err, a.Text)
		}

		if svg := string(picture(t, p, chart.Options{Format: chart.SVG})); !strings.Contains(svg, want) {
			t.Errorf("the image does not say %q", want)
		}
	}
}

func TestProgressTellsWhatIsDrawn(t *testing.T) {
	a := tools.PlotProgress(exactNight(12)).Answer

	m := fits(t, a, tools.Limit)
	if m["baseline"] != 48213.0 || m["from"] != 1.0 || m["to"] != 12.0 || len(m["values"].([]any)) != 11 ||
		len(m["kept"].([]any)) != 2 {
		t.Errorf("%v", m)
	}

	if !strings.Contains(a.Text, "2 improved") || !strings.Contains(a.Text, "kept: 8 ") || !strings.ContainsAny(a.Text,
		"▁▂▃") {
		t.Errorf("%s", a.Text)
	}

	one := noisyNight(1)
	if m := fits(t, tools.PlotProgress(one).Answer, tools.Limit); m["best"] != nil || m["baseline"] != nil {
		t.Errorf("raw numbers of a noisy metric: %v", m)
	}
	window := noisyNight(300) // the newest 100, and what was kept before
	p := *window

	p.Points, p.From = nil, 201
	for _, pt := range window.Points {
		if pt.Kept || pt.N >= p.From {
			p.Points = append(p.Points, pt)
		}
	}

	svg := string(picture(t, tools.PlotProgress(&p), chart.Options{Format: chart.SVG}))
	if !strings.Contains(svg, "experiments 201 to 300 of 300") || !strings.Contains(svg, ">200</text>") ||
		strings.Contains(svg, ">100</text>") {
		t.Error("the axis begins long before the window")
	}
}

// TestAPictureSaysWhatItLacks: the image's font has no letters of China or Japan.
func TestAPictureSaysWhatItLacks(t *testing.T) {
	night := exactNight(12)
	for i := range night.Points {
		night.Points[i].Hypothesis = "größer ist schneller, λ = 2"
	}

	plain, err := tools.PlotProgress(night).Drawn()
	if err != nil {
		t.Fatal(err)
	}

	if m := fits(t, plain, tools.Limit); m["picture"] != nil || len(plain.PNG) == 0 {
		t.Errorf("a picture that lacks nothing: %v", m["picture"])
	}

	for i := range night.Points {
		night.Points[i].Hypothesis = "排序更快 🚀"
	}

	a, err := tools.PlotProgress(night).Drawn()
	if err != nil {
		t.Fatal(err)
	}

	m := fits(t, a, tools.Limit)
	if said, _ := m["picture"].(string); !strings.Contains(said, "letters that its font lacks") ||
		!strings.Contains(a.Text, said+"\nnext: ") || !strings.Contains(a.Text, "排序更快 🚀") {
		t.Errorf("%v\n%s", m["picture"], a.Text)
	}
}

// TestOneBadExperimentDoesNotFlattenANight: twelve experiments, one of them 18
// times slower: the axis is of the other eleven, in the picture and in characters.
func TestOneBadExperimentDoesNotFlattenANight(t *testing.T) {
	p := noisyNight(12)
	bad := &p.Points[7]
	bad.Verdict, bad.Gain = research.Regressed, &research.Interval{Mid: -17.71, Lo: -18.9, Hi: -16.6}
	bad.OverStart = bad.Gain
	drawn := tools.PlotProgress(p)

	svg := string(picture(t, drawn, chart.Options{Format: chart.SVG}))
	if strings.Count(svg, ">-1771 %</text>") != 1 || !strings.Contains(svg, ">5 %</text>") || strings.Contains(svg,
		"00 %</text>") {
		t.Error("the axis goes where one experiment is, or its arrow does not say where that is")
	}

	text := drawn.Answer.Text
	if !strings.Contains(text, "gains over the start, low -1771.0 %, high +12.3 %") {
		t.Errorf("the gains are not told in percent:\n%s", text)
	}

	kinds := map[rune]bool{}
	for _, r := range text {
		kinds[r] = kinds[r] || strings.ContainsRune("▁▂▃▄▅▆▇█", r)
	}

	if n := len(slices.DeleteFunc(slices.Collect(maps.Values(kinds)), func(bar bool) bool { return !bar })); n < 4 {
		t.Errorf("all but one look alike:\n%s", text)
	}

	p.Scale, p.Metric.Unit = "linear", "points"
	if text := tools.PlotProgress(p).Answer.Text; !strings.Contains(text, "low -17.7 points, high +0.123 points") {
		t.Errorf("differences have the metric's unit:\n%s", text)
	}
}

func BenchmarkPlot(b *testing.B) {
	for _, n := range []int{20, 200, 1000} {
		p := tools.PlotProgress(noisyNight(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				if _, err := p.Drawn(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
