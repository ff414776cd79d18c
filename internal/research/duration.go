package research

import (
	"fmt"
	"math"
	"strconv"
)

// FormatSeconds is a time for people, in the two largest units that it has: 840 ms,
// 3.4 s, 57 s, 4 min 07 s, 1 h 30 min, 10 h, 2 d 4 h. Whatever a person reads
// takes it from here; the dashboard's format.js does the same.
func FormatSeconds(seconds float64) string {
	if seconds < 0 {
		return "-" + FormatSeconds(-seconds)
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
		return twoUnits(s, 60, "%d min", " %02d s")
	case m < 48*60:
		return twoUnits(m, 60, "%d h", " %02d min")
	}

	return twoUnits(h, 24, "%d d", " %d h")
}

func twoUnits(n, of int64, large, small string) string {
	if n%of == 0 {
		return fmt.Sprintf(large, n/of)
	}

	return fmt.Sprintf(large+small, n/of, n%of)
}
