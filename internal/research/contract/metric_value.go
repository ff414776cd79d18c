package contract

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxMedian is how many values of one name a median is taken over.
const maxMedian = 100_000

// printedValues is what a run has printed under one name. Its size does not grow with
// the output, but for the values of a median.
type printedValues struct {
	name string
	what string // metric | guard
	unit string // may follow a value
	pick string
	expr string // the regular expression, "" when it is found by name

	pattern *regexp.Regexp  // of expr; nil where it does not compile, and then matches nothing
	around  groupNeighbours // what expr spells out around its group

	count       int
	first, last Sample
	low, high   Sample
	other       *Sample   // the first whose value differs from first's
	all         []float64 // for pick: median
	// Why the first, the last and the first unusable of the values are unusable.
	badFirst, badLast, bad error
	vague                  error // about a line that may not have been meant
	// The unit behind the numbers that expr took, see PrintedUnit.
	printed string

	read     int    // how often it was found in the line that is being read
	explicit bool   // METRIC name=value was read
	hidden   string // how METRIC name= was hidden; "" if it was not
	unclear  string // how name: value was hidden, which may not have been meant
	// A share may also be printed as name 26/50.
	bare       bool   // it was
	readBare   int    // how often it was found so in the line that is being read
	hiddenBare string // how it was hidden
}

// add takes a printed value. explicit says that the line can't have meant
// anything else, so that a value that can't be read is not passed over.
func (t *printedValues) add(text string, explicit bool) {
	text = strings.TrimSpace(text)

	v, err := parseSample(text, t.unit)
	if err != nil {
		err = fmt.Errorf("%s was printed as %s, which %w", t, quoteClipped(text), err)

		if !explicit && !errors.Is(err, errNotFinite) {
			if t.vague == nil {
				t.vague = err
			}

			return
		}

		if t.bad == nil {
			t.bad = err
		}
	}

	t.count++
	t.badLast = err

	if t.count == 1 {
		t.badFirst = err
		t.first, t.low, t.high = v, v, v
	}

	if err != nil {
		return
	}

	t.last = v
	if v.Value < t.low.Value {
		t.low = v
	}

	if v.Value > t.high.Value {
		t.high = v
	}

	if t.other == nil && v.Value != t.first.Value {
		t.other = &v
	}

	if t.first.Of == 0 && v.Value == t.first.Value {
		t.first.Of = v.Of
	}

	if t.pick == "median" && len(t.all) <= maxMedian {
		t.all = append(t.all, v.Value)
	}
}

// addUnusable takes a printed value that can't be used, and why.
func (t *printedValues) addUnusable(why error) {
	if t.bad == nil {
		t.bad = why
	}

	t.count++
	t.badLast = why

	if t.count == 1 {
		t.badFirst = why
	}
}

// value is the run's value of this name, or why there is none.
func (t *printedValues) value() (Sample, error) {
	unusable := t.bad
	switch t.pick {
	case "first":
		unusable = t.badFirst
	case "last":
		unusable = t.badLast
	}

	switch {
	case t.hidden != "":
		return Sample{}, fmt.Errorf("%s is ambiguous: METRIC %s= was also printed %s, where it is not read; "+
			"let nothing else write to the output when it is printed", t, t.name, t.hidden)
	case t.unclear != "" && !t.explicit && t.count > 0:
		return Sample{}, fmt.Errorf("%s is ambiguous: it was also printed %s, where it is not read; "+
			"print METRIC %s=… on a line of its own", t, t.unclear, t.name)
	case t.hiddenBare != "" && !t.explicit && t.bare:
		return Sample{}, fmt.Errorf("%s is ambiguous: it was also printed %s, where it is not read; "+
			"print METRIC %s=… on a line of its own", t, t.hiddenBare, t.name)
	case t.count == 0:
		return Sample{}, t.missing()
	case unusable != nil:
		return Sample{}, unusable
	case t.pick == "last":
		return t.last, nil
	case t.pick == "min":
		return t.low, nil
	case t.pick == "max":
		return t.high, nil
	case t.pick == "median":
		return t.median()
	case t.pick == "" && t.other != nil:
		return Sample{}, fmt.Errorf("%s was printed with different values, %s and %s; "+
			"print it once, or set metric.pick to last, first, min, max or median",
			t, formatNumber(t.first.Value), formatNumber(t.other.Value))
	}

	return t.first, nil
}

func (t *printedValues) missing() error {
	switch {
	case t.vague != nil:
		return t.vague
	case t.expr != "":
		return fmt.Errorf("%s was never printed; no line matched regex:%s", t, clipText(t.expr))
	}

	return fmt.Errorf("%s was never printed; expected a line such as METRIC %s=12.3", t, t.name)
}

// median is the median of the values, of as many items as the last.
func (t *printedValues) median() (Sample, error) {
	n := len(t.all)
	if n > maxMedian {
		return Sample{}, fmt.Errorf("%s was printed more than %d times, too often for a median", t, maxMedian)
	}

	sorted := slices.Sorted(slices.Values(t.all))
	if n%2 == 1 {
		return Sample{Value: sorted[n/2], Of: t.last.Of}, nil
	}

	return Sample{Value: sorted[n/2-1]/2 + sorted[n/2]/2, Of: t.last.Of}, nil
}

func (t *printedValues) String() string { return "the " + t.what + " " + t.name }

// parseValue reads a finite decimal number, followed by nothing, x, % or the
// unit, with or without blanks between. Where the unit is one of time, any other may
// follow: programs print 990 ms and 1.02 s, and the value is in the unit.
func parseValue(s, unit string) (float64, error) {
	n := decimalPrefix(s)
	if n == 0 {
		if isNonFinite(s, unit) {
			return 0, errNotFinite
		}

		return 0, errNotDecimal
	}

	switch suffix := strings.TrimLeft(s[n:], " \t"); suffix {
	case "", "x", "%", unit:
		return parseDecimal(s[:n])
	default:
		from, to := baseOf(timeUnits, suffix), baseOf(timeUnits, unit)
		if from == 0 || to == 0 {
			return 0, errNotDecimal
		}
		value, err := parseDecimal(s[:n])

		return value * from / to, err
	}
}

// isNonFinite says whether s is a spelling of not-a-number or infinity.
func isNonFinite(s, unit string) bool {
	for _, suffix := range []string{"", "x", "%", unit} {
		t, ok := strings.CutSuffix(s, suffix)
		switch t = strings.ToLower(strings.TrimLeft(strings.TrimRight(t, " \t"), "+-")); {
		case !ok:
		case t == "nan" || t == "inf" || t == "infinity" || strings.HasPrefix(t, "nan("):
			return true
		}
	}

	return false
}

// quoteClipped quotes a bounded part of what a program printed, free of control characters.
func quoteClipped(s string) string { return strconv.Quote(clipText(s)) }
