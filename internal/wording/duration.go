package wording

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// FormatDuration is a time for people, in the two largest units that it has: 840
// ms, 3.4 s, 57 s, 4 min 07 s, 1 h 30 min, 10 h, 2 d 4 h.
func FormatDuration(seconds float64) string {
	if seconds < 0 {
		return "-" + FormatDuration(-seconds)
	}

	switch ms := math.Round(seconds * 1000); {
	case ms == 0:
		return "0 s"
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 9950:
		return strconv.FormatFloat(math.Round(ms/100)/10, 'f', -1, 64) + " s"
	}

	s, m, h := int64(math.Round(seconds)), int64(math.Round(seconds/60)), int64(math.Round(seconds/3600))
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return formatTwoUnits(s, 60, "%d min", " %02d s")
	case m < 48*60:
		return formatTwoUnits(m, 60, "%d h", " %02d min")
	}

	return formatTwoUnits(h, 24, "%d d", " %d h")
}

// formatTwoUnits splits n small units into large ones of so many, and leaves the
// small ones out when there are none.
func formatTwoUnits(n, of int64, large, small string) string {
	if n%of == 0 {
		return fmt.Sprintf(large, n/of)
	}

	return fmt.Sprintf(large+small, n/of, n%of)
}

// FormatAge is a time that has passed, in its largest unit.
func FormatAge(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}

	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// Seconds is a duration as records have it: seconds, to the millisecond.
func Seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
