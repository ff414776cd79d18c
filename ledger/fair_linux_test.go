package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ratchet/internal/testform"
	"ratchet/ledger"
)

// eventually waits until something is so, however busy the machine is.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()

	for end := time.Now().Add(2 * time.Minute); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after 2 minutes: %s", what)
		}
	}
}

// Nobody appends twice while another waits: when all processes have been waiting
// for a turn, the next turns are one of each, wherever they run and however fast.
func TestProcessesShareFairly(t *testing.T) {
	testform.SkipQuick(t, "TestHistoriesAreLinearizable has processes that append at once")
	l := fresh(t)
	put(t, l, opening()...)
	var ps []*process

	for range 8 {
		p := start(t, l)
		p.begin()
		ps = append(ps, p)
	}
	var marks []uint64 // heads at which all of them waited

	for range 5 {
		eventually(t, "each process appends", func() bool {
			return !slices.ContainsFunc(ps, func(p *process) bool { return len(p.acknowledged()) <= len(marks) })
		})
		marks = append(marks, allWait(t, l, len(ps)))
	}
	var acks []string
	var counts []int

	for _, p := range ps {
		p.in.Close()
	}

	for _, p := range ps {
		if err := p.wait(); err != nil {
			t.Error(err)
		}
		acks = append(acks, p.acks...)
		counts = append(counts, len(p.acks))
	}
	t.Logf("experiments by process: %v; all waited at %v", counts, marks)

	for _, mark := range marks {
		wantTurns(t, ps, mark)
	}
	wantAcks(t, l, acks)
	view(t, l, func(tx *ledger.Tx) error {
		if seq, _ := tx.Head(); seq != uint64(5+2*len(acks)) {
			t.Errorf("the head is %d after %d acknowledged experiments", seq, len(acks))
		}

		return nil
	})
}

// allWait holds the ledger until n others wait for it, and returns its head.
func allWait(t *testing.T, l *ledger.Ledger, n int) (head uint64) {
	t.Helper()
	view(t, l, func(tx *ledger.Tx) error {
		head, _ = tx.Head()
		eventually(t, "all processes wait", func() bool {
			given, serving := turns(t, l)
			return given-serving-1 == uint64(n)
		})

		return nil
	})

	return head
}

// wantTurns wants the first appends after head to be one of each process.
func wantTurns(t *testing.T, ps []*process, head uint64) {
	t.Helper()
	turns := map[uint64]int{} // sequence → process

	for i, p := range ps {
		for _, ack := range p.acks {
			var seq uint64
			if _, err := fmt.Sscan(ack, &seq); err != nil {
				t.Fatal(err)
			}
			turns[seq] = i
		}
	}
	var order []int

	for n := range len(ps) {
		i, ok := turns[head+2*uint64(n+1)] // each appends two records
		if !ok || slices.Contains(order, i) {
			t.Errorf("all waited at %d, and then came %v and %d (%t)", head, order, i, ok)
			return
		}
		order = append(order, i)
	}
}
