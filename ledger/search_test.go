package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

var (
	verdicts = []research.Verdict{research.Improved, research.Provisional, research.Equivalent, research.Regressed,
		research.Inconclusive, research.Invalid}
	statuses = []research.Status{research.Running, research.Unresolved, research.Kept, research.Reverted,
		research.Voided}
)

// fate is the rest of experiment n after its proposal: any verdict, and any of
// what may become of it, an override, a rollback, an undone keep, a lost
// supervisor and a second verdict among them.
func fate(r *rand.Rand, n int) []history.Entry {
	verdict := judged(n, verdicts[r.IntN(len(verdicts))])
	kept := entry(history.KindExperimentKept, history.Keeping{N: n, Commit: oid("kept", n)})
	reverted := func(by string) history.Entry {
		return entry(history.KindExperimentReverted,
			history.Reversion{N: n, Lesson: "colder " + verbs[r.IntN(10)], By: by})
	}
	lost := entry(history.KindRunLost, history.Loss{Job: research.NewJobID('x', n), Reason: "killed"})

	return [][]history.Entry{
		nil,
		{lost},
		{verdict},
		{verdict, lost},
		{verdict, judged(n, verdicts[r.IntN(len(verdicts))])},
		{verdict, reverted("agent")},
		{verdict, kept},
		{verdict, entry(history.KindExperimentKept,
			history.Keeping{N: n, Commit: oid("kept", n), Overridden: history.ByTerminal})},
		{verdict, kept, reverted("certificate")},
		{verdict, kept, entry(history.KindKeepUndone,
			history.Undoing{N: n, Commit: oid("undo", n), Was: oid("kept", n), Tree: "tree"})},
	}[r.IntN(10)]
}

// belongs says whether an experiment is one that the query is of.
func belongs(x *history.Experiment, q ledger.Query) bool {
	has := research.DistinctWords(x.Hypothesis + " " + x.Lesson)
	lacks := func(w string) bool { return !slices.Contains(has, w) }

	return (q.Status == "" || x.Status == q.Status) && !slices.ContainsFunc(strings.Fields(q.Text), lacks) &&
		(q.Verdict == "" || x.Judgement != nil && x.Judgement.Verdict == q.Verdict)
}

// asScanned wants the pages by verdict, status, words, and all of them together
// to have what reading every state finds, and verify to agree.
func asScanned(t *testing.T, l *ledger.Ledger, when string) {
	t.Helper()
	view(t, l, func(tx *ledger.Tx) error {
		c, err := tx.Campaign(camp)
		if err != nil {
			return err
		}
		var all []*history.Experiment // newest first

		for n := c.Experiments; n > 0; n-- {
			x, err := tx.Experiment(camp, n)
			if err != nil {
				return err
			}

			all = append(all, x)
		}

		for _, q := range queries() {
			var want, have []int

			for _, x := range all {
				if belongs(x, q) {
					want = append(want, x.N)
				}
			}

			for more := true; more; more = q.Cursor != "" {
				page, next, err := tx.Experiments(camp, q)
				if err != nil {
					return err
				}

				for _, x := range page {
					have = append(have, x.N)
				}
				q.Cursor = next
			}

			if d := cmp.Diff(want, have); d != "" {
				t.Errorf("%s, %+v: %s", when, q, d)
			}
		}

		return nil
	})

	if _, err := l.Verify(t.Context()); err != nil {
		t.Errorf("%s: %v", when, err)
	}
}

// queries are of every verdict with every status and some words, or any.
func queries() (all []ledger.Query) {
	for _, v := range append([]research.Verdict{""}, verdicts...) {
		for _, s := range append([]research.Status{""}, statuses...) {
			for _, text := range []string{"", "hoist", "unroll", "colder fuse"} {
				all = append(all, ledger.Query{Verdict: v, Status: s, Text: text, Limit: 7})
			}
		}
	}

	return all
}

// Whatever becomes of experiments, the pages of a query are what a scan finds:
// in the ledger that grew, in one that was rebuilt, and in one of the format
// before there was an index of verdicts.
func TestPagesEqualAScan(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}

	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		l := fresh(t)
		put(t, l, opening()...)
		var later []history.Entry

		for n := 1; n <= 60; n++ {
			put(t, l, proposal(n, hypothesis(n)))

			for _, e := range fate(r, n) {
				if later = append(later, e); r.IntN(3) > 0 {
					put(t, l, later...)
					later = nil
				}
			}
		}
		asScanned(t, l, fmt.Sprint("grown ", seed))
		put(t, l, later...)
		asScanned(t, l, fmt.Sprint("resolved ", seed))

		if err := l.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		asScanned(t, l, fmt.Sprint("rebuilt ", seed))
		meddle(t, l, func(tx *bbolt.Tx) error {
			if err := tx.DeleteBucket([]byte("verdicts")); err != nil {
				return err
			}

			return bucket(tx, "meta").Put([]byte("format"), []byte("3"))
		})
		asScanned(t, l, fmt.Sprint("of format 3 ", seed))
	}
}

// The only experiment of a verdict is on the first page, which ends there,
// however many others there are.
func TestRareVerdictIsOnePage(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	put(t, l, proposal(1, "rare"), judged(1, research.Improved))
	grow(t, l, 2, 600)

	for v, want := range map[research.Verdict][]int{research.Improved: {1}, research.Equivalent: nil} {
		view(t, l, func(tx *ledger.Tx) error {
			xs, next, err := tx.Experiments(camp, ledger.Query{Verdict: v, Limit: 5})

			var found []int
			for _, x := range xs {
				found = append(found, x.N)
			}

			if d := cmp.Diff(want, found); d != "" || next != "" {
				t.Errorf("%s: next %q, %s", v, next, d)
			}

			return err
		})
	}
}

// An entry of the index of verdicts that is missing, or follows from nothing, is noticed.
func TestWrongVerdictIndexIsNoticed(t *testing.T) {
	entryOf := func(v research.Verdict, n uint64) []byte {
		return append([]byte(camp+"\x00"+string(v)+"\x00"), key(n)...)
	}

	for name, c := range map[string]struct {
		do   func(*bbolt.Bucket) error
		says string
	}{
		"missing": {func(b *bbolt.Bucket) error { return b.Delete(entryOf(research.Regressed, 2)) }, "lacks the entry"},
		"stray": {func(b *bbolt.Bucket) error { return b.Put(entryOf(research.Improved, 2), nil) },
			"follows from no record"},
	} {
		l := fresh(t)
		put(t, l, opening()...)
		grow(t, l, 1, 3)
		meddle(t, l, func(tx *bbolt.Tx) error { return c.do(bucket(tx, "verdicts")) })
		_, err := l.Verify(t.Context())
		wantError(t, err, research.CodeLedger, "index verdicts", c.says)

		if err := l.Rebuild(t.Context()); err != nil {
			t.Fatal(name, err)
		}
		asScanned(t, l, name)
	}
}
