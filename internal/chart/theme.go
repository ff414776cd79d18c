package chart

import "github.com/go-analyze/charts/chartdraw/drawing"

type palette struct {
	ground, frame, grid, text, muted drawing.Color
	colours                          map[Colour]drawing.Color
}

func rgb(v uint32) drawing.Color {
	return drawing.Color{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

func paletteOf(t Theme) palette {
	if t == Dark {
		return palette{ground: rgb(0x161b22), frame: rgb(0x3d444d), grid: rgb(0x2d333b), text: rgb(0xe6edf3),
			muted: rgb(0x9da7b3), colours: map[Colour]drawing.Color{Ink: rgb(0xe6edf3), Faint: rgb(0x7d8590),
				Grey: rgb(0xa8b0ba), Green: rgb(0x2cc295), Blue: rgb(0x56b4e9), Vermillion: rgb(0xf0803c),
				Orange: rgb(0xe6b93c), Purple: rgb(0xdd93bb)}}
	}

	return palette{ground: rgb(0xffffff), frame: rgb(0xd0d7de), grid: rgb(0xe8ebee), text: rgb(0x1f2328),
		muted: rgb(0x59636e), colours: map[Colour]drawing.Color{Ink: rgb(0x1f2328), Faint: rgb(0x868e96),
			Grey: rgb(0x6e7781), Green: rgb(0x00845f), Blue: rgb(0x0072b2), Vermillion: rgb(0xd55e00),
			Orange: rgb(0xb07800), Purple: rgb(0xa8508a)}}
}

// with is the colour at some opacity, 0 to 255.
func with(c drawing.Color, a uint8) drawing.Color {
	c.A = a
	return c
}
