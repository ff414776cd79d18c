package ledger_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// head is the newest record of the ledgers that are damaged here.
const head = 5 + 4*5

func intact(t *testing.T) *ledger.Ledger {
	l := fresh(t)
	put(t, l, opening()...)

	for n := 1; n <= 4; n++ {
		for _, e := range experiment(n, hypothesis(n), "no gain") {
			put(t, l, e)
		}
	}

	return l
}

func anchorOf(l *ledger.Ledger) string { return filepath.Join(l.Dir(), "ledger.head") }

func read(t *testing.T, path string) []byte {
	t.Helper()

	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()

	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// meddle changes the database behind the ledger's back.
func meddle(t *testing.T, l *ledger.Ledger, f func(*bbolt.Tx) error) {
	t.Helper()

	db, err := bbolt.Open(l.Path(), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	if err := db.Update(f); err != nil {
		t.Fatal(err)
	}
}

// flip inverts one bit of every place where the file holds the record's bytes
// (stale copies of its page included), off bytes after the start of what.
func flip(t *testing.T, l *ledger.Ledger, seq int, what string, off int) {
	t.Helper()
	b := read(t, l.Path())
	found := false

	lead := fmt.Appendf(nil, `{"seq":%d,`, seq)
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], lead)
		if i < 0 {
			break
		}

		at += i
		if j := bytes.Index(b[at:min(len(b), at+8000)], []byte(what)); j >= 0 {
			b[at+j+off] ^= 1
			found = true
		}
	}

	if !found {
		t.Fatalf("record %d with %q is not in the file", seq, what)
	}
	write(t, l.Path(), b)
}

func bucket(tx *bbolt.Tx, name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }

