package rules

import (
	"ratchet/internal/research"
)

// GainText is a gain with its sign, unit and interval, as in a report: positive is better.
func GainText(g research.Interval, scale, unit string) string {
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
