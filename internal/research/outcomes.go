package research

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Outcomes are what a run gave for each item that it was scored on, in the items'
// order. Where all of them are 0 or 1 their JSON is one string of these digits, else an
// array of numbers.
type Outcomes []float64

// MarshalJSON is the encoding above; nil is null.
func (o Outcomes) MarshalJSON() ([]byte, error) {
	if o == nil {
		return []byte("null"), nil
	}

	var digits strings.Builder
	for _, v := range o {
		switch v {
		case 0:
			digits.WriteByte('0')
		case 1:
			digits.WriteByte('1')
		default:
			return json.Marshal([]float64(o))
		}
	}

	return json.Marshal(digits.String())
}

// UnmarshalJSON reads either encoding.
func (o *Outcomes) UnmarshalJSON(content []byte) error {
	var digits string
	if len(content) == 0 || content[0] != '"' {
		return json.Unmarshal(content, (*[]float64)(o))
	}

	if err := json.Unmarshal(content, &digits); err != nil {
		return err
	}

	*o = make(Outcomes, len(digits))
	for i := range digits {
		if digits[i] != '0' && digits[i] != '1' {
			return fmt.Errorf("decode outcomes: %q is neither 0 nor 1", digits[i])
		}

		(*o)[i] = float64(digits[i] - '0')
	}

	return nil
}
