package render_test

import (
	"testing"

	"ratchet/internal/render"
	"ratchet/internal/research"
)

// A person reads these in a table: an edit that is eighteen times slower is no -1.77e+03%.
func TestGainTextHasNoExponent(t *testing.T) {
	for _, c := range []struct {
		mid  float64
		want string
	}{{-17.713, "-1770%"}, {0.468, "+46.8%"}, {-0.00446, "-0.446%"}, {0.00000078, "+0.000078%"}, {0, "+0%"}} {
		if got := render.GainText(&research.Interval{Mid: c.mid}, "log"); got != c.want {
			t.Errorf("GainText(%v) = %q, want %q", c.mid, got, c.want)
		}
	}
}
