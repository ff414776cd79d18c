package chart

import (
	"math"
	"testing"

	"github.com/go-analyze/charts/chartdraw/drawing"
)

// TestContrast holds WCAG 2.1's AA: texts 4.5:1 against the ground, marks and
// lines 3:1.
func TestContrast(t *testing.T) {
	for _, theme := range []Theme{Light, Dark} {
		p := themePalette(theme)
		for name, c := range map[string]drawing.Color{"text": p.text, "muted": p.muted} {
			if r := contrast(c, p.ground); r < 4.5 {
				t.Errorf("%s: %s has a contrast of %.2f", theme, name, r)
			}
		}

		for i := Ink; i <= Purple; i++ {
			c, ok := p.colours[i]
			if r := contrast(c, p.ground); !ok || r < 3 {
				t.Errorf("%s: colour %d has a contrast of %.2f", theme, i, r)
			}
		}
	}
}

func contrast(a, b drawing.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + .05) / (math.Min(x, y) + .05)
}

func luminance(c drawing.Color) float64 {
	lin := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= .04045 {
			return s / 12.92
		}

		return math.Pow((s+.055)/1.055, 2.4)
	}

	return .2126*lin(c.R) + .7152*lin(c.G) + .0722*lin(c.B)
}
