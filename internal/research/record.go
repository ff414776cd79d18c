package research

// The scales of comparison. On the log scale a difference is a share of the value,
// on the linear one an amount in the metric's unit.
const (
	LogScale    = "log"
	LinearScale = "linear"
)

// The bodies, by kind.

type (
	// Interval is an estimate with its 90 % interval.
	Interval struct {
		Mid float64 `json:"mid"`
		Lo  float64 `json:"lo"`
		Hi  float64 `json:"hi"`
	}
)
