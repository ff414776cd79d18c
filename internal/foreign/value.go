package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"ratchet/internal/wording"
)

// parseNumber reads a value as these logs write it: a decimal, perhaps with x or %
// after it. An empty one, "-" and the like are no value, and nothing is wrong with that.
func parseNumber(text string) (*float64, string) {
	t := strings.TrimSpace(text)
	switch strings.ToLower(t) {
	case "", "-", "--", "n/a", "na", "none", "null", "—":
		return nil, ""
	}
	t = strings.TrimSpace(strings.TrimRight(t, "xX%"))

	v, err := strconv.ParseFloat(t, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Sprintf("the value %q is not a finite number", wording.Clip(text, 40))
	}

	return &v, ""
}

// isFailure says whether the 0 of a run with this status means that it had no value.
func isFailure(status string) bool {
	for word := range strings.FieldsFuncSeq(strings.ToLower(status), isBetweenWords) {
		switch word {
		case "crash", "crashed", "fail", "failed", "failure", "error", "blocked", "timeout", "invalid", "oom", "killed",
			"aborted", "broken":
			return true
		}
	}

	return strings.EqualFold(status, "no_json")
}

// isBetweenWords says whether a rune separates the words of a status or a name.
func isBetweenWords(r rune) bool { return strings.ContainsRune("_-. /()[]%:,;", r) }

// withValue returns e with its value; 0 of a failed run is none.
func (e Entry) withValue(text string) Entry {
	v, note := parseNumber(text)
	if v != nil && *v == 0 && isFailure(e.Status) {
		v = nil
	}
	e.Value = v

	return e.addNote(note)
}

func (e Entry) addNote(text string) Entry {
	switch {
	case text == "":
	case e.Note == "":
		e.Note = text
	default:
		e.Note += "; " + text
	}

	return e
}

// object is one JSON object.
type object map[string]json.RawMessage

func parseObject(text string) (object, error) {
	var o object
	err := json.Unmarshal([]byte(text), &o)

	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("no JSON: %s", syntax.Error())
	case err != nil || o == nil:
		return nil, errors.New("no JSON object")
	}

	return o, nil
}

// textOf returns a string, or another scalar as it is written; "" for null and nothing.
func (o object) textOf(key string) string {
	raw := o[key]

	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}

	if t := string(raw); t != "" && t[0] != '{' && t[0] != '[' {
		return t
	}

	return ""
}

// listKeys names the keys in the order of their names, the first eight of them.
func (o object) listKeys() string {
	keys := slices.Sorted(maps.Keys(o))
	return strings.Join(keys[:min(len(keys), 8)], ", ")
}

// isNumber says whether a key holds a JSON number.
func (o object) isNumber(key string) bool {
	var v *float64
	return o[key] != nil && json.Unmarshal(o[key], &v) == nil && v != nil
}

// innerObject returns the object under a key, nil if there is none.
func (o object) innerObject(key string) object {
	var in object
	if json.Unmarshal(o[key], &in) != nil {
		return nil
	}

	return in
}

// firstText returns the first text among the keys that is not empty.
func (o object) firstText(keys ...string) string {
	for _, k := range keys {
		if t := o.textOf(k); t != "" {
			return t
		}
	}

	return ""
}

// lineDecoder makes a decoder of JSON lines.
func lineDecoder(f func(object) Entry) func(sample) decoder {
	return func(sample) decoder {
		return func(line string) (Entry, error) {
			if t := strings.TrimSpace(line); t == "[" || t == "]" {
				return Entry{Kind: Other}, nil
			}

			o, err := parseObject(trimArray(line))
			if err != nil {
				return Entry{}, err
			}

			e := f(o)
			if e.Kind == Broken {
				return Entry{}, errors.New(e.Note)
			}

			return e, nil
		}
	}
}

// parseDirection returns lower or higher, from any of the words that logs have for it.
func parseDirection(word string) string {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "lower", "min", "minimize", "minimise", "decrease", "down":
		return "lower"
	case "higher", "max", "maximize", "maximise", "increase", "up":
		return "higher"
	}

	return ""
}

// compileLazily compiles an expression when it is first used: every start of Ratchet
// would pay for it otherwise.
func compileLazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
