package chart

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
)

const (
	width      = 800 // of the picture, in the pen's units
	panelFirst = 360 // height of the only panel; several share more
	panelNext  = 170
	barHigh    = 38
	edge       = 16
	titleSize  = 17
	textSize   = 12
	tickSize   = 11.5
)

// Draw draws a figure. Its errors are about the options.
func Draw(figure Figure, options Options) ([]byte, error) {
	if options.Width == 0 {
		options.Width = width
	}

	if options.Width < 400 || options.Width > 3200 {
		return nil, fmt.Errorf("draw: a width of %d pixels: 400 to 3200 can be drawn", options.Width)
	}

	if options.Theme == "" {
		options.Theme = Light
	}

	if options.Theme != Light && options.Theme != Dark {
		return nil, fmt.Errorf("draw: the theme %q is none of light and dark", options.Theme)
	}

	provide := chartdraw.PNG
	switch options.Format {
	case SVG:
		provide = chartdraw.SVG
	case PNG, "":
		figure, _ = spellForFont(figure)
	default:
		return nil, fmt.Errorf("draw: the format %q is none of png and svg", options.Format)
	}
	scale := float64(options.Width) / width
	// What stands above the panels decides the height, so it is laid out twice.
	slack := 1.0
	if options.Format == SVG {
		slack = 1.12
	}
	draft := &pen{renderer: chartdraw.SVG(1, 1), scale: scale, palette: themePalette(options.Theme), slack: slack}
	draft.renderer.SetDPI(72)
	height := draft.drawHead(figure) + panelsHeight(figure) + footHeight(figure)
	p := &pen{renderer: provide(options.Width, int(math.Round(height*scale))), scale: scale,
		palette: themePalette(options.Theme), slack: slack}
	p.renderer.SetDPI(72) // a point of text is a pixel
	p.drawFigure(figure, height)

	if options.Format == SVG {
		var text bytes.Buffer
		if err := p.renderer.Save(&text); err != nil {
			return nil, fmt.Errorf("draw: %w", err)
		}

		return addSVGTitle(text.Bytes(), figure, options.Width, int(math.Round(height*scale))), nil
	}

	return encodePNG(p.renderer)
}

// addSVGTitle gives an SVG its size, and its title to those who hear it.
func addSVGTitle(svg []byte, f Figure, w, h int) []byte {
	clean := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(cleanText(f.Title))
	svg = bytes.Replace(svg, []byte("<svg "), fmt.Appendf(nil, `<svg width="%d" height="%d" role="img" `, w, h), 1)

	return bytes.Replace(svg, []byte(">"), []byte("><title>"+clean+"</title>"), 1)
}

func panelsHeight(figure Figure) float64 {
	if len(figure.Panels) == 1 && len(figure.Panels[0].Bars) > 0 && figure.Empty == "" {
		return math.Min(panelFirst, 40+barHigh*float64(len(figure.Panels[0].Bars)))
	}

	if len(figure.Panels) < 2 || figure.Empty != "" {
		return panelFirst
	}

	return panelNext * float64(len(figure.Panels)+1)
}

func footHeight(f Figure) float64 {
	if f.Foot == "" {
		return 8
	}

	return 26
}

func (p *pen) drawFigure(f Figure, height float64) {
	p.fillRect(box{0, 0, width, height}, p.palette.ground)
	p.strokeLine(p.palette.frame, 1, .5, .5, width-.5, .5, width-.5, height-.5, .5, height-.5, .5, .5)
	top := p.drawHead(f)

	bottom := height - footHeight(f)
	if f.Foot != "" {
		p.drawAligned(p.fitText(f.Foot, 11, width-2*edge), edge, height-10, 11, 0, p.palette.muted)
	}

	if f.Empty != "" || len(f.Panels) == 0 {
		p.drawAligned(p.fitText(f.Empty, 14, width-4*edge), width/2, (top+bottom)/2, 14, .5, p.palette.muted)
		return
	}

	shares, margin, room := 0.0, 0.0, bottom-top
	for _, q := range f.Panels {
		shares += panelShare(q)
	}

	for _, q := range f.Panels { // all begin at the same place
		margin = math.Max(margin, p.axisWidth(q, room*panelShare(q)/shares))
	}

	for _, q := range f.Panels {
		h := room * panelShare(q) / shares
		p.drawPanel(q, box{0, top, width, top + h}, margin)
		top += h
	}
}

func panelShare(q Panel) float64 {
	if q.Share > 0 {
		return q.Share
	}

	return 1
}

// drawHead writes title, subtitle and legend, and says where they end.
func (p *pen) drawHead(figure Figure) float64 {
	y := 28.0
	p.drawText(p.fitText(figure.Title, titleSize*1.06, width-2*edge), edge, y, titleSize, true, p.palette.text)

	if figure.Subtitle != "" {
		y += 21
		p.drawAligned(p.fitText(figure.Subtitle, textSize+1, width-2*edge), edge, y, textSize+1, 0, p.palette.muted)
	}

	if figure.Empty != "" {
		return y + 8
	}

	return p.drawLegend(figure, y+20) + 4
}

// drawLegend names the series in rows, the first of which is at y.
func (p *pen) drawLegend(figure Figure, y float64) float64 {
	x, any := float64(edge), false

	for _, q := range figure.Panels {
		for _, series := range q.Series {
			if series.Name == "" || len(series.Points) == 0 {
				continue
			}
			name := p.fitText(series.Name, textSize, 300)

			w := 22 + p.textWidth(name, textSize)*p.slack + 16
			if any && x+w > width-edge {
				x, y = edge, y+19
			}
			p.drawSample(series, x+8, y-4)
			p.drawAligned(name, x+21, y, textSize, 0, p.palette.text)
			x, any = x+w, true
		}
	}

	if !any {
		return y - 14
	}

	return y + 6
}

// drawSample draws what a series looks like, around x, y.
func (p *pen) drawSample(series Series, x, y float64) {
	c := p.palette.colours[series.Colour]
	switch {
	case series.Kind == Area:
		p.fillRect(box{x - 8, y - 5, x + 8, y + 5}, withOpacity(c, 60))
	case series.Kind == Marks:
		p.drawMark(series.Shape, c, x, y, 4.5)
	case series.Dashed:
		p.strokeDashed(c, 2, x-8, y, x+8, y)
	default:
		p.strokeLine(c, 2.2, x-8, y, x+8, y)
	}
}
