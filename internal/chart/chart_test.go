package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"ratchet/internal/chart"
	"ratchet/internal/testform"
)

// dotFigure is a figure with one series of every kind over the same points.
func dotFigure(ys ...float64) chart.Figure {
	q := chart.Panel{Title: "y", X: chart.Axis{Name: "x", Unit: chart.Whole}, Y: chart.Axis{Robust: true, Log: true}}
	for kind := chart.Marks; kind <= chart.Stems; kind++ {
		s := chart.Series{Name: fmt.Sprint(kind), Kind: kind, Colour: chart.Colour(kind), Shape: chart.Shape(kind)}
		for i, y := range ys {
			s.Points = append(s.Points, chart.Point{X: float64(i), Y: y, Lo: y, Hi: y, Span: true})
			q.Labels = append(q.Labels, chart.Label{X: float64(i), Y: y, Text: fmt.Sprint("label ", i)})
		}

		q.Series = append(q.Series, s)
	}
	q.Rules = []chart.Rule{{At: ys[0], Text: "start"}, {At: 1, Vertical: true, Text: "here"}}

	return chart.Figure{Title: "t", Panels: []chart.Panel{q}}
}

func repeatValues(n int, f func(int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}

	return out
}

var nan, inf = math.NaN(), math.Inf(1)

// testFigures are what must come out as pictures, however odd.
func testFigures() map[string]chart.Figure {
	long := strings.Repeat("eine sehr lange Überschrift 漢字 ∑ 🚀 \u202e\x00\x1b[31m<b>&\"'\n", 200)
	odd := dotFigure(1, 2, 3)
	odd.Title, odd.Subtitle, odd.Foot, odd.Panels[0].Title, odd.Panels[0].X.Name = long, long, long, long, long
	odd.Panels[0].Series[0].Name, odd.Panels[0].Labels[0].Text, odd.Panels[0].Rules[0].Text = long, long, long
	broken := dotFigure(1, nan, 2)
	broken.Title = string([]byte{0xff, 0xfe, 'x', 0xc3})

	return map[string]chart.Figure{
		"nothing":      {},
		"empty":        {Title: "t", Empty: "no experiment yet"},
		"a bare panel": {Panels: []chart.Panel{{}}},
		"no points":    {Panels: []chart.Panel{{Series: []chart.Series{{Name: "s"}}}}},
		"one":          dotFigure(42),
		"zero":         dotFigure(0, 0, 0),
		"equal":        dotFigure(7, 7, 7, 7),
		"tiny":         dotFigure(1e-12, 2e-12, 1.5e-12),
		"huge":         dotFigure(1e12, 2e12, 1.5e12),
		"tiny to huge": dotFigure(1e-12, 1, 1e12),
		"negative":     dotFigure(-5, 3, -1e12, 2),
		"all negative": dotFigure(-1e-9, -2e-9),
		"the ends":     dotFigure(math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64),
		"almost equal": dotFigure(1, 1+1e-15, 1+2e-15),
		"no numbers":   dotFigure(nan, inf, -inf),
		"some numbers": dotFigure(1, nan, inf, 2, -inf, 3),
		"a thousand":   dotFigure(repeatValues(1000, func(i int) float64 { return math.Sin(float64(i)) })...),
		"far off":      dotFigure(append(repeatValues(100, func(i int) float64 { return float64(i % 7) }), 1e9)...),
		"odd texts":    odd,
		"broken texts": broken,
		"bars": {Panels: []chart.Panel{{Bars: []chart.Bar{{Name: long, Whole: 3, Part: 9, Text: long},
			{Whole: nan}, {Whole: -1, Part: 1}, {}}}}},
		"hundred bars": {Panels: []chart.Panel{{Bars: make([]chart.Bar, 100)}}},
		"several panels": {Panels: append(dotFigure(1, 2, 3).Panels,
			append(dotFigure(1e9, 2).Panels, dotFigure(1e-9).Panels...)...)},
	}
}

func drawFigure(t *testing.T, f chart.Figure, o chart.Options) []byte {
	t.Helper()

	b, err := chart.Draw(f, o)
	if err != nil {
		t.Fatal(err)
	}

	return b
}

