package research

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// FormatValue writes a number the way every answer and view does: whole
// numbers in full, others to six significant digits, without trailing zeros,
// and the unit after a blank. It says "-" for what is not a finite number.
func FormatValue(v float64, unit string) string {
	if unit != "" {
		unit = " " + unit
	}

	return FormatRounded(v, 6) + unit
}

func FormatRounded(v float64, significant int) string {
	abs := math.Abs(v)
	switch {
	case !IsFinite(v):
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

// Counted is a number with its noun, which takes an s but for one: 1 pair, 3 pairs.
func Counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return fmt.Sprintf("%d %ss", n, noun)
}

// The bodies, by kind.

type (

	// Interval is an estimate with its 90 % interval.
	Interval struct {
		Mid float64 `json:"mid"`
		Lo  float64 `json:"lo"`
		Hi  float64 `json:"hi"`
	}
)

func IsFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
