package contract

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// Sample is the metric's value in one run, and the items that it was counted over.
type Sample struct {
	Value float64
	Of    int // items that the value is a share of; 0 if it is not a share, or it is not known of how many
	// Items are the outcomes of the items; nil where only their share is known, and for
	// more than MostItems.
	Items research.Outcomes
}

// MostItems is how many outcomes of a run are kept; of more only the share is.
const MostItems = 4096

var errOtherShare = errors.New("names a fraction that gives another share")

// parseSample reads a value as parseValue does, or a share of items: a fraction such as
// 26/50, alone or before its value in parentheses, or in parentheses behind its value:
// 26/50 (52%), 0.52 (26/50). The fraction is the exact value, as a share or in percent as
// the value beside it is. A value that the fraction does not round to is an error.
func parseSample(s, unit string) (Sample, error) {
	before, inside, hasParentheses := cutParentheses(s)

	right, all, isFraction := parseFraction(before)
	if isFraction && !hasParentheses {
		return Sample{Value: right / all, Of: int(all)}, nil
	}

	shown := inside
	if !isFraction {
		shown = before
		if right, all, isFraction = parseFraction(inside); !isFraction {
			v, err := parseValue(s, unit)
			return Sample{Value: v}, err
		}
	}

	v, err := parseValue(shown, unit)
	if err != nil {
		return Sample{}, err
	}

	isPercent := strings.HasSuffix(shown, "%")
	for _, full := range []float64{1, 100} {
		exact := full * right / all
		rounding := min(lastDigit(shown), full/10)

		if math.Abs(v-exact) <= rounding*(1-1e-9) && (full == 100 || !isPercent) {
			return Sample{Value: exact, Of: int(all)}, nil
		}
	}

	return Sample{}, errOtherShare
}

// cutParentheses splits "before (inside)".
func cutParentheses(s string) (before, inside string, ok bool) {
	rest, closes := strings.CutSuffix(s, ")")
	before, inside, opens := strings.Cut(rest, "(")
	if !closes || !opens {
		return s, "", false
	}

	return strings.TrimSpace(before), strings.TrimSpace(inside), true
}

// parseFraction reads a/b with whole numbers, where b is at least 1 and a at most b.
func parseFraction(s string) (right, all float64, ok bool) {
	a, b, found := strings.Cut(s, "/")
	if !found {
		return 0, 0, false
	}

	part, err := strconv.ParseUint(strings.TrimRight(a, " \t"), 10, 31)
	whole, err2 := strconv.ParseUint(strings.TrimLeft(b, " \t"), 10, 31)
	if err != nil || err2 != nil || whole == 0 || part > whole {
		return 0, 0, false
	}

	return float64(part), float64(whole), true
}

// lastDigit is what one is worth in the last place of a printed decimal number.
func lastDigit(s string) float64 {
	number := s[:decimalPrefix(s)]

	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	_, fraction, _ := strings.Cut(mantissa, ".")
	power, _ := strconv.Atoi(exponent) // "" is 0

	return math.Pow(10, float64(power-len(fraction)))
}

// startsWithShare says whether text begins with a fraction, or with a number and a
// fraction in parentheses.
func startsWithShare(text string) bool {
	n := decimalPrefix(text)
	if n == 0 {
		return false
	}

	rest := strings.TrimLeft(text[n:], " \t%x")
	if rest, ok := strings.CutPrefix(rest, "("); ok {
		digits := countDigits(rest)
		return digits > 0 && strings.HasPrefix(strings.TrimLeft(rest[digits:], " \t"), "/")
	}

	return strings.HasPrefix(rest, "/") && countDigits(strings.TrimLeft(rest[1:], " \t")) > 0
}

// sampleOfItems is the share of the items of a list, each a number from 0 to 1, true or
// false; of other numbers it is their mean, which is not a share.
func sampleOfItems(list []any, pointer string) (Sample, error) {
	if len(list) == 0 {
		return Sample{}, fmt.Errorf("the list at %q is empty", pointer)
	}

	items := make(research.Outcomes, len(list))
	sum, isShare := 0.0, true

	for i, entry := range list {
		switch outcome := entry.(type) {
		case bool:
			if outcome {
				items[i] = 1
			}
		default:
			v, err := numberOf(entry, fmt.Sprintf("%s/%d", pointer, i))
			if err != nil {
				return Sample{}, err
			}
			items[i] = v
		}

		sum += items[i]
		isShare = isShare && items[i] >= 0 && items[i] <= 1
	}

	sample := Sample{Value: sum / float64(len(list))}
	if isShare {
		sample.Of, sample.Items = len(list), items
	}

	if !research.IsFinite(sample.Value) {
		return Sample{}, fmt.Errorf("the list at %q has no mean: its numbers are too large", pointer)
	}

	if len(items) > MostItems {
		sample.Items = nil
	}

	return sample, nil
}

// addBare takes a share that was printed behind its name and blanks. What does not end
// with it may be any text.
func (t *printedValues) addBare(text string) {
	t.readBare++

	if sample, err := parseSample(text, t.unit); err == nil && sample.Of > 0 {
		t.bare = true
		t.add(text, false)
	}
}
