package ledger_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

var grownTo = flag.Int("grown", 30, "experiments of TestGrown")

// realRuns is how many runs each experiment of TestGrown has.
const realRuns = 6

// realExperiment returns whole reverted experiments of a noisy metric under
// search: auto, as large as the golden campaign's second one.
func realExperiment(t testing.TB) func(n int) []history.Entry {
	t.Helper()
	var proposed history.Proposal
	var judged rules.Judgement
	var runs []rules.Run
	into := func(rec history.Record, v any) {
		if err := json.Unmarshal(rec.Body, v); err != nil {
			t.Fatal(err)
		}
	}
	l := versioned(t, golden(t, "v1"), "")

	err := l.Stream(t.Context(), 1, func(rec history.Record, _ []byte) error {
		job, err := history.Touches(rec)
		if rec.Campaign != "noisy" || job != "x2" || err != nil {
			return err
		}

		switch rec.Kind {
		case history.KindExperimentProposed:
			into(rec, &proposed)
		case history.KindExperimentJudged:
			into(rec, &judged)
		case history.KindRunFinished:
			runs = append(runs, rules.Run{})
			into(rec, &runs[len(runs)-1])
		}

		return nil
	})
	if err != nil || len(runs) < realRuns {
		t.Fatalf("%d runs, %v", len(runs), err)
	}

	return func(n int) []history.Entry {
		p, j := proposed, judged
		p.N, p.Hypothesis, p.Tree, j.N = n, hypothesis(n), oid("tree", n), n
		p.Checkout, p.Candidate = "/src/a", oid("cand", n)
		all := []history.Entry{entry(history.KindExperimentProposed, p)}

		for i, r := range runs[:realRuns] {
			if i > 0 {
				r.Enforced, r.EnforcedAs = nil, 1
			}
			r.Job, r.Commit, r.Output = research.NewJobID(research.ExperimentJob, n), oid("cand", n),
				fmt.Sprintf("%064x", n)
			all = append(all, entry(history.KindRunFinished, r))
		}

		return append(all, entry(history.KindExperimentJudged, j),
			entry(history.KindExperimentReverted,
				history.Reversion{N: n, Lesson: "no gain, since the compiler did it already", By: "agent"}))
	}
}

// growReal appends n such experiments, each record in a transaction of its own
// where n is small, as supervisors do; else many together, for the time it takes.
func growReal(t testing.TB, l *ledger.Ledger, n int) {
	t.Helper()
	put(t, l, opening()...)
	make := realExperiment(t)

	var batch []history.Entry
	for i := 1; i <= n; i++ {
		batch = append(batch, make(i)...)
		if n <= 2000 {
			for _, e := range batch {
				put(t, l, e)
			}
			batch = nil
		} else if i%100 == 0 || i == n {
			put(t, l, batch...)
			batch = nil
		}
	}
}

// others appends lessons until it is stopped, and says how long they took.
func others(t testing.TB, l *ledger.Ledger, first int, work func()) (took []time.Duration) {
	t.Helper()
	stop := make(chan bool)
	var done sync.WaitGroup
	done.Go(func() {
		for n := first; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			began := time.Now()

			if _, err := l.Append(context.Background(),
				entry(history.KindLessonAdded, history.Lesson{N: n, Text: "meanwhile"})); err != nil {
				t.Error(err)
				return
			}

			took = append(took, time.Since(began))
		}
	})
	work()
	close(stop)
	done.Wait()
	slices.Sort(took)

	return took
}

// TestGrown measures a large ledger: its bytes, and how long others wait for it
// while it is exported, backed up, verified and migrated. `make grown`.
func TestGrown(t *testing.T) {
	var holds []time.Duration // of the ledger by l's own readings

	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{Observe: func(tm ledger.Timing) {
		if !tm.Appended {
			holds = append(holds, tm.Took-tm.Waited)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	growReal(t, l, *grownTo)

	info, err := os.Stat(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	n := float64(*grownTo)
	t.Logf("%d experiments of %d runs: %.0f bytes an experiment in a file of %d", *grownTo, realRuns,
		float64(info.Size())/n, info.Size())
	logBuckets(t, l, n)
	lessons := 1

	for name, work := range map[string]func() error{
		"nothing": func() error { time.Sleep(100 * time.Millisecond); return nil },
		"export": func() error {
			return l.Stream(t.Context(), 1, func(_ history.Record, stored []byte) error {
				_, err := io.Discard.Write(stored)
				return err
			})
		},
		"backup": func() error { _, err := l.Backup(t.Context(), filepath.Join(t.TempDir(), "copy.db")); return err },
		"verify": func() error { _, err := l.Verify(t.Context()); return err },
	} {
		began := time.Now()
		holds = nil
		took := others(t, open(t, l.Path()), lessons, func() {
			if err := work(); err != nil {
				t.Error(err)
			}
		})

		lessons += len(took)
		if len(took) > 0 {
			t.Logf("%s took %v; %d appends of others meanwhile: median %v, p99 %v, longest %v", name,
				time.Since(began).Round(time.Millisecond), len(took), took[len(took)/2], took[len(took)*99/100],
				took[len(took)-1])
		}

		if slices.Sort(holds); len(holds) > 0 {
			t.Logf("%s held the ledger %d times: median %v, p99 %v, longest %v", name, len(holds),
				holds[len(holds)/2], holds[len(holds)*99/100], holds[len(holds)-1])
		}
	}
	meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "meta").Put([]byte("format"), []byte("1")) })
	began := time.Now()
	view(t, l, func(*ledger.Tx) error { return nil })
	t.Logf("migrated in %v", time.Since(began).Round(time.Millisecond))

	if _, err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// logBuckets logs what the larger buckets hold and take.
func logBuckets(t *testing.T, l *ledger.Ledger, n float64) {
	db, err := bbolt.Open(l.Path(), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if s := b.Stats(); s.LeafAlloc > 1<<16 {
				t.Logf("%-12s %6.0f bytes an experiment hold %6.0f", name, float64(s.LeafAlloc+s.BranchAlloc)/n,
					float64(s.LeafInuse)/n)
			}

			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
