package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// usageUnit is a unit that a usage metric can be in, and how many of the base
// unit (nanoseconds or bytes) make one of it.
type usageUnit struct {
	name string
	base float64
}

// The first of each is the unit of a metric that names none.
var (
	timeUnits = []usageUnit{{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"µs", 1e3}, {"ns", 1}, {"min", 60e9}}
	byteUnits = []usageUnit{
		{"B", 1}, {"bytes", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	}
)

// usageUnits are the units a metric from this kind may be in, nil when the
// kind is not a usage.
func usageUnits(kind string) []usageUnit {
	switch kind {
	case "wall", "cpu":
		return timeUnits
	case "max_rss":
		return byteUnits
	}

	return nil
}

// MeasuresUsage says whether the metric is a time or an amount of memory, as far as its
// source and its unit tell: no count of items, and never 0.
func (m Metric) MeasuresUsage() bool {
	return usageUnits(m.From.Kind) != nil || baseOf(timeUnits, m.Unit) != 0 || baseOf(byteUnits, m.Unit) != 0
}

// MeasuresBytes says whether the metric is a size or an amount of memory, as far as its
// source and its unit tell.
func (m Metric) MeasuresBytes() bool {
	return m.From.Kind == "max_rss" || usageUnits(m.From.Kind) == nil && baseOf(byteUnits, m.Unit) != 0
}

// baseOf is how many of the base unit the named unit has, 0 when it isn't there.
func baseOf(units []usageUnit, name string) float64 {
	for _, u := range units {
		if u.name == name {
			return u.base
		}
	}

	return 0
}

// SampleFromUsage is the sample of a metric from wall, cpu or max_rss: what the run
// used (maxRSS in bytes), in the unit; without a unit that is seconds, or
// bytes. Of any other kind there is no such sample, and it is 0.
func SampleFromUsage(kind, unit string, wall, cpu time.Duration, maxRSS int64) float64 {
	used := map[string]float64{"wall": float64(wall), "cpu": float64(cpu), "max_rss": float64(maxRSS)}[kind]

	units := usageUnits(kind)
	if base := baseOf(units, unit); base != 0 {
		return used / base
	}

	if units == nil {
		return 0
	}

	return used / units[0].base
}

// SampleFromFile is the sample of a metric from file, at the JSON pointer (RFC 6901) of
// a JSON document: the number, or the text that is one, or the share of a list with one
// outcome for each item. The error's text is fit to be a run's reason, but for the
// file's name, which the caller puts before it.
func SampleFromFile(content []byte, pointer string) (Sample, error) {
	if err := checkPointer(pointer); err != nil {
		return Sample{}, err
	}

	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))

	value, err := decodeOne(content)
	if err != nil {
		if value, err = decodeOne(quoteNonFinite(content)); err != nil {
			return Sample{}, errors.New("the file is not one JSON document")
		}
	}

	if pointer == "" {
		return sampleOf(value, pointer)
	}

	for _, token := range strings.Split(pointer[1:], "/") {
		if value, err = stepInto(value, unescapePointer(token)); err != nil {
			return Sample{}, fmt.Errorf("nothing is at %q: %w", pointer, err)
		}
	}

	return sampleOf(value, pointer)
}

// sampleOf is the sample that a JSON value is.
func sampleOf(value any, pointer string) (Sample, error) {
	switch v := value.(type) {
	case []any:
		return sampleOfItems(v, pointer)
	case string:
		if sample, err := parseSample(strings.TrimSpace(v), ""); err == nil {
			return sample, nil
		}
	}

	v, err := numberOf(value, pointer)

	return Sample{Value: v}, err
}

func decodeOne(content []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()

	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}

	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one document")
	}

	return value, nil
}

func stepInto(value any, token string) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		if c, ok := v[token]; ok {
			return c, nil
		}

		return nil, fmt.Errorf("the object has no key %q", clipText(token))
	case []any:
		i, err := strconv.ParseUint(token, 10, 31)
		if err != nil || (len(token) > 1 && token[0] == '0') || token[0] == '+' {
			return nil, fmt.Errorf("%q is not an index of a list", clipText(token))
		}

		if int(i) >= len(v) {
			return nil, fmt.Errorf("the list has %d entries", len(v))
		}

		return v[i], nil
	}

	return nil, fmt.Errorf("%q is looked for in what is neither object nor list", clipText(token))
}

func numberOf(value any, pointer string) (float64, error) {
	var s string

	switch v := value.(type) {
	case json.Number:
		s = v.String()
	case string:
		s = strings.TrimSpace(v)
	case nil:
		return 0, fmt.Errorf("the value at %q is null, not a number", pointer)
	default:
		return 0, fmt.Errorf("the value at %q is not a number", pointer)
	}

	v, err := parseValue(s, "")
	if err != nil {
		return 0, fmt.Errorf("the value at %q, %s, %w", pointer, quoteClipped(s), err)
	}

	return v, nil
}

// checkPointer says whether s is a JSON pointer: "" or /token/token with ~0
// for ~ and ~1 for /.
func checkPointer(s string) error {
	if s != "" && s[0] != '/' {
		return errors.New("the JSON pointer after # must start with /")
	}

	for i := range len(s) {
		if s[i] == '~' && (i+1 == len(s) || (s[i+1] != '0' && s[i+1] != '1')) {
			return errors.New("in a JSON pointer ~ is written ~0, and / inside a key ~1")
		}
	}

	return nil
}

func unescapePointer(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// quoteNonFinite puts quotes around the NaN and Infinity that some encoders
// write into what is otherwise JSON, so that they are seen for what they are.
func quoteNonFinite(text []byte) []byte {
	var out []byte
	inString := false

	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inString && c == '\\' && i+1 < len(text):
			out = append(out, c)
			i++
			c = text[i]
		case c == '"':
			inString = !inString
		case !inString:
			if n := nonFinitePrefix(text[i:]); n > 0 {
				out = append(append(append(out, '"'), text[i:i+n]...), '"')
				i += n - 1

				continue
			}
		}

		out = append(out, c)
	}

	return out
}

func nonFinitePrefix(text []byte) int {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return len(word)
		}
	}

	return 0
}
