package wording

import (
	"math"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// Count is a number with its noun, whose plural ends in s: 1 run, 2 runs.
func Count(n int, noun string) string { return CountForms(n, noun, noun+"s") }

// CountForms is a number with the noun's form for one or for several.
func CountForms(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}

	return strconv.Itoa(n) + " " + several
}

// FormatValue writes a number the way every answer and view does: whole
// numbers in full, others to six significant digits, without trailing zeros,
// and the unit after a blank. It says "-" for what is not a finite number.
func FormatValue(v float64, unit string) string {
	if unit != "" {
		unit = " " + unit
	}

	return FormatDigits(v, 6) + unit
}

// FormatDigits is FormatValue with another number of significant digits and
// without a unit. Whole numbers stay whole.
func FormatDigits(v float64, significant int) string {
	abs := math.Abs(v)
	switch {
	case !research.IsFinite(v):
		return "-"
	case v == 0:
		return "0"
	case v == math.Trunc(v) && abs < 1e15:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case abs < 1e-5 || abs >= 1e15:
		return strconv.FormatFloat(v, 'g', significant, 64)
	}
	places := max(significant-1-int(math.Floor(math.Log10(abs))), 0)

	s := strconv.FormatFloat(v, 'f', places, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}

	return s
}

// roundDigits keeps so many significant digits of a number. What is not finite
// stays as it is.
func roundDigits(v float64, significant int) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', significant, 64), 64)
	if err != nil {
		return v
	}

	return r
}
