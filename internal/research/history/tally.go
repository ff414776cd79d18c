package history

import (
	"ratchet/internal/research/rules"
)

// TallyOf is what is proven of the campaign, without an open chain's claims.
func (c *Campaign) TallyOf() rules.Tally {
	return rules.Tally{Scale: c.Rule.Scale, Better: c.Program.Metric.Better, Size: c.CertifiedGain}
}
