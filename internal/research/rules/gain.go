package rules

import (
	"ratchet/internal/research"
)

// FormatSignedGain is a gain with its sign, unit and interval, as in a report: positive is better.
func FormatSignedGain(g research.Interval, scale, unit string) string {
	w := formatter{Judgement{Scale: scale, Gain: &g}, unit}
	if g.Lo == g.Hi {
		return w.signed(g.Mid) + " (exact)"
	}

	return w.signed(g.Mid) + " " + w.interval()
}

// FormatSignedAmount is a gain, or another difference, with its sign and unit.
func FormatSignedAmount(gain float64, scale, unit string) string {
	return formatter{Judgement{Scale: scale}, unit}.signed(gain)
}
