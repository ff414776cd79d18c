package ledger_test

import (
	"encoding/binary"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// A clock that is set forward and back by a day: records say what it said, in
// the order of their sequence; nothing is refused, reordered or lost.
func TestClockSet(t *testing.T) {
	now := epoch

	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	put(t, l, opening()...)
	var times []time.Time

	for n, step := range []time.Duration{time.Second, 24 * time.Hour, time.Second, -48 * time.Hour, time.Second,
		24 * time.Hour} {
		now = now.Add(step)

		for _, e := range experiment(n+1, hypothesis(n), "no gain") {
			put(t, l, e)
		}

		times = append(times, now)
	}
	view(t, l, func(tx *ledger.Tx) error {
		for n, want := range times {
			x, err := tx.Experiment(camp, n+1)
			if err != nil || !x.JudgedAt.Equal(want) || x.Status != research.Reverted {
				t.Errorf("experiment %d: judged at %v, want %v; %v", n+1, x.JudgedAt, want, err)
			}
		}

		page, _, err := tx.Experiments(camp, ledger.Query{})
		if err != nil {
			return err
		}

		if !slices.IsSortedFunc(page, func(a, b history.Experiment) int { return b.N - a.N }) ||
			len(page) != len(times) {
			t.Errorf("listed out of order, or not all: %d", len(page))
		}

		c, err := tx.Campaign(camp)
		if c.Thinking < 0 || c.Thinking > 3600 {
			t.Errorf("the time between experiments is taken for %v s", c.Thinking)
		}

		return err
	})

	if _, err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a lock file says of processes that died, or of none, locks nobody out.
func TestStaleLockFile(t *testing.T) {
	stale := make([]byte, 24)
	binary.LittleEndian.PutUint64(stale, 41)     // tickets given out
	binary.LittleEndian.PutUint64(stale[8:], 40) // being served
	binary.LittleEndian.PutUint64(stale[16:], 1) // by a process that has nothing to do with it

	for name, content := range map[string][]byte{"left": stale, "empty": {}, "text": []byte("locked by 1234\n"),
		"torn": stale[:13]} {
		t.Run(name, func(t *testing.T) {
			l := fresh(t)
			put(t, l, opening()...)
			write(t, filepath.Join(l.Dir(), "ledger.lock"), content)
			grow(t, l, 1, 2)

			if _, err := l.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
