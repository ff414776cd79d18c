package research_test

import (
	"encoding/json"
	"math"
	"testing"

	"ratchet/internal/research"
)

// What is stored comes back to the bit, from either encoding.
func TestFloats(t *testing.T) {
	all := research.Floats{0, math.Copysign(0, -1), 1, -1, .1, 1. / 3, 4.403176167194033, 1e-300,
		math.SmallestNonzeroFloat64, math.MaxFloat64, math.Pi}

	packed, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}

	plain, _ := json.Marshal([]float64(all))
	for _, text := range [][]byte{packed, plain} {
		var back research.Floats
		if err := json.Unmarshal(text, &back); err != nil || len(back) != len(all) {
			t.Fatalf("%s: %v, %v", text, back, err)
		}

		for i, v := range back {
			if math.Float64bits(v) != math.Float64bits(all[i]) {
				t.Errorf("%s: %v became %v", text, all[i], v)
			}
		}
	}

	if len(packed) > 12*len(all) {
		t.Errorf("%d numbers take %d bytes", len(all), len(packed))
	}

	zeros := research.Floats{0, 0, 1, 0, math.Copysign(0, -1), 0, 0, 0}
	if b, _ := json.Marshal(zeros); string(b) != `"2*3*P/AAAAAAAAAAAAAAAAAAAIAAAAAAAAAA"` {
		t.Errorf("%v is written as %s", zeros, b)
	}

	for text, want := range map[string]int{"null": -1, "[]": 0, `""`: 0, "[1,2]": 2, `"2*3*"`: 5,
		`"0*0*P/AAAAAAAAA="`: 1} {
		var f research.Floats
		if err := json.Unmarshal([]byte(text), &f); err != nil || (f == nil) != (want < 0) || len(f) != max(want, 0) {
			t.Errorf("%s is %v, %v", text, f, err)
		}

		if back, _ := json.Marshal(f); want < 0 && string(back) != "null" || want == 0 && string(back) != `""` {
			t.Errorf("%s is written as %s", text, back)
		}
	}

	for _, text := range []string{`"AAAA"`, `"?"`, `"2*AAAA"`, `"-1*0*"`, `"99999999999*0*"`, `"5000*1*"`, `"1*2*3*"`,
		`"1*2*AAAA"`, `{}`, `["x"]`, `3`} {
		if err := json.Unmarshal([]byte(text), new(research.Floats)); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}
