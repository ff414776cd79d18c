package report_test

import (
	"ratchet/internal/view"
	"testing"

	"ratchet/internal/report"
	"ratchet/ledger"
)

// BenchmarkFacts is what reading a night's facts costs: so long the ledger is held.
func BenchmarkFacts(b *testing.B) {
	l := ledgerOf(b, noisy, 0)
	for b.Loop() {
		err := l.View(b.Context(), func(tx *ledger.Tx) error {
			_, err := view.ReportFacts(tx, "blocks")
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuildAndCheck is what the rest of a report costs, in both forms.
func BenchmarkBuildAndCheck(b *testing.B) {
	within(b, ledgerOf(b, noisy, 0), func(e *evidence) {
		for b.Loop() {
			d := made(b, e, report.Full())
			for _, written := range [][]byte{d.Markdown(), d.HTML()} {
				if _, err := check(e, written); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
