package chart

import "github.com/go-analyze/charts/chartdraw/drawing"

type palette struct {
	ground, frame, grid, text, muted drawing.Color
	colours                          map[Colour]drawing.Color
}

func opaqueColor(v uint32) drawing.Color {
	return drawing.Color{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

func themePalette(t Theme) palette {
	if t == Dark {
		return palette{
			ground: opaqueColor(0x161b22),
			frame:  opaqueColor(0x3d444d),
			grid:   opaqueColor(0x2d333b),
			text:   opaqueColor(0xe6edf3),
			muted:  opaqueColor(0x9da7b3),
			colours: map[Colour]drawing.Color{
				Ink:        opaqueColor(0xe6edf3),
				Faint:      opaqueColor(0x7d8590),
				Grey:       opaqueColor(0xa8b0ba),
				Green:      opaqueColor(0x2cc295),
				Blue:       opaqueColor(0x56b4e9),
				Vermillion: opaqueColor(0xf0803c),
				Orange:     opaqueColor(0xe6b93c),
				Purple:     opaqueColor(0xdd93bb),
			},
		}
	}

	return palette{
		ground: opaqueColor(0xffffff),
		frame:  opaqueColor(0xd0d7de),
		grid:   opaqueColor(0xe8ebee),
		text:   opaqueColor(0x1f2328),
		muted:  opaqueColor(0x59636e),
		colours: map[Colour]drawing.Color{
			Ink:        opaqueColor(0x1f2328),
			Faint:      opaqueColor(0x868e96),
			Grey:       opaqueColor(0x6e7781),
			Green:      opaqueColor(0x00845f),
			Blue:       opaqueColor(0x0072b2),
			Vermillion: opaqueColor(0xd55e00),
			Orange:     opaqueColor(0xb07800),
			Purple:     opaqueColor(0xa8508a),
		},
	}
}

// withOpacity returns the colour at some opacity, 0 to 255.
func withOpacity(c drawing.Color, a uint8) drawing.Color {
	c.A = a
	return c
}
