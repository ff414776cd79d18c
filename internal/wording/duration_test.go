package wording_test

import (
	"testing"

	"ratchet/internal/wording"
)

func TestFormatDuration(t *testing.T) {
	for _, c := range []struct {
		seconds float64
		want    string
	}{
		{0, "0 s"}, {.0004, "0 s"}, {.0005, "1 ms"}, {.84, "840 ms"}, {.9996, "1 s"}, {3.44, "3.4 s"}, {9.949, "9.9 s"},
		{9.96, "10 s"}, {59.4, "59 s"}, {59.6, "1 min"}, {247, "4 min 07 s"}, {3474, "57 min 54 s"}, {3599.4,
			"59 min 59 s"}, {3599.6, "1 h"},
		{3629, "1 h"}, {3631, "1 h 01 min"}, {36000, "10 h"}, {172799, "2 d"}, {187200, "2 d 4 h"}, {-3, "-3 s"},
	} {
		if got := wording.FormatDuration(c.seconds); got != c.want {
			t.Errorf("%v s: %q, want %q", c.seconds, got, c.want)
		}
	}
}
