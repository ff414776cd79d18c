package chart

import (
	"math"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// pen draws in units of an 800 pixels wide picture, whatever its real width.
type pen struct {
	renderer chartdraw.Renderer
	scale    float64
	palette  palette
	// slack is what a text may be wider than measured: readers of an SVG may lack its font.
	slack float64
}

// box is a part of the picture.
type box struct{ left, top, right, bottom float64 }

func (b box) overlaps(o box) bool {
	return b.left < o.right && o.left < b.right && b.top < o.bottom && o.top < b.bottom
}

func (p *pen) toPixels(v float64) int { return int(math.Round(v * p.scale)) }

func (p *pen) setStyle(stroke, fill drawing.Color, width float64, dash ...float64) {
	p.renderer.ResetStyle()
	p.renderer.SetStrokeColor(stroke)
	p.renderer.SetFillColor(fill)
	p.renderer.SetStrokeWidth(width * p.scale)

	for i := range dash {
		dash[i] *= p.scale
	}
	p.renderer.SetStrokeDashArray(dash)
}

func (p *pen) tracePath(xys ...float64) {
	p.renderer.MoveTo(p.toPixels(xys[0]), p.toPixels(xys[1]))

	for i := 2; i+1 < len(xys); i += 2 {
		p.renderer.LineTo(p.toPixels(xys[i]), p.toPixels(xys[i+1]))
	}
}

func (p *pen) strokeLine(c drawing.Color, width float64, xys ...float64) {
	p.setStyle(c, drawing.Color{}, width)
	p.tracePath(xys...)
	p.renderer.Stroke()
}

func (p *pen) strokeDashed(c drawing.Color, width float64, xys ...float64) {
	p.setStyle(c, drawing.Color{}, width, 5, 4)
	p.tracePath(xys...)
	p.renderer.Stroke()
}

func (p *pen) fillPath(c drawing.Color, xys ...float64) {
	p.setStyle(drawing.Color{}, c, 0)
	p.tracePath(xys...)
	p.renderer.Close()
	p.renderer.Fill()
}

func (p *pen) fillRect(b box, c drawing.Color) {
	p.fillPath(c, b.left, b.top, b.right, b.top, b.right, b.bottom, b.left, b.bottom)
}

func (p *pen) setFont(size float64, bold bool) {
	name := "notosans"
	if bold {
		name = "notosans-bold"
	}
	p.renderer.SetFont(chartdraw.GetFont(name))
	p.renderer.SetFontSize(size * p.scale)
}

// textWidth returns the width of a text.
func (p *pen) textWidth(s string, size float64) float64 {
	p.renderer.ResetStyle()
	p.setFont(size, false)

	return float64(p.renderer.MeasureText(s).Right) / p.scale
}

// drawAligned writes s with its baseline's beginning (at 0), middle (.5) or end (1) at x, y.
func (p *pen) drawAligned(s string, x, y, size, at float64, c drawing.Color) {
	if at != 0 {
		x -= at * p.textWidth(s, size)
	}
	p.drawText(s, x, y, size, false, c)
}

func (p *pen) drawText(s string, x, y, size float64, bold bool, c drawing.Color) {
	p.renderer.ResetStyle()
	p.setFont(size, bold)
	p.renderer.SetFontColor(c)
	p.renderer.Text(s, p.toPixels(x), p.toPixels(y))
}

// fitText returns s, cut with a mark where it is wider than width.
func (p *pen) fitText(s string, size, width float64) string {
	s = cleanText(s)
	if width /= p.slack; p.textWidth(s, size) <= width {
		return s
	}
	r := []rune(s)

	lo, hi := 0, len(r) // r[:lo] fits, r[:hi] does not
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; p.textWidth(string(r[:mid])+"…", size) <= width {
			lo = mid
		} else {
			hi = mid
		}
	}

	return strings.TrimRight(string(r[:lo]), " ") + "…"
}

// longest bounds a text before it is measured.
const longest = 300

// cleanText returns a text on one line, without control characters, of at most longest characters.
func cleanText(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")

	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}

		return r
	}, s)
	if r := []rune(s); len(r) > longest {
		return string(r[:longest])
	}

	return s
}

// drawMark draws a shape around x, y.
func (p *pen) drawMark(s Shape, c drawing.Color, x, y, size float64) {
	switch s {
	case Ring, Halo:
		p.setStyle(c, drawing.Color{}, 1.4)
		p.traceCircle(x, y, size)
		p.renderer.Stroke()
	case Square:
		d := size * .85
		p.fillRect(box{x - d, y - d, x + d, y + d}, c)
	case Diamond:
		d := size * 1.2
		p.fillPath(c, x, y-d, x+d, y, x, y+d, x-d, y)
	case TriangleUp, TriangleDown:
		d := size * 1.15
		if s == TriangleDown {
			d = -d
		}
		p.fillPath(c, x, y-d, x+math.Abs(d), y+d*.8, x-math.Abs(d), y+d*.8)
	case Cross:
		d := size * .85
		p.strokeLine(c, 1.6, x-d, y-d, x+d, y+d)
		p.strokeLine(c, 1.6, x-d, y+d, x+d, y-d)
	default:
		p.setStyle(drawing.Color{}, c, 0)
		p.traceCircle(x, y, size)
		p.renderer.Fill()
	}
}

func (p *pen) traceCircle(x, y, radius float64) {
	p.renderer.Circle(radius*p.scale, p.toPixels(x), p.toPixels(y))
}
