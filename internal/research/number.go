package research

import "math"

// The scales of comparison. On the log scale a difference is a share of the value; on
// the others it is an amount in the metric's unit. A count and a share are linear, and
// what they are tells how noisy they can be.
const (
	LogScale    = "log"
	LinearScale = "linear"
	CountScale  = "count"
	ShareScale  = "share"
)

// IsLinear says whether differences on the scale are amounts in the metric's unit.
func IsLinear(scale string) bool {
	return scale == LinearScale || IsOfItems(scale)
}

// IsOfItems says whether the scale is of a number of items or a share of them.
func IsOfItems(scale string) bool { return scale == CountScale || scale == ShareScale }

// Interval is an estimate with its 90 % interval.
type Interval struct {
	Mid float64 `json:"mid"`
	Lo  float64 `json:"lo"`
	Hi  float64 `json:"hi"`
}

// IsFinite says whether x is neither NaN nor infinite.
func IsFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
