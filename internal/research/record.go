package research

// The bodies, by kind.

type (

	// Interval is an estimate with its 90 % interval.
	Interval struct {
		Mid float64 `json:"mid"`
		Lo  float64 `json:"lo"`
		Hi  float64 `json:"hi"`
	}
)
