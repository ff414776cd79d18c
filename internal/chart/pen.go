package chart

import (
	"math"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// pen draws in units of an 800 pixels wide picture, whatever its real width.
type pen struct {
	r     chartdraw.Renderer
	scale float64
	p     palette
	// slack is what a text may be wider than measured: readers of an SVG may lack its font.
	slack float64
}

// box is a part of the picture.
type box struct{ left, top, right, bottom float64 }

func (b box) overlaps(o box) bool {
	return b.left < o.right && o.left < b.right && b.top < o.bottom && o.top < b.bottom
}

func (p *pen) px(v float64) int { return int(math.Round(v * p.scale)) }

func (p *pen) style(stroke, fill drawing.Color, width float64, dash ...float64) {
	p.r.ResetStyle()
	p.r.SetStrokeColor(stroke)
	p.r.SetFillColor(fill)
	p.r.SetStrokeWidth(width * p.scale)

	for i := range dash {
		dash[i] *= p.scale
	}
	p.r.SetStrokeDashArray(dash)
}

func (p *pen) path(xys ...float64) {
	p.r.MoveTo(p.px(xys[0]), p.px(xys[1]))

	for i := 2; i+1 < len(xys); i += 2 {
		p.r.LineTo(p.px(xys[i]), p.px(xys[i+1]))
	}
}

func (p *pen) line(c drawing.Color, width float64, xys ...float64) {
	p.style(c, drawing.Color{}, width)
	p.path(xys...)
	p.r.Stroke()
}

func (p *pen) dashed(c drawing.Color, width float64, xys ...float64) {
	p.style(c, drawing.Color{}, width, 5, 4)
	p.path(xys...)
	p.r.Stroke()
}

func (p *pen) fill(c drawing.Color, xys ...float64) {
	p.style(drawing.Color{}, c, 0)
	p.path(xys...)
	p.r.Close()
	p.r.Fill()
}

func (p *pen) rect(b box, c drawing.Color) {
	p.fill(c, b.left, b.top, b.right, b.top, b.right, b.bottom, b.left, b.bottom)
}

func (p *pen) font(size float64, bold bool) {
	name := "notosans"
	if bold {
		name = "notosans-bold"
	}
	p.r.SetFont(chartdraw.GetFont(name))
	p.r.SetFontSize(size * p.scale)
}

// width is a text's.
func (p *pen) width(s string, size float64) float64 {
	p.r.ResetStyle()
	p.font(size, false)

	return float64(p.r.MeasureText(s).Right) / p.scale
}

// text writes s with its baseline's beginning (at 0), middle (.5) or end (1) at x, y.
func (p *pen) text(s string, x, y, size, at float64, c drawing.Color) {
	if at != 0 {
		x -= at * p.width(s, size)
	}
	p.write(s, x, y, size, false, c)
}

func (p *pen) write(s string, x, y, size float64, bold bool, c drawing.Color) {
	p.r.ResetStyle()
	p.font(size, bold)
	p.r.SetFontColor(c)
	p.r.Text(s, p.px(x), p.px(y))
}

// fit is s, cut with a mark where it is wider than width.
func (p *pen) fit(s string, size, width float64) string {
	s = plain(s)
	if width /= p.slack; p.width(s, size) <= width {
		return s
	}
	r := []rune(s)

	lo, hi := 0, len(r) // r[:lo] fits, r[:hi] does not
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; p.width(string(r[:mid])+"…", size) <= width {
			lo = mid
		} else {
			hi = mid
		}
	}

	return strings.TrimRight(string(r[:lo]), " ") + "…"
}

// longest bounds a text before it is measured.
const longest = 300

// plain is a text on one line, bounded.
func plain(s string) string {
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

// mark draws a shape around x, y.
func (p *pen) mark(s Shape, c drawing.Color, x, y, size float64) {
	switch s {
	case Ring, Halo:
		p.style(c, drawing.Color{}, 1.4)
		p.circle(x, y, size)
		p.r.Stroke()
	case Square:
		d := size * .85
		p.rect(box{x - d, y - d, x + d, y + d}, c)
	case Diamond:
		d := size * 1.2
		p.fill(c, x, y-d, x+d, y, x, y+d, x-d, y)
	case TriangleUp, TriangleDown:
		d := size * 1.15
		if s == TriangleDown {
			d = -d
		}
		p.fill(c, x, y-d, x+math.Abs(d), y+d*.8, x-math.Abs(d), y+d*.8)
	case Cross:
		d := size * .85
		p.line(c, 1.6, x-d, y-d, x+d, y+d)
		p.line(c, 1.6, x-d, y+d, x+d, y-d)
	default:
		p.style(drawing.Color{}, c, 0)
		p.circle(x, y, size)
		p.r.Fill()
	}
}

func (p *pen) circle(x, y, radius float64) {
	p.r.Circle(radius*p.scale, p.px(x), p.px(y))
}