func TestWhateverTheDataAPictureComesOut(t *testing.T) {
	for name, f := range testFigures() {
		for _, theme := range []chart.Theme{chart.Light, chart.Dark} {
			b := drawFigure(t, f, chart.Options{Theme: theme})

			img, err := png.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}

			if img.Bounds().Dx() != 800 || img.Bounds().Dy() < 200 || img.Bounds().Dy() > 1200 {
				t.Errorf("%s is %v large", name, img.Bounds())
			}

			if len(b) > 100<<10 {
				t.Errorf("%s has %d bytes", name, len(b))
			}

			if _, _, _, a := img.At(5, 5).RGBA(); a != 0xffff {
				t.Errorf("%s has no ground of its own", name)
			}
		}
	}
}

func TestSVGIsXMLWithNumbersOnly(t *testing.T) {
	for name, f := range testFigures() {
		b := drawFigure(t, f, chart.Options{Format: chart.SVG})
		depth, texts := 0, 0

		for dec := xml.NewDecoder(bytes.NewReader(b)); ; {
			tok, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}

			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, b[:min(len(b), 400)])
			}

			switch e := tok.(type) {
			case xml.StartElement:
				depth++

				if e.Name.Local == "text" {
					texts++
				}

				for _, a := range e.Attr {
					if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || strings.Contains(a.Value,
						"e+") {
						t.Errorf("%s: %s=%q", name, a.Name.Local, a.Value)
					}
				}
			case xml.EndElement:
				depth--
			}
		}

		if depth != 0 || !bytes.HasPrefix(b, []byte(`<svg width="800" height="`)) ||
			texts == 0 && f.Empty+f.Title != "" {
			t.Errorf("%s: depth %d, %d texts, %.60s", name, depth, texts, b)
		}
	}
}

func TestTheSameFigureGivesTheSameBytes(t *testing.T) {
	testform.SkipQuick(t, "TestWhateverTheDataAPictureComesOut draws the same figures once")

	for name, f := range testFigures() {
		for _, format := range []chart.Format{chart.PNG, chart.SVG} {
			o := chart.Options{Format: format, Theme: chart.Dark}
			if !bytes.Equal(drawFigure(t, f, o), drawFigure(t, f, o)) {
				t.Errorf("%s as %s differs from itself", name, format)
			}
		}
	}
}

// TestPointsShow: a point that is drawn changes the picture, one that is not a number does not.
func TestPointsShow(t *testing.T) {
	base := drawFigure(t, dotFigure(1, 2, 3), chart.Options{})
	if bytes.Equal(base, drawFigure(t, dotFigure(1, 2.5, 3), chart.Options{})) {
		t.Error("another value gives the same picture")
	}
	f := dotFigure(1, 2, 3)

	f.Panels[0].Series[0].Points = append(f.Panels[0].Series[0].Points, chart.Point{X: nan, Y: 2},
		chart.Point{X: 1, Y: nan})
	if !bytes.Equal(base, drawFigure(t, f, chart.Options{})) {
		t.Error("a point without a number changes the picture")
	}
}

// TestAPointFarOffIsAnArrow: it does not flatten all others.
func TestAPointFarOffIsAnArrow(t *testing.T) {
	q := chart.Panel{Y: chart.Axis{Robust: true}, Series: []chart.Series{{Colour: chart.Purple}}}
	for i, y := range append(repeatValues(60, func(i int) float64 { return float64(10 + i%7) }), 1e12) {
		q.Series[0].Points = append(q.Series[0].Points, chart.Point{X: float64(i), Y: y})
	}
	svg := string(drawFigure(t, chart.Figure{Panels: []chart.Panel{q}}, chart.Options{Format: chart.SVG}))
	q.Series[0].Points[60].Y = -1e12
	below := string(drawFigure(t, chart.Figure{Panels: []chart.Panel{q}}, chart.Options{Format: chart.SVG}))
	q.Series[0].Points[60].Y = nan
	without := string(drawFigure(t, chart.Figure{Panels: []chart.Panel{q}}, chart.Options{Format: chart.SVG}))

	const stroke = "stroke:rgb(168,80,138)" // of nothing else in it
	if svg == below || strings.Count(svg, stroke) != 2 || strings.Contains(without, stroke) {
		t.Error("the point is not an arrow at its edge")
	}

	if !strings.Contains(svg, ">12</text>") || strings.Count(svg, "1e12") != 1 || strings.Count(below,
		">-1e12</text>") != 1 {
		t.Errorf("the scale follows the one point that is far off, or its value is not told:\n%.2000s", svg)
	}
}

