package report_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"ratchet/internal/view"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/report"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

var update = flag.Bool("update", false, "write goldens")

// openLedger appends the recorded campaign of testdata/name to a ledger of its
// own, its first n records (0: all).
func openLedger(t testing.TB, name string, n int) *ledger.Ledger {
	t.Helper()

	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}

	if strings.HasSuffix(name, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}

		if data, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var now time.Time

	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}

	err = l.Update(t.Context(), func(tx *ledger.Tx) error {
		for i, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
			if n > 0 && i == n {
				return nil
			}

			var r history.Record
			if err := json.Unmarshal(line, &r); err != nil {
				return err
			}

			now = r.Time
			if _, err := tx.Append(history.Entry{Campaign: r.Campaign, Session: r.Session, Kind: r.Kind, Key: r.Key,
				Body: r.Body}); err != nil {
				return err
			}
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return l
}

// evidence is a ledger's transaction, or what a test makes of it.
type evidence struct {
	tx       *ledger.Tx
	campaign string
	missing  uint64                      // a record that is not there
	altered  uint64                      // one that says something else, under another hash
	facts    func(f *report.Facts) error // changes them; nil: nothing
}

func (e *evidence) Record(seq uint64) (history.Record, error) {
	if seq == e.missing {
		return history.Record{}, errors.New("it is missing")
	}

	r, err := e.tx.Record(seq)
	if seq == e.altered {
		r.Hash = strings.Repeat("0", 64)
	}

	return r, err
}

func (e *evidence) Facts() (*report.Facts, error) {
	f, err := view.ReportFacts(e.tx, e.campaign)
	if err == nil && e.facts != nil {
		err = e.facts(f)
	}

	return f, err
}

// withEvidence calls f with the ledger, as a check sees it.
func withEvidence(t testing.TB, l *ledger.Ledger, f func(e *evidence)) {
	t.Helper()

	err := l.View(t.Context(), func(tx *ledger.Tx) error {
		all, err := tx.Campaigns()
		if err == nil {
			f(&evidence{tx: tx, campaign: all[0].Name})
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// buildReport is the report of what e shows.
func buildReport(t testing.TB, e *evidence, size report.Size) *report.Document {
	t.Helper()

	f, err := e.Facts()
	if err != nil {
		t.Fatal(err)
	}

	d, err := report.BuildDocument(f, "test", size)
	if err != nil {
		t.Fatal(err)
	}

	return d
}

// checkWritten reads written bytes against e.
func checkWritten(e report.Source, written []byte) (report.Checked, error) {
	p, err := report.ReadPage(written)
	if err != nil {
		return report.Checked{}, err
	}

	return p.Check(e)
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()

	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run with -update:\n%s", path, diff)
	}
}
