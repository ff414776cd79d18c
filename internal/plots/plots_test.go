package plots_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/chart"
	"ratchet/internal/plots"
	"ratchet/internal/plots/plotstest"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/view"
)

var update = flag.Bool("update", false, "write goldens")

// long is a hostile text.
var long = strings.Repeat("\"quoted\" <b>\\ü€\x1b[31m\u202e\tx\n", 400)

// allPlots are what the golden images show.
func allPlots() map[string]*plots.Plot {
	return map[string]*plots.Plot{
		"progress-noisy": plots.PlotProgress(plotstest.NoisyNight(70)),
		"progress-exact": plots.PlotProgress(plotstest.ExactNight(60)),
		"progress-1000":  plots.PlotProgress(plotstest.NoisyNight(1000)),
		"noise":          plots.PlotNoise(plotstest.NoiseSample()),
		"budget":         plots.PlotBudget(plotstest.BudgetSample()), "gpu": plots.PlotGPU(plotstest.GPUSample()),
		"families": plots.PlotFamilies(plotstest.FamilySample()),
	}
}

func drawPicture(t *testing.T, p *plots.Plot, o chart.Options) []byte {
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
	for name, p := range allPlots() {
		theme := chart.Light
		if name == "noise" || name == "progress-exact" {
			theme = chart.Dark
		}

		got := drawPicture(t, p, chart.Options{Theme: theme})
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

		if off := shareOfDifferingPixels(t, want, got); off > .0005 {
			t.Errorf("%s differs from its golden image by %.2g of its pixels; look at both, then -update", name, off)
		}
	}
}

// shareOfDifferingPixels is the share of pixels that differ visibly, 1 if the sizes do.
func shareOfDifferingPixels(t *testing.T, a, b []byte) float64 {
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
			if d := absoluteDifference(r1, r2) + absoluteDifference(g1, g2) + absoluteDifference(b1, b2); d > 3*0x2000 {
				n++
			}
		}
	}

	return float64(n) / float64(all)
}

func absoluteDifference(a, b uint32) uint32 { return max(a, b) - min(a, b) }

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
	hostile := plotstest.NoisyNight(1000)
	for i := range hostile.Points {
		hostile.Points[i].Hypothesis = long
		hostile.Points[i].Kept = true
	}
	hostile.Campaign, hostile.Metric.Name, hostile.Metric.Unit, hostile.Standing = long, long, long, long
	hostile.Audit = &view.ProgressAudit{After: 900, Gain: research.Interval{Mid: 1.0 / 3, Lo: -1e300, Hi: 1e300},
		Pairs: 6}

	odd := plotstest.ExactNight(300)
	for i, v := range []float64{1e-12, 1e12, -5, 0, math.MaxFloat64} {
		odd.Points[10+i].Value = &v
	}
	families := plotstest.FamilySample()
	families.Families[0].Word, families.Campaign = long, long
	all := allPlots()

	all["hostile"], all["odd"], all["long families"] = plots.PlotProgress(hostile), plots.PlotProgress(odd),
		plots.PlotFamilies(families)
	for name, p := range all {
		a, err := p.AnswerWithImage()
		if err != nil {
			t.Fatal(err)
		}
		checkAnswerFits(t, a, render.Limit)

		if len(a.PNG) == 0 || len(a.PNG) > 100<<10 {
			t.Errorf("%s: the image has %d bytes", name, len(a.PNG))
		}

		if svg := string(drawPicture(t, p, chart.Options{Format: chart.SVG})); strings.Contains(svg, "NaN") ||
			strings.Contains(svg, "\x1b") {
			t.Errorf("%s: %.300s", name, svg)
		}
	}
}

// TestPlotsWithoutDataSayWhy: no image is sent for nothing, a file has the reason in it.
func TestPlotsWithoutDataSayWhy(t *testing.T) {
	for want, p := range map[string]*plots.Plot{
		"no experiment yet":   plots.PlotProgress(plotstest.NoisyNight(0)),
		"not calibrated yet":  plots.PlotNoise(&view.NoiseSeries{}),
		"no run was made yet": plots.PlotBudget(&view.Spending{}),
		"no GPU was used":     plots.PlotGPU(&view.GPUSeries{Runs: 3}),
		"no experiment":       plots.PlotFamilies(&view.FamilySeries{}),
		"every repeat gave the same": plots.PlotNoise(&view.NoiseSeries{Noise: research.Deterministic,
			Calibration: []float64{0, 0}}),
	} {
		a, err := p.AnswerWithImage()
		if err != nil || a.PNG != nil || !strings.Contains(a.Text, want) {
			t.Errorf("%q is not said, or an image of nothing sent (%d bytes, %v):\n%s", want, len(a.PNG), err, a.Text)
		}

		if svg := string(drawPicture(t, p, chart.Options{Format: chart.SVG})); !strings.Contains(svg, want) {
			t.Errorf("the image does not say %q", want)
		}
	}
}

