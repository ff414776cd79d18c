package research

import "math"

// The scales of comparison. On the log scale a difference is a share of the value,
// on the linear one an amount in the metric's unit.
const (
	LogScale    = "log"
	LinearScale = "linear"
)

// Interval is an estimate with its 90 % interval.
type Interval struct {
	Mid float64 `json:"mid"`
	Lo  float64 `json:"lo"`
	Hi  float64 `json:"hi"`
}

// IsFinite says whether x is neither NaN nor infinite.
func IsFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
