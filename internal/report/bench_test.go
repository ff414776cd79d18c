package report_test

import (
	"ratchet/internal/view"
	"testing"

	"ratchet/internal/report"
	"ratchet/ledger"
)

// BenchmarkFacts is what reading a night's facts costs: so long the ledger is held.
func BenchmarkFacts(b *testing.B) {
	l := openLedger(b, noisy, 0)
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
	withEvidence(b, openLedger(b, noisy, 0), func(e *evidence) {
		for b.Loop() {
			d := buildReport(b, e, report.FullSize())
			for _, written := range [][]byte{d.RenderMarkdown(), d.RenderHTML()} {
				if _, err := checkWritten(e, written); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
