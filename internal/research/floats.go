package research

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Floats are numbers that only the rule reads. Their JSON is one string, the
// base64 of their 8 bytes each (IEEE 754, big-endian): exact, and half as long as
// decimals. Zeros at either end are only counted:
// "14*7*…" has 14 before and 7 behind. The array of numbers
// that older records hold is read as well.
type Floats []float64

const mostZeros = 1 << 12 // at one end, so that a wrong count costs no memory

// MarshalJSON is the encoding above; nil is null.
func (f Floats) MarshalJSON() ([]byte, error) {
	if f == nil {
		return []byte("null"), nil
	}
	zero := func(v float64) bool { return math.Float64bits(v) == 0 }

	lead, end := 0, len(f)
	for lead < end && lead < mostZeros && zero(f[lead]) {
		lead++
	}

	for end > lead && len(f)-end < mostZeros && zero(f[end-1]) {
		end--
	}

	var raw []byte
	for _, v := range f[lead:end] {
		raw = binary.BigEndian.AppendUint64(raw, math.Float64bits(v))
	}

	out := []byte{'"'}
	if tail := len(f) - end; lead > 0 || tail > 0 {
		out = fmt.Appendf(out, "%d*%d*", lead, tail)
	}

	return append(base64.StdEncoding.AppendEncode(out, raw), '"'), nil
}

// UnmarshalJSON reads either encoding.
func (f *Floats) UnmarshalJSON(content []byte) error {
	if len(content) < 2 || content[0] != '"' {
		return json.Unmarshal(content, (*[]float64)(f))
	}
	text := string(content[1 : len(content)-1])
	var lead, tail int

	if parts := strings.Split(text, "*"); len(parts) == 3 {
		var wrong [2]error
		lead, wrong[0] = strconv.Atoi(parts[0])

		tail, wrong[1] = strconv.Atoi(parts[1])
		if text = parts[2]; wrong[0] != nil || wrong[1] != nil || min(lead, tail) < 0 || max(lead, tail) > mostZeros {
			return fmt.Errorf("decode numbers: %q counts no zeros", parts[0]+"*"+parts[1])
		}
	}

	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw)%8 != 0 {
		return fmt.Errorf("decode numbers: %d bytes are not the base64 of any", len(text))
	}

	*f = make(Floats, lead+len(raw)/8+tail)
	for i := range len(raw) / 8 {
		(*f)[lead+i] = math.Float64frombits(binary.BigEndian.Uint64(raw[8*i:]))
	}

	return nil
}
