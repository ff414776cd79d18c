package contract

import (
	"time"
)

// LongestRunTime is the longest that one run may take, its evaluator included.
func LongestRunTime(p Program) time.Duration {
	longest := time.Duration(p.Budget.Wall) + time.Duration(p.Budget.Grace)
	if p.Measure != "" { // the evaluator has the same limits
		longest *= 2
	}

	return longest
}
