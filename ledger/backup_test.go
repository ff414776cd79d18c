package ledger_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// A backup that is made while others append is a ledger of its own: a prefix
// of the records, whole, with an anchor.
func TestBackupWhileOthersAppend(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	grow(t, l, 1, 200)
	before, _ := stored(t, l.Path())
	stop := make(chan bool)
	var appender sync.WaitGroup
	appended := 0
	appender.Go(func() {
		for n := 201; ; n++ {
			select {
			case <-stop:
				return
			default:
				put(t, l, experiment(n, hypothesis(n), "no gain")...)

				appended++
			}
		}
	})
	path := filepath.Join(t.TempDir(), "copy.db")
	rep, err := l.Backup(t.Context(), path)
	close(stop)
	appender.Wait()

	if err != nil || rep.Records < uint64(len(before)) || rep.Anchor != rep.Records {
		t.Fatalf("%+v, %v", rep, err)
	}
	t.Logf("%d experiments were appended meanwhile", appended)

	again, err := versioned(t, path, "").Verify(t.Context())
	if err != nil || again != rep {
		t.Errorf("the copy verifies as %+v, %v; want %+v", again, err, rep)
	}
	have, format := stored(t, path)

	all, _ := stored(t, l.Path())
	if format != "5" || len(have) != int(rep.Records) {
		t.Errorf("%d records of the format %q", len(have), format)
	}

	for i := range have {
		if !bytes.Equal(have[i], all[i]) {
			t.Fatalf("record %d was changed", i+1)
		}
	}

	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "copy.head")); err != nil {
		t.Error(err)
	}

	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 3 { // and the lock of the Verify above
		t.Errorf("left beside the backup: %v", left)
	}
	// It can be gone on with, and the original does not know.
	copied := open(t, path)
	put(t, copied, history.Entry{Campaign: camp, Kind: history.KindIdeaAdded,
		Body: history.Idea{N: 1, Text: "in the copy"}})

	if _, err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBackupRefuses(t *testing.T) {
	l := fresh(t)
	dir := t.TempDir()
	_, err := l.Backup(t.Context(), filepath.Join(dir, "a.db"))
	wantError(t, err, research.CodeNotFound, "nothing to back up")
	put(t, l, opening()...)

	for _, taken := range []string{"a.db", "b.head"} {
		write(t, filepath.Join(dir, taken), []byte("mine"))
		_, err := l.Backup(t.Context(), filepath.Join(dir, taken[:1]+".db"))
		wantError(t, err, research.CodeConflict, taken)

		if string(read(t, filepath.Join(dir, taken))) != "mine" {
			t.Errorf("%s was overwritten", taken)
		}
	}
	_, err = l.Backup(t.Context(), l.Path())
	wantError(t, err, research.CodeConflict)
	flip(t, l, 3, `"body"`, 9)
	_, err = l.Backup(t.Context(), filepath.Join(dir, "c.db"))
	wantError(t, err, research.CodeLedger, "record 3 was altered")

	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("a refused backup left %v", left)
	}
}

// A damaged index is not copied: the backup of intact records is intact.
func TestBackupOfADamagedIndex(t *testing.T) {
	l := intact(t)
	meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "experiments").Put([]byte("stray"), []byte("{")) })

	path := filepath.Join(t.TempDir(), "a.db")
	if rep, err := l.Backup(t.Context(), path); err != nil || rep.Records != head {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestBackupOutputs(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	dir := t.TempDir()
	var digests []string

	for _, text := range []string{"one", "two", "three"} {
		d, err := l.PutOutput([]byte(text))
		if err != nil {
			t.Fatal(err)
		}

		digests = append(digests, d)
	}
	write(t, filepath.Join(l.Dir(), "outputs", digests[2][:2], digests[2]), []byte("altered"))

	path := filepath.Join(dir, "a.db")
	for _, want := range []int{2, 0} { // the second time they are there
		if copied, left, err := l.BackupOutputs(path); copied != want || left != 1 || err != nil {
			t.Errorf("copied %d, left %d, %v", copied, left, err)
		}
	}

	if out, err := versioned(t, path, "").Output(digests[0]); string(out) != "one" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// Two ledgers in one folder don't meet.
func TestTwoLedgersInOneFolder(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, filepath.Join(dir, "a.db")), open(t, filepath.Join(dir, "b.db"))
	put(t, a, opening()...)
	put(t, a, proposal(1, "x"))
	put(t, b, opening()...)

	for _, l := range []*ledger.Ledger{a, b} {
		if _, err := l.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
