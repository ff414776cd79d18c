package contract

import (
	"fmt"
	"math"

	"ratchet/internal/wording"
)

// Allowed is the largest value that max_growth lets a guard have, given its
// value at the campaign's start: against the start and not the incumbent, or
// forty keeps of +2 % each would all pass.
func (g Guard) Allowed(start float64) float64 {
	if g.MaxGrowth.Relative {
		return start + g.MaxGrowth.Value*math.Abs(start)
	}

	return start + g.MaxGrowth.Value
}

// TooMuch says that x breaks max_growth.
func (g Guard) TooMuch(x, start float64) string {
	return fmt.Sprintf("guard %s = %s breaks max_growth: it was %s at the campaign's start, so at most %s is allowed",
		g.Name, wording.FormatValue(x, ""), wording.FormatValue(start, ""), wording.FormatValue(g.Allowed(start), ""))
}

func (g Guard) Exceeded(x, start float64) bool {
	allowed := g.Allowed(start)
	return x > allowed+1e-12*math.Abs(allowed)
}
