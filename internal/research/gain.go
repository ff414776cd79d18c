package research

// Reckoned is what a noisy campaign's certificates, and the edits proven on
// their own, add up to, and what its open chain of that many edits claims: gains
// as Interval has them, 0 for none.
func (c *Campaign) Reckoned() (proven, claimed float64, edits int) {
	r := c.Rule.ruler()
	if c.CertifiedGain > 0 {
		proven = r.gain(-c.CertifiedGain)
	}

	if a := c.Rule.Auto; a != nil && a.Chain > 0 {
		claimed, edits = r.gain(-a.Claim), a.Chain
	}

	return proven, claimed, edits
}

// Exact is the incumbent's gain over the start where the metric is
// deterministic: then two values say it. false for a noisy metric, before a
// calibration, and where start and incumbent were measured on different machines.
func (c *Campaign) Exact() (gain float64, ok bool) {
	if c.Rule.Class != Deterministic || !c.Calibrated || c.Baseline == nil || c.BaselineClass != c.Class {
		return 0, false
	}

	r := c.Rule.ruler()
	if r.scale == logScale && (*c.Baseline <= 0 || c.Rule.Incumbent <= 0) {
		return 0, false
	}

	return r.gain(r.y(c.Rule.Incumbent) - r.y(*c.Baseline)), true
}

// GainText is a gain with its sign, unit and interval, as in a report: positive is better.
func GainText(g Interval, scale, unit string) string {
	w := phrase{Judgement{Scale: scale, Gain: &g}, unit}
	if g.Lo == g.Hi {
		return w.signed(g.Mid) + " (exact)"
	}

	return w.signed(g.Mid) + " " + w.interval()
}

// AmountText is a gain, or another difference, with its sign and unit.
func AmountText(gain float64, scale, unit string) string {
	return phrase{Judgement{Scale: scale}, unit}.signed(gain)
}
