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
	x, y    axisScale
	taken   []box   // what labels must not cover
	written []box   // the labels
	far     []Point // the arrows: X and Lo where they are drawn, Y their value
}

// drawPanel draws q into b, its axes margin from the left.
func (p *pen) drawPanel(q Panel, b box, margin float64) {
	if len(q.Bars) > 0 {
		p.drawBars(q, b)
		return
	}
	xs, ys := fitScales(q, b.bottom-b.top)
	c := &canvas{pen: p, x: xs, y: ys, box: box{margin, b.top + 24, b.right - edge - 4, b.bottom - axisHeight(q)}}
	c.drawAxes(q)

	for _, kinds := range [][]Kind{{Area}, {Line, Steps, Stems}} {
		for _, s := range q.Series {
			if slices.Contains(kinds, s.Kind) {
				c.drawSeries(s)
			}
		}
	}

	for _, s := range slices.Backward(q.Series) { // the first ones count most
		if s.Kind == Marks {
			c.drawSeries(s)
		}
	}

	for _, r := range q.Rules {
		c.drawRule(r)
	}
	c.drawLabels(q)
}

// axisHeight returns the room that the panel's horizontal axis takes.
func axisHeight(q Panel) float64 {
	if q.X.Name == "" {
		return 24
	}

	return 40
}

// axisWidth returns the room that the panel's vertical axis takes.
func (p *pen) axisWidth(panel Panel, height float64) float64 {
	if len(panel.Bars) > 0 {
		return 0
	}
	_, ys := fitScales(panel, height)

	wide := 0.0
	for _, v := range ys.ticks {
		wide = math.Max(wide, p.textWidth(ys.formatTick(v), tickSize))
	}

	return edge + wide + 8
}

// fitScales returns the scales of a panel's axes, from its series and its height.
func fitScales(panel Panel, height float64) (xs, ys axisScale) {
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

	return fitAxis(panel.X, nil, x, 9), fitAxis(panel.Y, must, y, max(3, int(height/48)))
}

// drawAxes draws grid, ticks and the names of the axes.
func (c *canvas) drawAxes(panel Panel) {
	c.drawAligned(c.fitText(panel.Title, textSize, c.right-edge), edge, c.top-9, textSize, 0, c.palette.muted)

	for _, v := range c.y.ticks {
		y := c.pixelY(v)
		c.strokeLine(c.palette.grid, 1, c.left, y, c.right, y)
		c.drawAligned(c.y.formatTick(v), c.left-7, y+4, tickSize, 1, c.palette.muted)
	}

	for _, v := range c.x.ticks {
		x := c.pixelX(v)
		c.strokeLine(c.palette.frame, 1, x, c.bottom, x, c.bottom+4)
		c.drawAligned(c.x.formatTick(v), x, c.bottom+17, tickSize, .5, c.palette.muted)
	}
	c.strokeLine(c.palette.frame, 1, c.left, c.bottom, c.right, c.bottom)

	if panel.X.Name != "" {
		c.drawAligned(c.fitText(panel.X.Name, textSize, c.right-c.left), (c.left+c.right)/2, c.bottom+33, textSize, .5,
			c.palette.muted)
	}
}

func (c *canvas) pixelX(v float64) float64 {
	s, _ := c.x.positionOf(v)
	return c.left + s*(c.right-c.left)
}

func (c *canvas) pixelY(v float64) float64 {
	s, _ := c.y.positionOf(v)
	return c.bottom - s*(c.bottom-c.top)
}

func (p Point) isFinite() bool { return areFinite(p.X, p.Y) }

func areFinite(vs ...float64) bool { return len(keepFinite(vs)) == len(vs) }

func (c *canvas) drawSeries(s Series) {
	col := c.palette.colours[s.Colour]
	switch s.Kind {
	case Area:
		c.drawArea(s, withOpacity(col, 48))
	case Line, Steps:
		c.drawLine(s, col)
	case Stems:
		for _, pt := range s.Points {
			if pt.isFinite() {
				c.strokeLine(withOpacity(col, 200), c.markSize(s)*.7, c.pixelX(pt.X), c.pixelY(0), c.pixelX(pt.X),
					c.pixelY(pt.Y))
			}
		}
	default:
		c.drawMarks(s, col)
	}
}

