package wording

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// FormatGain writes a gain, or another difference: on the log scale a share as
// percent, else an amount in the unit, to three significant digits.
func FormatGain(gain float64, scale, unit string) string {
	if scale == research.LogScale {
		return formatPercent(gain) + " %"
	}

	return FormatValue(roundDigits(gain, 3), unit)
}

// FormatSignedGain is FormatGain with a plus before what is positive.
func FormatSignedGain(gain float64, scale, unit string) string {
	if gain > 0 {
		return "+" + FormatGain(gain, scale, unit)
	}

	return FormatGain(gain, scale, unit)
}

// FormatInterval is a gain's interval of 90 % in parentheses, without a unit.
func FormatInterval(gain research.Interval, scale string) string {
	format := func(end float64) string {
		if scale == research.LogScale {
			return formatPercent(end)
		}

		return FormatValue(roundDigits(end, 3), "")
	}

	return "(90 %: " + format(gain.Lo) + ".." + format(gain.Hi) + ")"
}

// FormatGainInterval is a gain with its sign, unit and interval, as in a report:
// positive is better.
func FormatGainInterval(gain research.Interval, scale, unit string) string {
	signed := FormatSignedGain(gain.Mid, scale, unit)
	if gain.Lo == gain.Hi {
		return signed + " (exact)"
	}

	return signed + " " + FormatInterval(gain, scale)
}

// FormatBareGain is a gain in a column: always with a sign, without a unit; "-"
// for nil.
func FormatBareGain(gain *research.Interval, scale string) string {
	switch {
	case gain == nil:
		return "-"
	case research.IsLinear(scale):
		return addSign(FormatValue(gain.Mid, ""))
	}

	return addSign(strconv.FormatFloat(roundDigits(100*gain.Mid, 3), 'f', -1, 64) + "%")
}

// FormatEffect is a noise or an effect in a sentence: on the log scale a share of
// the value in two digits, else an amount in the unit.
func FormatEffect(v float64, scale, unit string) string {
	if research.IsLinear(scale) {
		return FormatValue(v, unit)
	}

	return fmt.Sprintf("%.2g %%", v*100)
}

// FormatEvidence is an e-value: whole from 100 on, else to three digits.
func FormatEvidence(e float64) string {
	if e >= 100 {
		return strconv.FormatFloat(math.Round(e), 'f', 0, 64)
	}

	return FormatDigits(e, 3)
}

// formatPercent writes a share as percent: one decimal, more below one percent.
func formatPercent(share float64) string {
	p := 100 * share
	switch abs := math.Abs(p); {
	case abs >= 1:
		return strconv.FormatFloat(p, 'f', 1, 64)
	case abs < 5e-7:
		return "0"
	}

	return FormatDigits(p, 1)
}

// addSign puts a plus before a number that has no minus.
func addSign(number string) string {
	if strings.HasPrefix(number, "-") {
		return number
	}

	return "+" + number
}
