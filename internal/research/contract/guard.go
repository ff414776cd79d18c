package contract

import (
	"fmt"
	"math"

	"ratchet/internal/research"
)

// LargestAllowed is the largest value that max_growth lets a guard have, given its
// value at the campaign's start: against the start and not the incumbent, or
// forty keeps of +2 % each would all pass.
func (g Guard) LargestAllowed(start float64) float64 {
	if g.MaxGrowth.Relative {
		return start + g.MaxGrowth.Value*math.Abs(start)
	}

	return start + g.MaxGrowth.Value
}

// DescribeExcess says that x breaks max_growth.
func (g Guard) DescribeExcess(x, start float64) string {
	return fmt.Sprintf("guard %s = %s breaks max_growth: it was %s at the campaign's start, so at most %s is allowed",
		g.Name, research.FormatValue(x, ""), research.FormatValue(start, ""), research.FormatValue(g.LargestAllowed(start), ""))
}

func (g Guard) IsExceeded(x, start float64) bool {
	allowed := g.LargestAllowed(start)
	return x > allowed+1e-12*math.Abs(allowed)
}
