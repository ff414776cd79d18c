package chart

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"

	"github.com/go-analyze/charts/chartdraw"
)

// collector takes the picture from the renderer before it is encoded.
type collector struct {
	bytes.Buffer
	img *image.RGBA
}

// SetRGBA is called by the renderer.
func (c *collector) SetRGBA(img *image.RGBA) { c.img = img }

// encodePNG makes a PNG with the 256 commonest colours of the picture, to which
// the others, all of them shades on edges, are near: a third of the bytes.
func encodePNG(r chartdraw.Renderer) ([]byte, error) {
	var c collector
	if err := r.Save(&c); err != nil {
		return nil, fmt.Errorf("draw: %w", err)
	}

	counts := map[color.RGBA]int{}
	for i := 0; i < len(c.img.Pix); i += 4 {
		counts[pixelColor(c.img.Pix[i:])]++
	}
	common := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(colorNumber(a), colorNumber(b)))
	})
	var shades color.Palette
	at := map[color.RGBA]uint8{}

	for i, v := range common {
		if i < 256 {
			shades = append(shades, v)
			at[v] = uint8(i)
		} else {
			at[v] = uint8(shades.Index(v))
		}
	}

	small := image.NewPaletted(c.img.Rect, shades)
	for i := range small.Pix {
		small.Pix[i] = at[pixelColor(c.img.Pix[4*i:])]
	}

	var text bytes.Buffer
	if err := png.Encode(&text, small); err != nil {
		return nil, fmt.Errorf("draw: %w", err)
	}

	return text.Bytes(), nil
}

func pixelColor(p []byte) color.RGBA { return color.RGBA{R: p[0], G: p[1], B: p[2], A: p[3]} }

func colorNumber(c color.RGBA) uint32 {
	return uint32(c.R)<<24 | uint32(c.G)<<16 | uint32(c.B)<<8 | uint32(c.A)
}
