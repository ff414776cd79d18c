//go:build unix

package ledger_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// sizes are the experiments already in the ledger. Run with
//
//	go test ./ledger -run '^$' -bench . -benchtime 500x
var sizes = []int{0, 10_000}

func grown(b *testing.B, n int) *ledger.Ledger {
	l := open(b, filepath.Join(b.TempDir(), "ledger.db"))
	put(b, l, opening()...)
	grow(b, l, 1, n)

	return l
}

// BenchmarkAppend appends one record a transaction, over whole experiments.
func BenchmarkAppend(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := grown(b, size)
			var todo []history.Entry
			n := size
			runtime.GC()
			start := cpu(b)
			b.ResetTimer()

			for range b.N {
				if len(todo) == 0 {
					n++
					todo = experiment(n, hypothesis(n), "no gain, since the compiler did it already")
				}
				put(b, l, todo[0])
				todo = todo[1:]
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkCampaignRead is what most calls begin with.
func BenchmarkCampaignRead(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := grown(b, size)
			runtime.GC()
			start := cpu(b)
			b.ResetTimer()

			for range b.N {
				err := l.View(context.Background(), func(tx *ledger.Tx) error {
					_, err := tx.Campaign(camp)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkSearch reads a page of a two-word search, of one status, and of a
// verdict that nothing has.
func BenchmarkSearch(b *testing.B) {
	for _, q := range []ledger.Query{{Text: "partition vectorize"}, {Status: research.Reverted},
		{Verdict: research.Improved}} {
		b.Run(q.Text+string(q.Status)+string(q.Verdict), func(b *testing.B) {
			l := grown(b, 10_000)
			b.ResetTimer()

			for range b.N {
				view(b, l, func(tx *ledger.Tx) error {
					_, _, err := tx.Experiments(camp, q)
					return err
				})
			}
		})
	}
}

// BenchmarkAlike is what a proposal pays to be told of its near-duplicates, at
// 0 and at 100,000 experiments whose hypotheses share most of their words.
func BenchmarkAlike(b *testing.B) {
	for _, size := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := grown(b, size)
			runtime.GC()
			start := cpu(b)
			b.ResetTimer()
			found := 0

			for i := range b.N {
				text := hypothesis(i*7919%(size+1) + 1)
				view(b, l, func(tx *ledger.Tx) error {
					tx.SameEdit(camp, "digest")

					for _, n := range tx.ExperimentsLike(camp, text, 12) {
						x, err := tx.Experiment(camp, n)
						if err != nil {
							return err
						}

						if _, same := research.CompareTexts(text, x.Hypothesis); same {
							found++
						}
					}

					return nil
				})
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(found)/float64(b.N), "found/op")
		})
	}
}

func BenchmarkStamp(b *testing.B) {
	l := grown(b, 1)
	for b.Loop() {
		if _, err := l.Stamp(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	l := grown(b, 2000)
	for b.Loop() {
		if _, err := l.Verify(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
