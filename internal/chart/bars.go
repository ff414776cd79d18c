package chart

import "math"

// drawBars draws parts of wholes, one below the other.
func (p *pen) drawBars(panel Panel, b box) {
	name, most := 0.0, 0.0
	for _, r := range panel.Bars {
		name = math.Max(name, p.textWidth(p.fitText(r.Name, textSize, 170), textSize))
		if areFinite(r.Whole) {
			most = math.Max(most, r.Whole)
		}
	}

	if most <= 0 {
		most = 1
	}
	c := box{edge + name + 10, b.top + 24, b.right - edge - 210, b.bottom - 10}
	p.drawAligned(p.fitText(panel.Title, textSize, width-2*edge), edge, b.top+10, textSize, 0, p.palette.muted)

	step := math.Min(barHigh, (c.bottom-c.top)/float64(len(panel.Bars)))
	for i, r := range panel.Bars {
		y := c.top + step*float64(i)
		thick := step * .62
		mid := y + step/2
		p.drawAligned(p.fitText(r.Name, textSize, 170), c.left-10, mid+4, textSize, 1, p.palette.text)

		whole, part := 0.0, 0.0
		if areFinite(r.Whole, r.Part) {
			whole = max(r.Whole, 0) / most * (c.right - c.left)
			part = min(max(r.Part, 0), max(r.Whole, 0)) / most * (c.right - c.left)
		}
		p.fillRect(box{c.left, mid - thick/2, c.left + whole, mid + thick/2}, withOpacity(p.palette.colours[Grey], 90))
		p.fillRect(box{c.left, mid - thick/2, c.left + part, mid + thick/2}, p.palette.colours[Green])
		p.drawAligned(p.fitText(r.Text, textSize, width-edge-c.left-whole-8), c.left+whole+8, mid+4, textSize, 0,
			p.palette.muted)
	}
}