// drawLine draws a line through the points; where one is missing it breaks.
func (c *canvas) drawLine(series Series, col drawing.Color) {
	var path []float64
	flush := func() {
		switch {
		case len(path) == 2:
			path = append(path, path[0]+6, path[1])
			fallthrough
		case len(path) > 2 && !series.Dashed:
			c.strokeLine(col, 2, path...)
		case len(path) > 2:
			c.strokeDashed(col, 1.8, path...)
		}
		path = nil
	}

	for _, pt := range series.Points {
		if !pt.isFinite() {
			flush()
			continue
		}

		x, y := c.pixelX(pt.X), c.pixelY(pt.Y)
		if n := len(path); n > 0 && series.Kind == Steps {
			path = append(path, x, path[n-1])
		}
		path = append(path, x, y)
	}
	flush()
}

// drawArea fills what is between Lo and Hi, in steps.
func (c *canvas) drawArea(series Series, col drawing.Color) {
	for i, pt := range series.Points {
		if !areFinite(pt.X, pt.Lo, pt.Hi) {
			continue
		}

		right := c.pixelX(pt.X) + 6
		if i+1 < len(series.Points) {
			right = c.pixelX(series.Points[i+1].X)
		}
		c.fillRect(box{c.pixelX(pt.X), c.pixelY(pt.Hi), math.Max(right, c.pixelX(pt.X)), c.pixelY(pt.Lo)}, col)
	}
}

// markSize returns the size of a series' marks, smaller where there are many.
func (c *canvas) markSize(series Series) float64 {
	n := 0.0
	if c.x.unit == Whole {
		n = c.x.hi - c.x.lo
	}
	n = math.Max(n, float64(len(series.Points)))

	return min(max(5-math.Log10(math.Max(n, 10)/10), 2.6), 5)
}

func (c *canvas) drawMarks(series Series, col drawing.Color) {
	size := c.markSize(series)
	if series.Shape == Halo {
		size = size*1.9 + .5
	}

	for _, pt := range series.Points {
		if series.Floor && areFinite(pt.X) {
			c.drawMark(series.Shape, col, c.pixelX(pt.X), c.bottom-size-2, size)
			continue
		}

		if !pt.isFinite() {
			continue
		}

		x, y := c.pixelX(pt.X), c.pixelY(pt.Y)
		if share, in := c.y.positionOf(pt.Y); !in { // an arrow at the edge
			if series.Shape != Halo {
				c.drawArrow(col, x, pt.Y, share > .5)
			}

			continue
		}

		if pt.Span && areFinite(pt.Lo, pt.Hi) {
			c.strokeLine(withOpacity(col, 150), 1, x, c.pixelY(pt.Lo), x, c.pixelY(pt.Hi))
		}
		c.drawMark(series.Shape, col, x, y, size)
	}
}

// drawArrow says that a point lies beyond the edge; labels say where.
func (c *canvas) drawArrow(col drawing.Color, x, v float64, up bool) {
	y, d := c.bottom-2, -1.0
	if up {
		y, d = c.top+2, 1.0
	}
	c.strokeLine(col, 1.6, x, y+10*d, x, y)
	c.strokeLine(col, 1.6, x-4, y+4*d, x, y, x+4, y+4*d)
	c.taken = append(c.taken, box{x - 5, min(y, y+12*d), x + 5, max(y, y+12*d)})
	c.far = append(c.far, Point{X: x, Y: v, Lo: y + 5*d})
}

// drawRule draws a line across, with its word at the end.
func (c *canvas) drawRule(r Rule) {
	if !areFinite(r.At) {
		return
	}

	col := c.palette.colours[r.Colour]
	if r.Vertical {
		x := c.pixelX(r.At)
		c.strokeDashed(col, 1.2, x, c.top, x, c.bottom)

		if w := c.textWidth(r.Text, 11); x+w+6 > c.right {
			c.drawAligned(r.Text, x-4, c.top+10, 11, 1, c.palette.muted)
		} else {
			c.drawAligned(r.Text, x+4, c.top+10, 11, 0, c.palette.muted)
		}

		return
	}
	y := c.pixelY(r.At)
	c.strokeDashed(col, 1.2, c.left, y, c.right, y)
	text := c.fitText(r.Text, 11, c.right-c.left)
	at := box{c.right - c.textWidth(text, 11), y - 15, c.right, y - 2}
	c.drawAligned(text, c.right, y-4, 11, 1, c.palette.muted)
	c.taken = append(c.taken, at)
}
