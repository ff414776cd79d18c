package chart

import (
	"math"
	"slices"

	"github.com/go-analyze/charts/chartdraw/drawing"
)

// canvas is a panel's inner part with its scales.
type canvas struct {
	*pen
	box
	x, y    span
	taken   []box   // what labels must not cover
	written []box   // the labels
	far     []Point // the arrows: X and Lo where they are drawn, Y their value
}

// panel draws q into b, its axes margin from the left.
func (p *pen) panel(q Panel, b box, margin float64) {
	if len(q.Bars) > 0 {
		p.bars(q, b)
		return
	}
	xs, ys := scales(q, b.bottom-b.top)
	c := &canvas{pen: p, x: xs, y: ys, box: box{margin, b.top + 24, b.right - edge - 4, b.bottom - below(q)}}
	c.frame(q)

	for _, kinds := range [][]Kind{{Area}, {Line, Steps, Stems}} {
		for _, s := range q.Series {
			if slices.Contains(kinds, s.Kind) {
				c.series(s)
			}
		}
	}

	for _, s := range slices.Backward(q.Series) { // the first ones count most
		if s.Kind == Marks {
			c.series(s)
		}
	}

	for _, r := range q.Rules {
		c.rule(r)
	}
	c.labels(q)
}

// below is the room that the panel's horizontal axis takes.
func below(q Panel) float64 {
	if q.X.Name == "" {
		return 24
	}

	return 40
}

// margin is the room that the panel's vertical axis takes.
func (p *pen) margin(panel Panel, height float64) float64 {
	if len(panel.Bars) > 0 {
		return 0
	}
	_, ys := scales(panel, height)

	wide := 0.0
	for _, v := range ys.ticks {
		wide = math.Max(wide, p.width(ys.write(v), tickSize))
	}

	return edge + wide + 8
}

// scales are the panel's, from its series and its height.
func scales(panel Panel, height float64) (xs, ys span) {
	var x, y []Point
	var must []float64

	for _, series := range panel.Series {
		for _, pt := range series.Points {
			x = append(x, Point{Y: pt.X})

			switch {
			case series.Floor, series.Kind == Marks && series.Shape == Halo: // around a point that counts already
			case series.Kind == Marks:
				y = append(y, pt)
			case series.Kind == Area:
				must = append(must, pt.Lo, pt.Hi)
			default:
				must = append(must, pt.Y)
			}
		}

		if series.Kind == Stems {
			must = append(must, 0)
		}
	}

	for _, r := range panel.Rules {
		if !r.Vertical {
			must = append(must, r.At)
		}
	}

	return extent(panel.X, nil, x, 9), extent(panel.Y, must, y, max(3, int(height/48)))
}

// frame draws grid, ticks and the names of the axes.
func (c *canvas) frame(panel Panel) {
	c.text(c.fit(panel.Title, textSize, c.right-edge), edge, c.top-9, textSize, 0, c.p.muted)

	for _, v := range c.y.ticks {
		y := c.py(v)
		c.line(c.p.grid, 1, c.left, y, c.right, y)
		c.text(c.y.write(v), c.left-7, y+4, tickSize, 1, c.p.muted)
	}

	for _, v := range c.x.ticks {
		x := c.px1(v)
		c.line(c.p.frame, 1, x, c.bottom, x, c.bottom+4)
		c.text(c.x.write(v), x, c.bottom+17, tickSize, .5, c.p.muted)
	}
	c.line(c.p.frame, 1, c.left, c.bottom, c.right, c.bottom)

	if panel.X.Name != "" {
		c.text(c.fit(panel.X.Name, textSize, c.right-c.left), (c.left+c.right)/2, c.bottom+33, textSize, .5, c.p.muted)
	}
}

func (c *canvas) px1(v float64) float64 {
	s, _ := c.x.at(v)
	return c.left + s*(c.right-c.left)
}

func (c *canvas) py(v float64) float64 {
	s, _ := c.y.at(v)
	return c.bottom - s*(c.bottom-c.top)
}

func (p Point) finite() bool { return finite2(p.X, p.Y) }

func finite2(vs ...float64) bool { return len(finite(vs)) == len(vs) }

