package history

import (
	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

// Reckoned is what a noisy campaign's certificates, and the edits proven on
// their own, add up to, and what its open chain of that many edits claims: gains
// as Interval has them, 0 for none.
func (c *Campaign) Reckoned() (proven, claimed float64, edits int) {
	r := c.Rule.MetricScale()
	if c.CertifiedGain > 0 {
		proven = r.Gain(-c.CertifiedGain)
	}

	if a := c.Rule.Auto; a != nil && a.Chain > 0 {
		claimed, edits = r.Gain(-a.Claim), a.Chain
	}

	return proven, claimed, edits
}

// Exact is the incumbent's gain over the start where the metric is
// deterministic: then two values say it. false for a noisy metric, before a
// calibration, and where start and incumbent were measured on different machines.
func (c *Campaign) Exact() (gain float64, ok bool) {
	if c.Rule.NoiseKind != research.Deterministic || !c.Calibrated || c.Baseline == nil || c.BaselineClass != c.Class {
		return 0, false
	}

	r := c.Rule.MetricScale()
	if r.Name == rules.LogScale && (*c.Baseline <= 0 || c.Rule.Incumbent <= 0) {
		return 0, false
	}

	return r.Gain(r.Height(c.Rule.Incumbent) - r.Height(*c.Baseline)), true
}
