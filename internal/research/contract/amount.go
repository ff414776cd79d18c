package contract

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errNotDecimal = errors.New("is not a decimal number")
	errNotFinite  = errors.New("is not a finite number")
)

// decimalPrefix is the length of the decimal number that s starts with, 0 if
// it starts with none: [+-] digits [. digits] [e [+-] digits].
func decimalPrefix(s string) int {
	at := signLength(s)
	whole := countDigits(s[at:])
	at += whole

	fraction := 0
	if at < len(s) && s[at] == '.' {
		fraction = countDigits(s[at+1:])
		if fraction > 0 || whole > 0 {
			at += 1 + fraction
		}
	}

	if whole+fraction == 0 {
		return 0
	}

	if at < len(s) && (s[at] == 'e' || s[at] == 'E') {
		exponent := at + 1
		exponent += signLength(s[exponent:])

		if n := countDigits(s[exponent:]); n > 0 {
			at = exponent + n
		}
	}

	return at
}

// signLength is 1 if s starts with a sign, else 0.
func signLength(s string) int {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return 1
	}

	return 0
}

// countDigits is how many digits s starts with.
func countDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}

	return n
}

// parseDecimal reads a finite decimal number that is all of s: no hexadecimal,
// no infinity, no separators between thousands.
func parseDecimal(s string) (float64, error) {
	if n := decimalPrefix(s); n == 0 || n != len(s) {
		return 0, errNotDecimal
	}

	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, errNotFinite
	}

	if v == 0 {
		return 0, nil // not -0, which would be another value in a digest
	}

	return v, nil
}

// parseAmount reads "0.5%" or a bare number. A share keeps its digits: 0.7% is
// the float nearest to 0.007, not a division's.
func parseAmount(s string) (Amount, error) {
	number, relative := strings.CutSuffix(s, "%")
	if !relative {
		v, err := parseDecimal(s)
		return Amount{Value: v}, err
	}

	number = strings.TrimRight(number, " ")
	if _, err := parseDecimal(number); err != nil {
		return Amount{}, err
	}

	// Two less in the exponent is a hundredth, exactly.
	mantissa, exponentText, _ := strings.Cut(strings.ToLower(number), "e")
	exponent := 0

	if exponentText != "" {
		var err error
		if exponent, err = strconv.Atoi(exponentText); err != nil {
			return Amount{}, errNotFinite
		}
	}

	v, err := parseDecimal(mantissa + "e" + strconv.Itoa(exponent-2))

	return Amount{Value: v, Relative: true}, err
}

// String is the amount as program.md writes it: 0.5% or a bare number.
func (a Amount) String() string {
	if !a.Relative {
		return formatNumber(a.Value)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(a.Value, 'e', -1, 64), "e")
	e, _ := strconv.Atoi(exponent)

	exact := mantissa + "e" + strconv.Itoa(e+2)
	if v, err := strconv.ParseFloat(exact, 64); err == nil {
		if short := formatNumber(v) + "%"; readsAs(short, a) {
			return short
		}
	}

	return exact + "%"
}

func readsAs(s string, a Amount) bool {
	b, err := parseAmount(s)
	return err == nil && a == b
}

func formatNumber(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e15) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}

	return strconv.FormatFloat(v, 'f', -1, 64)
}

// sizeUnits are what a size may end in, the largest first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// parseSize reads 8GiB, 512MB, 1.5GiB or plain bytes.
func parseSize(s string) (int64, error) {
	n := decimalPrefix(s)

	v, err := parseDecimal(s[:n])
	if err != nil {
		return 0, err
	}

	unit := strings.TrimLeft(s[n:], " ")
	for _, u := range sizeUnits {
		if unit == u.name || (unit == "" && u.bytes == 1) {
			if v *= float64(u.bytes); math.Abs(v) >= 1<<62 {
				return 0, errors.New("is too large")
			}

			return int64(math.Round(v)), nil
		}
	}

	return 0, errors.New("has no unit that is known")
}

// formatSize is the shortest text that parseSize reads as n.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}

	return strconv.FormatInt(n, 10)
}

// formatDuration is the duration without the zero parts of Go's text: 5m, 1h30m.
func formatDuration(d Duration) string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}

	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}

	return s
}