func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(t *testing.T, l *ledger.Ledger)
		parts []string // of Verify's error
		bad   uint64
		view  bool // an ordinary transaction refuses too
	}{
		"bit in a body": {func(t *testing.T, l *ledger.Ledger) { flip(t, l, 6, "hypothesis", 14) },
			[]string{"record 6 was altered"}, 6, false},
		"bit in a hash": {func(t *testing.T, l *ledger.Ledger) { flip(t, l, 7, `"hash":"`, 20) },
			[]string{"record 7 was altered"}, 7, false},
		"bit in a prev": {func(t *testing.T, l *ledger.Ledger) { flip(t, l, 8, `"prev":"`, 9) },
			[]string{"record 8 was altered"}, 8, false},
		"bit in the newest record": {func(t *testing.T, l *ledger.Ledger) { flip(t, l, head, `"kind"`, 9) },
			[]string{fmt.Sprint(head), "altered"}, head, true},
		"bits in two records": {func(t *testing.T, l *ledger.Ledger) {
			flip(t, l, 3, "job", 1)
			flip(t, l, head, `"kind"`, 9)
		},
			[]string{"record 3 was altered"}, 3, true},
		"removed tail": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error {
				for n := uint64(head - 3); n <= head; n++ {
					if err := bucket(tx, "records").Delete(key(n)); err != nil {
						return err
					}
				}

				return nil
			})
		}, []string{"rolled back", "ends at record 21", "records 22 to 25 are lost"}, 22, true},
		"removed tail and anchor": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "records").Delete(key(head)) })
			os.Remove(anchorOf(l))
		}, []string{"index campaigns"}, 0, false},
		"removed from the middle": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "records").Delete(key(9)) })
		}, []string{"record 9 is missing"}, 9, false},
		"removed first": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "records").Delete(key(1)) })
		}, []string{"record 1 is missing"}, 1, false},
		"swapped records": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error {
				b := bucket(tx, "records")

				x, y := bytes.Clone(b.Get(key(7))), bytes.Clone(b.Get(key(12)))
				if err := b.Put(key(7), y); err != nil {
					return err
				}

				return b.Put(key(12), x)
			})
		}, []string{"record 12 stands in the place of record 7"}, 7, false},
		"record of another ledger": {func(t *testing.T, l *ledger.Ledger) {
			other := fresh(t)
			e := opening()
			e[1].Body = history.SessionJoin{Codename: "amber-fox", Checkout: "/elsewhere"}
			put(t, other, e...)
			var foreign []byte
			meddle(t, other, func(tx *bbolt.Tx) error {
				foreign = bytes.Clone(bucket(tx, "records").Get(key(3)))
				return nil
			})
			meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "records").Put(key(3), foreign) })
		}, []string{"record 3 does not follow record 2"}, 3, false},
		"emptied file": {func(t *testing.T, l *ledger.Ledger) { write(t, l.Path(), nil) },
			[]string{"emptied", "1 to 25"}, 0, true},
		"removed file": {func(t *testing.T, l *ledger.Ledger) { os.Remove(l.Path()) }, []string{"missing", "1 to 25"},
			0, true},
		"cut to 3 pages": {func(t *testing.T, l *ledger.Ledger) { os.Truncate(l.Path(), 3*4096) },
			[]string{"cut off", "1 to 25"}, 0, true},
		"cut in half": {func(t *testing.T, l *ledger.Ledger) { os.Truncate(l.Path(), int64(len(read(t, l.Path()))/2)) },
			[]string{"ledger.db"}, 0, true},
		"cut to a byte": {func(t *testing.T, l *ledger.Ledger) { os.Truncate(l.Path(), 1) },
			[]string{"not readable", "1 to 25"}, 0, true},
		"not a database": {func(t *testing.T, l *ledger.Ledger) {
			write(t, l.Path(), bytes.Repeat([]byte("text"), 8192))
		},
			[]string{"not readable", "1 to 25"}, 0, true},
		"another database": {func(t *testing.T, l *ledger.Ledger) {
			os.Remove(l.Path())
			meddle(t, l, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("x")); return err })
		}, []string{"not a ledger"}, 0, true},
		"zeroed inner pages": {func(t *testing.T, l *ledger.Ledger) {
			b := read(t, l.Path())
			clear(b[2*4096:])
			write(t, l.Path(), b)
		}, []string{"ledger.db"}, 0, true},
		"newest meta page": {func(t *testing.T, l *ledger.Ledger) {
			b := read(t, l.Path())

			newest := 0 // of the two, by transaction number
			if binary.LittleEndian.Uint64(b[4096+16+48:]) > binary.LittleEndian.Uint64(b[16+48:]) {
				newest = 4096
			}
			b[newest+16+20] ^= 1
			write(t, l.Path(), b)
		}, []string{"rolled back", "record 25 is lost"}, 25, true},
		"older file": {func(t *testing.T, l *ledger.Ledger) {
			old := read(t, l.Path())
			grow(t, l, 5, 5)
			write(t, l.Path(), old)
		}, []string{"rolled back", "records 26 to 30 are lost"}, 26, true},
		"other history": {func(t *testing.T, l *ledger.Ledger) {
			old, oldHead := read(t, l.Path()), read(t, anchorOf(l))
			grow(t, l, 5, 5)
			anchored := read(t, anchorOf(l))
			write(t, l.Path(), old)
			write(t, anchorOf(l), oldHead)
			put(t, l, experiment(5, "something else", "")...)
			grow(t, l, 6, 6)
			write(t, anchorOf(l), anchored)
		}, []string{"record 30 is not the one"}, 30, true},
		"garbled anchor": {func(t *testing.T, l *ledger.Ledger) { write(t, anchorOf(l), []byte("x")) },
			[]string{"ledger.head"}, 0, true},
		"removed anchor": {func(t *testing.T, l *ledger.Ledger) { os.Remove(anchorOf(l)) },
			[]string{"ledger.head is missing", "1 to 25 are intact"}, 0, false},
		"changed index": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error {
				b := bucket(tx, "experiments")

				k := append([]byte(camp+"\x00"), key(2)...)

				return b.Put(k, bytes.Replace(b.Get(k), []byte("regressed"), []byte("improved"), 1))
			})
		}, []string{"index experiments", camp + " 2"}, 0, false},
		"bit in the campaign's state": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error {
				b := bucket(tx, "campaigns")
				k := []byte(camp + "\x00")

				return b.Put(k, bytes.Replace(b.Get(k), []byte(`"incumbent":"start"`), []byte(`"incumbent":"stars"`),
					1))
			})
		}, []string{"index campaigns"}, 0, true},
		"added to an index": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error {
				return bucket(tx, "judged").Put([]byte(camp+"\x00start\x00tree\x00"), key(2))
			})
		}, []string{"index judged", "follows from no record", "start tree"}, 0, false},
		"removed from an index": {func(t *testing.T, l *ledger.Ledger) {
			meddle(t, l, func(tx *bbolt.Tx) error {
				k, _ := bucket(tx, "text").Cursor().Last()
				return bucket(tx, "text").Delete(k)
			})
		}, []string{"index text lacks"}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := intact(t)
			c.do(t, l)
			rep, err := l.Verify(t.Context())
			wantError(t, err, research.CodeLedger, c.parts...)

			if rep.Bad != c.bad {
				t.Errorf("first bad record %d, want %d (%v)", rep.Bad, c.bad, err)
			}
			before, _ := os.ReadFile(l.Path())

			err = l.Update(t.Context(), func(tx *ledger.Tx) error { _, err := tx.Campaign(camp); return err })
			if (err != nil) != c.view {
				t.Errorf("Update: %v, want an error: %v", err, c.view)
			}

			if c.view {
				wantError(t, err, research.CodeLedger)

				if after, _ := os.ReadFile(l.Path()); !bytes.Equal(before, after) {
					t.Error("a refused call changed the file")
				}
			}
		})
	}
}