func (c *canvas) series(s Series) {
	col := c.p.colours[s.Colour]
	switch s.Kind {
	case Area:
		c.area(s, with(col, 48))
	case Line, Steps:
		c.joined(s, col)
	case Stems:
		for _, pt := range s.Points {
			if pt.finite() {
				c.line(with(col, 200), c.markSize(s)*.7, c.px1(pt.X), c.py(0), c.px1(pt.X), c.py(pt.Y))
			}
		}
	default:
		c.marks(s, col)
	}
}

// joined draws a line through the points; where one is missing it breaks.
func (c *canvas) joined(series Series, col drawing.Color) {
	var path []float64
	flush := func() {
		switch {
		case len(path) == 2:
			path = append(path, path[0]+6, path[1])
			fallthrough
		case len(path) > 2 && !series.Dashed:
			c.line(col, 2, path...)
		case len(path) > 2:
			c.dashed(col, 1.8, path...)
		}
		path = nil
	}

	for _, pt := range series.Points {
		if !pt.finite() {
			flush()
			continue
		}

		x, y := c.px1(pt.X), c.py(pt.Y)
		if n := len(path); n > 0 && series.Kind == Steps {
			path = append(path, x, path[n-1])
		}
		path = append(path, x, y)
	}
	flush()
}

// area fills what is between Lo and Hi, in steps.
func (c *canvas) area(series Series, col drawing.Color) {
	for i, pt := range series.Points {
		if !finite2(pt.X, pt.Lo, pt.Hi) {
			continue
		}

		right := c.px1(pt.X) + 6
		if i+1 < len(series.Points) {
			right = c.px1(series.Points[i+1].X)
		}
		c.rect(box{c.px1(pt.X), c.py(pt.Hi), math.Max(right, c.px1(pt.X)), c.py(pt.Lo)}, col)
	}
}

// markSize is smaller where there are many.
func (c *canvas) markSize(series Series) float64 {
	n := 0.0
	if c.x.unit == Whole {
		n = c.x.hi - c.x.lo
	}
	n = math.Max(n, float64(len(series.Points)))

	return min(max(5-math.Log10(math.Max(n, 10)/10), 2.6), 5)
}

func (c *canvas) marks(series Series, col drawing.Color) {
	size := c.markSize(series)
	if series.Shape == Halo {
		size = size*1.9 + .5
	}

	for _, pt := range series.Points {
		if series.Floor && finite2(pt.X) {
			c.mark(series.Shape, col, c.px1(pt.X), c.bottom-size-2, size)
			continue
		}

		if !pt.finite() {
			continue
		}

		x, y := c.px1(pt.X), c.py(pt.Y)
		if share, in := c.y.at(pt.Y); !in { // an arrow at the edge
			if series.Shape != Halo {
				c.arrow(col, x, pt.Y, share > .5)
			}

			continue
		}

		if pt.Span && finite2(pt.Lo, pt.Hi) {
			c.line(with(col, 150), 1, x, c.py(pt.Lo), x, c.py(pt.Hi))
		}
		c.mark(series.Shape, col, x, y, size)
	}
}

// arrow says that a point lies beyond the edge; labels say where.
func (c *canvas) arrow(col drawing.Color, x, v float64, up bool) {
	y, d := c.bottom-2, -1.0
	if up {
		y, d = c.top+2, 1.0
	}
	c.line(col, 1.6, x, y+10*d, x, y)
	c.line(col, 1.6, x-4, y+4*d, x, y, x+4, y+4*d)
	c.taken = append(c.taken, box{x - 5, min(y, y+12*d), x + 5, max(y, y+12*d)})
	c.far = append(c.far, Point{X: x, Y: v, Lo: y + 5*d})
}

// rule draws a line across, with its word at the end.
func (c *canvas) rule(r Rule) {
	if !finite2(r.At) {
		return
	}

	col := c.p.colours[r.Colour]
	if r.Vertical {
		x := c.px1(r.At)
		c.dashed(col, 1.2, x, c.top, x, c.bottom)

		if w := c.width(r.Text, 11); x+w+6 > c.right {
			c.text(r.Text, x-4, c.top+10, 11, 1, c.p.muted)
		} else {
			c.text(r.Text, x+4, c.top+10, 11, 0, c.p.muted)
		}

		return
	}
	y := c.py(r.At)
	c.dashed(col, 1.2, c.left, y, c.right, y)
	text := c.fit(r.Text, 11, c.right-c.left)
	at := box{c.right - c.width(text, 11), y - 15, c.right, y - 2}
	c.text(text, c.right, y-4, 11, 1, c.p.muted)
	c.taken = append(c.taken, at)
}
