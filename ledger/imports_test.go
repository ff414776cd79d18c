package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// imported is a line of results.tsv as history.imported has it.
func imported(n, line int, text string, replaces int) history.Entry {
	v := .5
	i := history.Import{N: n, Source: "results.tsv", Format: "karpathy", LineNumber: line, Kind: history.ImportRun,
		Metric: "val_bpb", Value: &v, Status: "keep", Description: text, Replaces: replaces}
	i.SetText([]byte(text + "\n"))
	e := entry(history.KindHistoryImported, i)
	e.Key = i.Key()

	return e
}

// Imported lines change the count of imported lines, and nothing else.
func TestImportsTouchNothing(t *testing.T) {
	l := fresh(t)
	put(t, l, append(opening(), proposal(1, "a"), judged(1, research.Improved))...)
	state := func() (c history.Campaign) {
		if err := l.View(context.Background(), func(tx *ledger.Tx) error {
			p, err := tx.Campaign(camp)
			c = *p

			return err
		}); err != nil {
			t.Fatal(err)
		}

		return c
	}
	before := state()
	put(t, l, imported(1, 1, "wider heads", 0), imported(2, 2, "longer warmup", 0),
		imported(3, 2, "a much longer warmup", 2))

	after := state()
	if after.Imported != 3 {
		t.Errorf("%d imported", after.Imported)
	}

	after.Imported = 0
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}

	if _, err := l.Verify(context.Background()); err != nil {
		t.Error(err)
	}

	if err := l.Rebuild(context.Background()); err != nil {
		t.Error(err)
	}

	if _, err := l.Verify(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestImportsAreFound(t *testing.T) {
	l := fresh(t)
	put(t, l, append(opening(), imported(1, 1, "wider heads", 0), imported(2, 2, "longer warmup", 0),
		imported(3, 2, "a much longer warmup", 2))...)
	odd := history.Import{N: 4, Source: "odd", Path: "dir/noise", Format: "pi", LineNumber: 1, Part: 1,
		Kind: history.ImportBroken, Broken: "no JSON"}
	odd.SetText([]byte("\xff\x00\r\n"))
	put(t, l, entry(history.KindHistoryImported, odd))

	err := l.View(context.Background(), func(tx *ledger.Tx) error {
		for query, want := range map[string]string{"": "4 3 1", "warmup": "3", "heads wider": "1", "nothing": ""} {
			page, next, err := tx.Imports(camp, ledger.Query{Text: query})
			if err != nil || next != "" {
				t.Errorf("%q: %v, cursor %q", query, err, next)
			}

			var got []string
			for _, i := range page {
				got = append(got, fmt.Sprint(i.N))
			}

			if strings.Join(got, " ") != want {
				t.Errorf("%q found %v, want %s", query, got, want)
			}
		}

		page, err := tx.ImportPage(camp, "results.tsv", nil)
		if err != nil || len(page) != 2 || page[1].N != 3 {
			t.Errorf("results.tsv is %+v: %v", page, err)
		}

		rest, err := tx.ImportPage(camp, "results.tsv", &page[0])
		if err != nil || len(rest) != 1 || rest[0].N != 3 {
			t.Errorf("after the first: %+v: %v", rest, err)
		}

		page, err = tx.ImportPage(camp, "odd/dir/noise", nil)
		if err != nil || len(page) != 1 || !bytes.Equal(page[0].Text(), []byte("\xff\x00\r\n")) {
			t.Errorf("odd/dir/noise is %+v: %v", page, err)
		}

		sources, err := tx.ImportSources(camp)
		if err != nil || len(sources) != 2 || sources[1].Lines != 2 || sources[1].Runs != 2 ||
			sources[1].Replaced != 1 || sources[0].Broken != 1 {
			t.Errorf("sources %+v: %v", sources, err)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsRefused(t *testing.T) {
	l := fresh(t)
	put(t, l, append(opening(), imported(1, 1, "wider heads", 0))...)

	for name, e := range map[string]history.Entry{
		"a number twice":         imported(1, 2, "x", 0),
		"a number left out":      imported(3, 2, "x", 0),
		"a place twice":          imported(2, 1, "x", 0),
		"in place of nothing":    imported(2, 2, "x", 1),
		"in place of another":    imported(2, 1, "x", 7),
		"unknown campaign":       {Campaign: "other", Kind: history.KindHistoryImported, Body: history.Import{N: 1}},
		"a body that is no body": entry(history.KindHistoryImported, map[string]any{"n": "x"}),
	} {
		if _, err := l.Append(context.Background(), e); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	put(t, l, imported(1, 1, "wider heads", 0)) // its key: nothing is added

	if _, err := l.Verify(context.Background()); err != nil {
		t.Error(err)
	}
}

// A ledger that was made before there were imports takes them, without another format.
func TestImportsIntoAnEarlierLedger(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)

	db, err := bbolt.Open(l.Path(), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}

	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"imports", "import_lines", "import_sources", "import_text"} {
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}

		return nil
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}

	if _, err := l.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	put(t, l, imported(1, 1, "wider heads", 0))

	if _, err := l.Verify(context.Background()); err != nil {
		t.Error(err)
	}
}
