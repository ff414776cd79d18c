package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/render"
	"ratchet/internal/research"
)

const (
	defaultWait = 45 * time.Second
	maxWait     = 50 * time.Second
)

// ref names a job or a version. Models write 7 as readily as "7".
type ref string

// UnmarshalJSON accepts a string or a number.
func (r *ref) UnmarshalJSON(content []byte) error {
	var s string

	if len(content) > 0 && content[0] != '"' {
		n, err := strconv.ParseUint(string(content), 10, 32)
		if err != nil {
			return &json.UnmarshalTypeError{Value: string(content), Type: reflect.TypeFor[string]()}
		}
		*r = ref(strconv.FormatUint(n, 10))

		return nil
	}
	err := json.Unmarshal(content, &s)
	*r = ref(strings.TrimSpace(s))

	return err
}

// decode reads arguments into In, a struct. Unknown names and wrong types are
// refused by name, as are missing arguments that In does not mark omitempty.
func decode[In any](args json.RawMessage) (In, error) {
	var in In

	given := map[string]json.RawMessage{}
	if b := bytes.TrimSpace(args); len(b) > 0 && !bytes.Equal(b, []byte("null")) {
		if err := json.Unmarshal(b, &given); err != nil {
			return in, render.Refuse("call it with {\"name\": value, …}", "arguments must be a JSON object")
		}
	}

	return in, decodeStruct(reflect.ValueOf(&in).Elem(), given, "")
}

// decodeStruct fills v from given; where names the place in an error.
func decodeStruct(v reflect.Value, given map[string]json.RawMessage, where string) error {
	var names []string

	for i := range v.NumField() {
		name, opts, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		names = append(names, name)
		raw, ok := given[name]
		delete(given, name)

		if !ok || bytes.Equal(raw, []byte("null")) {
			if !strings.Contains(opts, "omitempty") {
				return render.Refuse("add "+name, "the argument %q is missing", where+name)
			}

			continue
		}

		if err := decodeValue(v.Field(i), raw, where+name); err != nil {
			return err
		}
	}

	for name := range given {
		hint := "there are no arguments"
		if len(names) > 0 {
			hint = "the arguments are " + strings.Join(names, ", ")
		}

		if near := research.NearestWord(name, names); near != "" {
			hint = "write " + near + "; " + hint
		}

		return render.Refuse(hint, "unknown argument %q", where+render.OneLine(name, 60))
	}

	return nil
}

func decodeValue(f reflect.Value, raw json.RawMessage, where string) error {
	if f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct {
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return render.Refuse("give a list of objects", "the argument %q must be a list of objects", where)
		}
		f.Set(reflect.MakeSlice(f.Type(), len(list), len(list)))

		for i, given := range list {
			if err := decodeStruct(f.Index(i), given, fmt.Sprintf("%s[%d].", where, i)); err != nil {
				return err
			}
		}

		return nil
	}
	err := json.Unmarshal(raw, f.Addr().Interface())

	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) || err != nil {
		return render.Refuse("correct its type", "the argument %q must be %s", where, kindName(f.Type()))
	}

	return nil
}

func kindName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}

	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	}

	return "a string"
}

// checkText refuses a text that is too long.
func checkText(name, s string) error {
	if len(s) > render.MaxText {
		return render.Refuse("shorten it", "%s has %d bytes, at most %d are allowed", name, len(s), render.MaxText)
	}

	return nil
}

// waitTime is how long a call may wait: 45 s unless given, never above 50 s.
func waitTime(seconds *float64) (time.Duration, error) {
	switch {
	case seconds == nil:
		return defaultWait, nil
	case *seconds < 0:
		return 0, render.Refuse("give 0 to 50", "wait_seconds can't be negative")
	case *seconds >= maxWait.Seconds():
		return maxWait, nil
	}

	return time.Duration(*seconds * float64(time.Second)), nil
}
