package history_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

func TestFamilies(t *testing.T) {
	var xs []history.Experiment
	add := func(n int, kept bool, hypothesis string) {
		for i := range n {
			x := history.Experiment{Status: research.Reverted}

			x.Hypothesis = fmt.Sprintf(hypothesis, i)
			if kept && i == 0 {
				x.Status = research.Kept
			}

			xs = append(xs, x)
		}
	}

	if f := history.Families(nil); f != nil {
		t.Errorf("of nothing: %v", f)
	}
	add(5, true, "faster: unroll the inner loop %d times")
	add(4, false, "faster: prefetch %d lines into the cache")
	add(3, true, "faster: a loop and a cache, size %d") // counted with the loops
	add(2, false, "faster: vectorize %d")               // too few
	want := []history.Family{{Word: "loop", Tried: 8, Kept: 2}, {Word: "cache", Tried: 4}}

	got := history.Families(xs)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if s := want[0].Words(); s != "loop 8 (2 kept)" {
		t.Errorf("in words: %q", s)
	}
}
