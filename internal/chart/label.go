package chart

const (
	labelSize = 11.0
	labelWide = 190.0
)

// drawLabels writes each label where it finds room near its point, with a line to it.
func (c *canvas) drawLabels(panel Panel) {
	for _, series := range panel.Series {
		if series.Kind != Marks || series.Floor {
			continue
		}

		for _, pt := range series.Points { // what a label must not cover
			if _, in := c.y.positionOf(pt.Y); in && pt.isFinite() && len(c.taken) < 3000 {
				x, y, r := c.pixelX(pt.X), c.pixelY(pt.Y), 4.0
				if series.Shape == Halo {
					r = 10
				}

				c.taken = append(c.taken, box{x - r, y - r, x + r, y + r})
			}
		}
	}

	for _, pt := range c.far {
		c.drawArrowValue(pt)
	}

	for _, l := range panel.Labels {
		if areFinite(l.X, l.Y) {
			c.placeLabel(l)
		}
	}
}

// drawArrowValue writes an arrow's value beside it, where there is room.
func (c *canvas) drawArrowValue(pt Point) {
	text := c.y.formatExact(pt.Y)

	w := c.textWidth(text, labelSize) * c.slack
	for _, left := range []float64{pt.X + 8, pt.X - 8 - w} {
		b := box{left - 2, pt.Lo - 6, left + w + 2, pt.Lo + 6}
		if b.left >= c.left && b.right <= c.right && !c.isBlocked(b) {
			c.drawAligned(text, left, pt.Lo+4, labelSize, 0, c.palette.text)
			c.taken = append(c.taken, b)

			return
		}
	}
}

// placeLabel tries places around the point, near ones first.
func (c *canvas) placeLabel(l Label) {
	x, y := c.pixelX(l.X), c.pixelY(l.Y)
	text := c.fitText(l.Text, labelSize, labelWide)
	w := c.textWidth(text, labelSize) * c.slack

	for _, away := range []float64{10, 22, 36, 52, 70, 90, 112} {
		for _, down := range []float64{-1, 1} {
			for _, at := range []float64{0, 1, .5} { // to the right, to the left, in the middle
				left := x + 6 - at*(w+12)

				base := y + down*away
				if down > 0 {
					base += 8
				}

				b := box{left - 2, base - 11, left + w + 2, base + 4}
				if b.left < c.left || b.right > c.right || b.top < c.top || b.bottom > c.bottom || c.isBlocked(b) {
					continue
				}

				if c.writeLabel(text, l, b, down, away > 10) {
					return
				}
			}
		}
	}
}

// writeLabel writes a label into b, unless the line to it would cross another one.
func (c *canvas) writeLabel(text string, l Label, b box, down float64, leader bool) bool {
	x, y := c.pixelX(l.X), c.pixelY(l.Y)
	if leader {
		endX, endY := min(max(x, b.left), b.right), b.bottom
		if down > 0 {
			endY = b.top
		}
		from := y + down*10
		var steps []box

		for i := range 9 {
			s := float64(i) / 8

			at := box{x + s*(endX-x) - 1, from + s*(endY-from) - 1, x + s*(endX-x) + 1, from + s*(endY-from) + 1}
			for _, t := range c.written {
				if t.overlaps(at) {
					return false
				}
			}

			steps = append(steps, at)
		}
		c.strokeLine(c.palette.colours[Faint], .8, x, from, endX, endY)
		c.taken = append(c.taken, steps...)
	}
	c.fillRect(b, withOpacity(c.palette.ground, 205))
	c.drawAligned(text, b.left+2, b.bottom-4, labelSize, 0, c.palette.text)
	c.taken, c.written = append(c.taken, b), append(c.written, b)

	return true
}

func (c *canvas) isBlocked(b box) bool {
	for _, t := range c.taken {
		if t.overlaps(b) {
			return true
		}
	}

	return false
}
