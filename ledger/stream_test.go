package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// exported are the lines that Stream gives.
func exported(t *testing.T, l *ledger.Ledger, from uint64) (lines []byte, seqs []uint64) {
	t.Helper()

	err := l.Stream(t.Context(), from, func(rec history.Record, stored []byte) error {
		lines, seqs = append(append(lines, stored...), '\n'), append(seqs, rec.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return lines, seqs
}

// A stream gives every record as it lies in the file, and its lines prove themselves.
func TestStream(t *testing.T) {
	l := fresh(t)
	if lines, _ := exported(t, l, 1); lines != nil {
		t.Errorf("an empty ledger streams %q", lines)
	}
	put(t, l, opening()...)
	grow(t, l, 1, 300) // several pages
	lines, seqs := exported(t, l, 0)

	all, _ := stored(t, l.Path())
	if !bytes.Equal(lines, append(bytes.Join(all, []byte{'\n'}), '\n')) {
		t.Error("the stream differs from what is stored")
	}

	c, err := ledger.CheckChain(bytes.NewReader(lines))
	if err != nil || c.Records != len(all) || c.From != 1 || c.To != uint64(len(all)) || c.Gaps != 0 {
		t.Errorf("%+v, %v", c, err)
	}

	if _, tail := exported(t, l, 1000); !slices.Equal(tail, seqs[999:]) {
		t.Errorf("from 1000: %v", tail)
	}

	if _, none := exported(t, l, 100_000); none != nil {
		t.Errorf("from beyond the end: %v", none)
	}
}

// Others append while a stream's reader works, and it ends where it said.
func TestStreamLeavesTheLedgerFree(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	n := 0

	err := l.Stream(t.Context(), 1, func(history.Record, []byte) error {
		n++
		put(t, l, proposal(n, hypothesis(n)))

		return nil
	})
	if err != nil || n != len(opening()) {
		t.Errorf("%d records, %v", n, err)
	}

	boom := errors.New("boom")
	for _, end := range []error{ledger.ErrStop, boom} {
		err := l.Stream(t.Context(), 1, func(history.Record, []byte) error { return end })
		if end == boom && err != boom || end != boom && err != nil {
			t.Errorf("ended by %v: %v", end, err)
		}
	}
}

func TestStreamOfADamagedLedger(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*testing.T, *ledger.Ledger)
		want string
	}{
		"altered": {func(t *testing.T, l *ledger.Ledger) { flip(t, l, 7, `"body"`, 9) }, "record 7 was altered"},
		"missing": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "records").Delete(key(9)) })
		}, "record 9 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			l := intact(t)
			c.do(t, l)
			err := l.Stream(t.Context(), 1, func(history.Record, []byte) error { return nil })
			wantError(t, err, research.CodeLedger, c.want)
		})
	}
}

func TestCheckChain(t *testing.T) {
	l := intact(t)
	whole, _ := exported(t, l, 1)
	lines := strings.SplitAfter(string(whole), "\n")

	lines = lines[:len(lines)-1]
	for name, c := range map[string]struct {
		lines []string
		gaps  int
		want  string // of the error
	}{
		"nothing":        {nil, 0, ""},
		"tail":           {lines[4:], 0, ""},
		"gap":            {slices.Concat(lines[:3], lines[5:9], lines[12:]), 2, ""},
		"windows' lines": {[]string{strings.ReplaceAll(string(whole), "\n", "\r\n")}, 0, ""},
		"altered":        {slices.Concat(lines[:3], []string{strings.Replace(lines[3], "c1", "c2", 1)}), 0, "line 4"},
		"swapped":        {[]string{lines[0], lines[2], lines[1]}, 0, "line 3: record 2 stands after record 3"},
		"twice":          {[]string{lines[0], lines[0]}, 0, "line 2: record 1 stands after record 1"},
		"cut":            {[]string{lines[0], lines[1][:100]}, 0, "line 2"},
		"other file":     {[]string{"commit\tval_bpb\n"}, 0, "line 1: it does not end in a hash"},
		"empty line":     {[]string{lines[0], "\n", lines[1]}, 0, "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ledger.CheckChain(strings.NewReader(strings.Join(c.lines, "")))
			if c.want != "" {
				wantError(t, err, research.CodeLedger, c.want)
			} else if err != nil || got.Gaps != c.gaps {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	// Another ledger's record in its place: whole by itself, but no successor.
	other := fresh(t)
	e := opening()
	e[1].Session = "grey-owl"
	put(t, other, e...)
	foreign, _ := exported(t, other, 3)
	_, err := ledger.CheckChain(strings.NewReader(lines[0] + lines[1] + string(foreign)))
	wantError(t, err, research.CodeLedger, "line 3: record 3 does not follow record 2")
}