func TestProgressTellsWhatIsDrawn(t *testing.T) {
	a := plots.PlotProgress(plotstest.ExactNight(12)).Answer

	m := checkAnswerFits(t, a, render.Limit)
	if m["baseline"] != 48213.0 || m["from"] != 1.0 || m["to"] != 12.0 || len(m["values"].([]any)) != 11 ||
		len(m["kept"].([]any)) != 2 {
		t.Errorf("%v", m)
	}

	if !strings.Contains(a.Text, "2 improved") || !strings.Contains(a.Text, "kept: 8 ") || !strings.ContainsAny(a.Text,
		"▁▂▃") {
		t.Errorf("%s", a.Text)
	}

	one := plotstest.NoisyNight(1)
	if m := checkAnswerFits(t, plots.PlotProgress(one).Answer, render.Limit); m["best"] != nil || m["baseline"] != nil {
		t.Errorf("raw numbers of a noisy metric: %v", m)
	}
	window := plotstest.NoisyNight(300) // the newest 100, and what was kept before
	p := *window

	p.Points, p.From = nil, 201
	for _, pt := range window.Points {
		if pt.Kept || pt.N >= p.From {
			p.Points = append(p.Points, pt)
		}
	}

	svg := string(drawPicture(t, plots.PlotProgress(&p), chart.Options{Format: chart.SVG}))
	if !strings.Contains(svg, "experiments 201 to 300 of 300") || !strings.Contains(svg, ">200</text>") ||
		strings.Contains(svg, ">100</text>") {
		t.Error("the axis begins long before the window")
	}
}

// TestAPictureSaysWhatItLacks: the image's font has no letters of China or Japan.
func TestAPictureSaysWhatItLacks(t *testing.T) {
	night := plotstest.ExactNight(12)
	for i := range night.Points {
		night.Points[i].Hypothesis = "größer ist schneller, λ = 2"
	}

	plain, err := plots.PlotProgress(night).AnswerWithImage()
	if err != nil {
		t.Fatal(err)
	}

	if m := checkAnswerFits(t, plain, render.Limit); m["picture"] != nil || len(plain.PNG) == 0 {
		t.Errorf("a picture that lacks nothing: %v", m["picture"])
	}

	for i := range night.Points {
		night.Points[i].Hypothesis = "排序更快 🚀"
	}

	a, err := plots.PlotProgress(night).AnswerWithImage()
	if err != nil {
		t.Fatal(err)
	}

	m := checkAnswerFits(t, a, render.Limit)
	if said, _ := m["picture"].(string); !strings.Contains(said, "letters that its font lacks") ||
		!strings.Contains(a.Text, said+"\nnext: ") || !strings.Contains(a.Text, "排序更快 🚀") {
		t.Errorf("%v\n%s", m["picture"], a.Text)
	}
}

// TestOneBadExperimentDoesNotFlattenANight: twelve experiments, one of them 18
// times slower: the axis is of the other eleven, in the picture and in characters.
func TestOneBadExperimentDoesNotFlattenANight(t *testing.T) {
	p := plotstest.NoisyNight(12)
	bad := &p.Points[7]
	bad.Verdict, bad.Gain = research.Regressed, &research.Interval{Mid: -17.71, Lo: -18.9, Hi: -16.6}
	bad.OverStart = bad.Gain
	drawn := plots.PlotProgress(p)

	svg := string(drawPicture(t, drawn, chart.Options{Format: chart.SVG}))
	if strings.Count(svg, ">-1771 %</text>") != 1 || !strings.Contains(svg, ">5 %</text>") || strings.Contains(svg,
		"00 %</text>") {
		t.Error("the axis goes where one experiment is, or its arrow does not say where that is")
	}

	text := drawn.Answer.Text
	if !strings.Contains(text, "gains over the start, low 18.7 × as much, high 12.3 % less") {
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
	if text := plots.PlotProgress(p).Answer.Text; !strings.Contains(text, "low 17.71 points more, high 0.1228 points less") {
		t.Errorf("differences have the metric's unit:\n%s", text)
	}
}

func BenchmarkPlot(b *testing.B) {
	for _, n := range []int{20, 200, 1000} {
		p := plots.PlotProgress(plotstest.NoisyNight(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				if _, err := p.AnswerWithImage(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// checkAnswerFits fails unless both forms of a are within limit, valid and end with the next step.
func checkAnswerFits(t *testing.T, a render.Answer, limit int) map[string]any {
	t.Helper()

	if len(a.Text) > limit || len(a.Structured) > limit {
		t.Errorf("answer has %d bytes of text and %d of JSON, at most %d are allowed:\n%s\n%s", len(a.Text),
			len(a.Structured), limit, a.Text, a.Structured)
	}

	var m map[string]any
	if err := json.Unmarshal(a.Structured, &m); err != nil {
		t.Fatalf("%v in %s", err, a.Structured)
	}

	next, _ := m["next"].(string)
	if next == "" || !strings.HasSuffix(a.Text, "next: "+next) {
		t.Errorf("the answer doesn't end with the next step %q:\n%s", next, a.Text)
	}

	return m
}

// TestNoisyPlotsHaveTheUnit: where the start's value is known, gains over it are drawn and
// told in the metric's unit.
func TestNoisyPlotsHaveTheUnit(t *testing.T) {
	p := plotstest.NoisyNight(12)
	start := 318404.
	p.Start = &start
	p.Points[3].Result = "299 → 262 ns, 12 % less (9..15)"

	drawn := plots.PlotProgress(p)
	svg := string(drawPicture(t, drawn, chart.Options{Format: chart.SVG}))

	for _, want := range []string{"ns_per_op, in ns; band and whiskers: 90 %", "start 318404 ns"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}

	for _, want := range []string{"claimed over the start: 318404 → about ", "values, low ", "kept: 4 | 299 → 262 ns, 12 % less (9..15) | "} {
		if !strings.Contains(drawn.Answer.Text, want) {
			t.Errorf("the answer lacks %q:\n%s", want, drawn.Answer.Text)
		}
	}
}
