package ledger_test

import (
	"sync"
	"testing"
	"time"

	"ratchet/ledger"
)

// Who opens a ledger may be told how long its transactions take.
func TestObservedTransactions(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	var seen []ledger.Timing

	watched, err := ledger.Open(l.Path(), ledger.Options{Observe: func(d ledger.Timing) { seen = append(seen, d) }})
	if err != nil {
		t.Fatal(err)
	}
	release, before := hold(t, l), tickets(t, l)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := watched.Append(t.Context(), proposal(1, "a")); err != nil {
			t.Error(err)
		}
	})

	for tickets(t, l) == before {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	release()
	waiting.Wait()
	view(t, watched, func(*ledger.Tx) error { return nil })

	if _, err := watched.Append(t.Context(), proposal(1, "again")); err == nil {
		t.Error("a number was given twice")
	}

	if len(seen) != 3 || !seen[0].Appended || seen[0].Waited < 10*time.Millisecond || seen[0].Took < seen[0].Waited ||
		seen[1].Appended || seen[2].Appended {
		t.Errorf("an append that waited 10 ms, a read and a refused append were seen as %+v", seen)
	}
}
