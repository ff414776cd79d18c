package render

import (
	"slices"
	"strconv"
	"strings"
)

// Sparkline draws vs as one character each, low to high.
func Sparkline(vs []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")

	if len(vs) == 0 {
		return ""
	}
	lo, hi := slices.Min(vs), slices.Max(vs)
	var text strings.Builder

	for _, v := range vs {
		i := 0
		if hi > lo {
			i = int((v - lo) / (hi - lo) * float64(len(bars)-1))
		}
		text.WriteRune(bars[min(max(i, 0), len(bars)-1)])
	}

	return text.String()
}

// RoundShort is vs in five significant digits each, for a drawing's numbers.
func RoundShort(vs []float64) []float64 {
	out := make([]float64, len(vs))
	for i, v := range vs {
		out[i] = v
		if r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64); err == nil {
			out[i] = r
		}
	}

	return out
}
