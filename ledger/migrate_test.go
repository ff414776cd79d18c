package ledger_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

const goldenRecords = 94

// golden unpacks a ledger that an older version wrote.
func golden(t testing.TB, version string) string {
	t.Helper()
	dir := t.TempDir()

	f, err := os.Open(filepath.Join("testdata", version, "ledger.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var db []byte

	z, err := gzip.NewReader(f)
	if err == nil {
		db, err = io.ReadAll(z)
	}

	if err != nil {
		t.Fatal(err)
	}

	head, err := os.ReadFile(filepath.Join("testdata", version, "ledger.head"))
	if err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(dir, "ledger.db")
	for name, b := range map[string][]byte{path: db, filepath.Join(dir, "ledger.head"): head} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return path
}

// stored are the records' bytes as they lie in the file.
func stored(t testing.TB, path string) (all [][]byte, format string) {
	t.Helper()

	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	err = db.View(func(tx *bbolt.Tx) error {
		format = string(tx.Bucket([]byte("meta")).Get([]byte("format")))

		return tx.Bucket([]byte("records")).ForEach(func(_, v []byte) error {
			all = append(all, bytes.Clone(v))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}

	return all, format
}

func versioned(t testing.TB, path, version string) *ledger.Ledger {
	t.Helper()

	l, err := ledger.Open(path, ledger.Options{Version: version})
	if err != nil {
		t.Fatal(err)
	}

	return l
}

// Whoever comes first, reader, writer or Verify, brings an older ledger up;
// the old records stay as they are, to the byte, and the chain goes on.
func TestMigration(t *testing.T) {
	for name, first := range map[string]func(*ledger.Ledger) error{
		"read":  func(l *ledger.Ledger) error { return l.View(t.Context(), func(*ledger.Tx) error { return nil }) },
		"write": func(l *ledger.Ledger) error { return l.Update(t.Context(), func(*ledger.Tx) error { return nil }) },
		"verify": func(l *ledger.Ledger) error {
			rep, err := l.Verify(t.Context())
			if rep.Records != goldenRecords+1 || rep.Anchor != goldenRecords+1 {
				t.Errorf("verify found %+v", rep)
			}

			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := golden(t, "v1")

			before, format := stored(t, path)
			if len(before) != goldenRecords || format != "1" {
				t.Fatalf("the golden ledger has %d records of the format %q", len(before), format)
			}

			l := versioned(t, path, "v2.0")
			for range 2 { // the second time there is nothing to do
				if err := first(l); err != nil {
					t.Fatal(err)
				}
			}

			after, format := stored(t, path)
			if format != "5" || len(after) != goldenRecords+1 {
				t.Fatalf("migrated to the format %q with %d records", format, len(after))
			}

			if !slices.EqualFunc(before, after[:goldenRecords], bytes.Equal) {
				t.Error("old records were rewritten")
			}
			var last, note history.Record
			var m history.Migration
			json.Unmarshal(before[goldenRecords-1], &last)
			json.Unmarshal(after[goldenRecords], &note)

			if err := json.Unmarshal(note.Body, &m); err != nil || note.Prev != last.Hash ||
				note.Kind != history.KindLedgerMigrated ||
				m != (history.Migration{From: 1, To: 5, Version: "v2.0"}) {
				t.Errorf("the migration is recorded as %s, %+v", note.Body, note)
			}

			if _, err := l.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the golden campaigns are known to hold can be read, and its verdicts
// follow from its runs.
func TestGoldenStates(t *testing.T) {
	l := versioned(t, golden(t, "v1"), "v2.0")
	view(t, l, func(tx *ledger.Tx) error {
		c, err := tx.Campaign("shrink")
		if err != nil {
			return err
		}

		if c.Experiments != 5 || c.Ideas != 1 || c.Lessons != 2 || c.Measurements != 1 ||
			c.Verdicts[research.Invalid] != 1 ||
			c.Verdicts[research.Equivalent] != 1 || c.Verdicts[research.Improved] != 2 ||
			c.Verdicts[research.Regressed] != 1 {
			t.Errorf("shrink: %+v", c)
		}

		if x, err := tx.Experiment("shrink", 5); err != nil || !x.Undone || x.Status != research.Reverted {
			t.Errorf("the undone experiment: %+v, %v", x, err)
		}

		if c, err = tx.Campaign("noisy"); err != nil || c.Certified != 1 || c.Kept != 2 || c.Audit == nil ||
			c.Rule.Auto == nil {
			t.Errorf("noisy: %+v, %v", c, err)
		}

		if xs, _, err := tx.Experiments("shrink", ledger.Query{Text: "fox"}); err != nil || len(xs) != 1 {
			t.Errorf("search: %+v, %v", xs, err)
		}

		return history.Recompute(func(yield func(history.Record) bool) {
			err := tx.Records(1, func(r history.Record) error {
				if !yield(r) {
					return ledger.ErrStop
				}

				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	})
	put(t, l, history.Entry{Campaign: "shrink", Kind: history.KindIdeaAdded,
		Body: history.Idea{N: 2, Text: "after the migration"}})
}

// A damaged older ledger is not migrated, and not harmed.
func TestDamagedIsNotMigrated(t *testing.T) {
	path := golden(t, "v1")
	l := versioned(t, path, "v2.0")
	flip(t, l, 40, `"prev":"`, 9)
	before := read(t, path)
	err := l.View(t.Context(), func(*ledger.Tx) error { return nil })
	wantError(t, err, research.CodeLedger, "record 40 was altered")

	if _, format := stored(t, path); format != "1" || !bytes.Equal(before, read(t, path)) {
		t.Error("a migration that failed changed the file")
	}
}

// A job that an older supervisor still runs is left to end first.
func TestMigrationWaitsForOlderSupervisors(t *testing.T) {
	path := golden(t, "v1")
	var asked []string
	alive := true

	l, err := ledger.Open(path, ledger.Options{Version: "v2.0", Running: func(campaign string, id research.JobID) bool {
		asked = append(asked, campaign+" "+string(id))
		return alive
	}})
	if err != nil {
		t.Fatal(err)
	}
	// Nothing is open in the golden ledger: an older version begins something.
	put(t, l, history.Entry{Campaign: "shrink", Kind: history.KindMeasurementStarted,
		Body: rules.JobStart{Job: "m2", Commit: "c"}})
	meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "meta").Put([]byte("format"), []byte("1")) })
	err = l.View(t.Context(), func(*ledger.Tx) error { return nil })
	wantError(t, err, research.CodeBusy, "m2", "shrink", "older ratchet", "v2.0")

	if d := cmp.Diff([]string{"shrink m2"}, asked); d != "" {
		t.Error(d)
	}
	alive = false
	view(t, l, func(*ledger.Tx) error { return nil })

	if _, format := stored(t, path); format != "5" {
		t.Errorf("format %q once the worker is gone", format)
	}
}

// A newer format, or a kind of record that this version does not know: refused,
// with both versions, and nothing is written.
func TestNewerIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(*bbolt.Tx) error
		parts []string
	}{
		"format": {func(tx *bbolt.Tx) error { return bucket(tx, "meta").Put([]byte("format"), []byte("6")) },
			[]string{"v9.1", "v2.0", `format "6"`, "formats up to 5"}},
		"format that is not a number": {func(tx *bbolt.Tx) error {
			return bucket(tx, "meta").Put([]byte("format"), []byte("x"))
		},
			[]string{"v9.1", "v2.0", `format "x"`}},
		"kind": {func(tx *bbolt.Tx) error {
			return errors.Join(tellDream(tx, 5), bucket(tx, "kinds").Put([]byte("dream.told"), key(6)))
		}, []string{"v9.1", "v2.0", `"dream.told"`, "record 6"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			put(t, versioned(t, path, "v9.1"), opening()...)
			l := versioned(t, path, "v2.0")
			meddle(t, l, c.do)
			before := read(t, path)
			_, appending := l.Append(t.Context(), proposal(1, "a"))

			_, verifying := l.Verify(t.Context())
			for _, err := range []error{appending, verifying, l.Rebuild(t.Context()),
				l.View(t.Context(), func(*ledger.Tx) error { return nil })} {
				wantError(t, err, research.CodeUnsupported, c.parts...)
			}

			if !bytes.Equal(before, read(t, path)) {
				t.Error("the refused ledger was changed")
			}
		})
	}
}

// tellDream adds a record of a later kind after record head, as a later Ratchet would.
func tellDream(tx *bbolt.Tx, head uint64) error {
	b := bucket(tx, "records")

	var rec history.Record
	if err := json.Unmarshal(b.Get(key(head)), &rec); err != nil {
		return err
	}
	rec.Seq, rec.Prev, rec.Kind = rec.Seq+1, rec.Hash, "dream.told"
	rec.Hash, _ = ledger.Hash(rec)

	line, err := json.Marshal(rec)
	if err != nil {
		return err
	}

	return b.Put(key(rec.Seq), line)
}

// A newer kind in an older format (which no release wrote) is refused as well.
func TestUnknownKindInOlderFormat(t *testing.T) {
	path := golden(t, "v1")
	l := versioned(t, path, "v2.0")
	meddle(t, l, func(tx *bbolt.Tx) error { return tellDream(tx, goldenRecords) })
	err := l.View(t.Context(), func(*ledger.Tx) error { return nil })
	wantError(t, err, research.CodeUnsupported, "dream.told", "record 95", "v2.0")

	if _, format := stored(t, path); format != "1" {
		t.Errorf("format %q", format)
	}
}