// TestFewPointsFarOff: of a short night with whiskers, too, whatever the
// figure's other parts; what is said is which ticks and values there are.
func TestFewPointsFarOff(t *testing.T) {
	for name, c := range map[string]struct {
		ys         []float64
		log        bool
		want, gone []string
	}{
		"one of twelve": {ys: []float64{.1, .02, -17.71, .2, .05, -.1, .2, .0, .1, .12, .03, .3},
			want: []string{">-1771 %<", ">20 %<"}, gone: []string{">-500 %<", ">-1000 %<"}},
		"one of four": {ys: []float64{.1, .2, -17.71, .15}, want: []string{">-1771 %<", ">10 %<"},
			gone: []string{">-500 %<"}},
		"two of thirty": {ys: append(repeatValues(28, func(i int) float64 { return float64(i%5) / 50 }), -17.71, 9),
			want: []string{">-1771 %<", ">900 %<", ">8 %<"}, gone: []string{">-500 %<"}},
		"logarithmic if asked": {ys: []float64{.1, .12, 9, .11, .1, .13, .12}, log: true,
			want: []string{">900 %<", ">12 %<"}, gone: []string{">0.5<"}},
		"two halves": {ys: []float64{.1, -5, .2, -5.2, .15, -5.1}, want: []string{">-500 %<"},
			gone: []string{">-520 %<"}},
		"not so far": {ys: []float64{.1, .2, .3, .4, .1, .2, .9}, want: []string{">80 %<"}, gone: []string{">90.0 %<"}},
	} {
		q := chart.Panel{Y: chart.Axis{Robust: true, Log: c.log, Unit: chart.Share},
			Series: []chart.Series{{}, {Shape: chart.Halo}}}
		for i, y := range c.ys {
			q.Series[0].Points = append(q.Series[0].Points,
				chart.Point{X: float64(i), Y: y, Lo: y * .9, Hi: y * 1.1, Span: true})
			q.Series[1].Points = append(q.Series[1].Points, chart.Point{X: float64(i), Y: y})
		}

		svg := string(drawFigure(t, chart.Figure{Panels: []chart.Panel{q}}, chart.Options{Format: chart.SVG}))
		for _, s := range c.want {
			if strings.Count(svg, s) != 1 {
				t.Errorf("%s: %s is not there once", name, s)
			}
		}

		for _, s := range c.gone {
			if strings.Contains(svg, s) {
				t.Errorf("%s: %s is there", name, s)
			}
		}
	}
}

func TestALogarithmicAxis(t *testing.T) {
	positive, negative := dotFigure(1, 10, 1e4), dotFigure(1, 10, -1e4)
	for _, f := range []chart.Figure{positive, negative} {
		f.Panels[0].Series = f.Panels[0].Series[:1] // stems begin at zero
	}

	svg := string(drawFigure(t, positive, chart.Options{Format: chart.SVG}))
	for _, want := range []string{">1</text>", ">100</text>", ">10000</text>"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no tick %s", want)
		}
	}

	if svg := string(drawFigure(t, negative, chart.Options{Format: chart.SVG})); !strings.Contains(svg,
		">-10000</text>") {
		t.Error("a negative value has no place on a logarithmic axis: it must be linear")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []chart.Options{{Width: 10}, {Width: 9999}, {Theme: "pink"}, {Format: "gif"}} {
		if _, err := chart.Draw(chart.Figure{}, o); err == nil {
			t.Errorf("%+v is drawn", o)
		}
	}
}

func TestEverythingGrowsWithTheWidth(t *testing.T) {
	img, err := png.Decode(bytes.NewReader(drawFigure(t, dotFigure(1, 2, 3), chart.Options{Width: 1600})))
	if err != nil || img.Bounds().Dx() != 1600 {
		t.Fatalf("%v %v", img.Bounds(), err)
	}

	small, err := png.Decode(bytes.NewReader(drawFigure(t, dotFigure(1, 2, 3), chart.Options{})))
	if err != nil || 2*small.Bounds().Dy() != img.Bounds().Dy() {
		t.Errorf("%v and %v", small.Bounds(), img.Bounds())
	}
}