// Whatever bit of the file flips: no panic, and either an error, or nothing of
// what the records say has changed.
func TestAnyBit(t *testing.T) {
	l := intact(t)

	want, err := l.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good := read(t, l.Path())
	var noticed, harmless int

	step := 397
	if testing.Short() {
		step = 1201
	}

	for at := 5; at < len(good); at += step {
		b := bytes.Clone(good)
		b[at] ^= 1 << (at % 8)
		write(t, l.Path(), b)

		rep, err := l.Verify(t.Context())
		switch {
		case err != nil:
			wantError(t, err, research.CodeLedger)

			noticed++
		case rep != want:
			t.Errorf("byte %d: %+v, want %+v", at, rep, want)
		default:
			harmless++
		}
	}

	if noticed == 0 || harmless == 0 {
		t.Errorf("%d flips noticed, %d harmless: the test does not reach both", noticed, harmless)
	}
	t.Logf("%d flips noticed, %d harmless", noticed, harmless)
}

func TestMissingAnchorHeals(t *testing.T) {
	l := intact(t)
	if err := os.Remove(anchorOf(l)); err != nil {
		t.Fatal(err)
	}
	put(t, l, proposal(5, "next"))

	if rep, err := l.Verify(t.Context()); err != nil || rep.Anchor != head+1 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// A process that died between the commit and the anchor leaves the anchor
// behind; the next call that may write brings it up, even one that only
// repeats what was done.
func TestAnchorBehindHeals(t *testing.T) {
	l := intact(t)
	old := read(t, anchorOf(l))
	e := proposal(5, "next")
	e.Key = "k"
	put(t, l, e)
	write(t, anchorOf(l), old)

	if rep, err := l.Verify(t.Context()); err != nil || rep.Anchor != head || rep.Records != head+1 {
		t.Errorf("behind: %+v, %v", rep, err)
	}
	put(t, l, e)

	if rep, err := l.Verify(t.Context()); err != nil || rep.Anchor != head+1 || rep.Records != head+1 {
		t.Errorf("healed: %+v, %v", rep, err)
	}
}

// A write of the anchor that was torn leaves the other slot.
func TestTornAnchor(t *testing.T) {
	l := intact(t)
	b := read(t, anchorOf(l))

	newest := 0
	if bytes.Contains(b[4096:], fmt.Appendf(nil, `"seq":%d,`, head)) {
		newest = 4096
	}
	b[newest+30] ^= 1
	write(t, anchorOf(l), b)

	if rep, err := l.Verify(t.Context()); err != nil || rep.Anchor != head-1 {
		t.Errorf("%+v, %v", rep, err)
	}
	put(t, l, proposal(5, "next"))

	if rep, err := l.Verify(t.Context()); err != nil || rep.Anchor != head+1 {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestRebuild(t *testing.T) {
	l := intact(t)
	var good []byte
	dump := func() []byte {
		var out bytes.Buffer
		meddle(t, l, func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
				return b.ForEach(func(k, v []byte) error { fmt.Fprintf(&out, "%s %x %x\n", name, k, v); return nil })
			})
		})

		return out.Bytes()
	}
	good = dump()
	meddle(t, l, func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte("text")); err != nil {
			return err
		}

		return bucket(tx, "campaigns").Put([]byte(camp+"\x00"), []byte("{"))
	})

	if _, err := l.Verify(t.Context()); code(err) != research.CodeLedger {
		t.Fatalf("verify: %v", err)
	}

	if err := l.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}

	if !bytes.Equal(dump(), good) {
		t.Error("the rebuilt indexes differ from those that grew")
	}

	if _, err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
