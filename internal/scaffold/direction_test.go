package scaffold

import (
	"testing"

	"ratchet/internal/research"
)

// A rate's name ends like a time's.
func TestGuessDirectionOfRates(t *testing.T) {
	for name, want := range map[string]research.Direction{
		"tok_s": research.Higher, "decode_tokens_s": research.Higher, "req_sec": research.Higher,
		"mb_s": research.Higher, "ops_second": research.Higher, "per_s": research.Higher,
		"total_s": research.Lower, "peak_mb": research.Lower, "p99_ms": research.Lower, "stop_s": research.Lower,
		"thing": "",
	} {
		if got := guessDirection(name); got != want {
			t.Errorf("%s: %q is better, want %q", name, got, want)
		}
	}
}
