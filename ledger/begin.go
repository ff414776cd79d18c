package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"ratchet/internal/atomicfile"
	"ratchet/internal/fault"
)

// begin opens the file, creating it for the first append, and refuses what is
// not the ledger that was acknowledged. Its cost does not grow with the ledger.
func (l *Ledger) begin(s *store, m mode) (*Tx, error) {
	a, err := readAnchor(l.file(l.anchorName()))
	if err != nil {
		return nil, err
	}
	t := &Tx{s: s, write: m.writes(), now: l.now, anchor: a}

	info, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if t.anchored() > 0 {
			return nil, damaged(nextLost, "%s is missing%s", l.path, atStake(a.Seq))
		}

		if !m.writes() {
			return t, nil // nothing was ever appended
		}

		if err := l.create(t); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, storage("look at the ledger", err)
	case info.Size() == 0:
		return nil, damaged(nextLost, "%s has been emptied%s", l.path, atStake(t.anchored()))
	}

	if err := s.open(m.writes()); err != nil {
		return nil, opening(l.path, t.anchored(), err)
	}

	return t, l.check(t, m)
}

// create makes an empty ledger. It appears under its name only when it is
// complete and has an anchor, so an empty or half-made file is never ours.
func (l *Ledger) create(t *Tx) error {
	tmp := l.path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storage("remove a half-made ledger", err)
	}

	db, err := bbolt.Open(tmp, 0o600, &bbolt.Options{Timeout: openTimeout})
	if err == nil {
		err = errors.Join(db.Update(makeBuckets), db.Close())
	}

	if err != nil {
		return storage("create the ledger", err)
	}

	if t.anchor == nil {
		if err := writeAnchor(l.file(l.anchorName()), anchor{}, nil); err != nil {
			return err
		}
		t.anchor = &anchor{}
	}

	err = fault.At("ledger.create", func() error { return os.Rename(tmp, l.path) })
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(l.path))
	}

	if err != nil {
		return storage("create the ledger", err)
	}

	return nil
}

// check compares the opened file with itself and with the anchor.
func (l *Ledger) check(t *Tx, m mode) error {
	if err := t.s.checkSize(t.anchored()); err != nil {
		return err
	}

	if err := l.checkFormat(t.s, m); err != nil {
		return err
	}

	err := first(checkHead(t), checkAnchor(t))
	if m == inspecting {
		t.suspect, err = err, nil
	}

	return err
}

// checkHead reads the newest record, which every append builds on.
func checkHead(t *Tx) error {
	key, last := t.s.last(bucketRecords)
	if key == nil {
		return nil
	}
	var err error

	t.seq = number(key)
	if t.hash, err = sealOf(last); err != nil || len(key) != 8 {
		return damaged(nextRestore, "the newest record, %d, was altered: %w", t.seq, err)
	}

	return nil
}

// checkAnchor refuses a file that lacks what was acknowledged. A file that is
// ahead of the anchor is fine: a process died between the two.
func checkAnchor(t *Tx) error {
	a := t.anchored()
	switch {
	case a == 0:
		return nil
	case t.seq < a:
		return damaged(nextRestore, "%s was rolled back: it ends at record %d, but record %d was written; %s lost",
			t.s.path, t.seq, a, span(t.seq+1, a))
	}

	hash, err := sealOf(t.s.get(bucketRecords, bigEndian(a)))
	if err != nil {
		return damaged(nextRestore, "record %d was altered: %w", a, err)
	}

	if hash != t.anchor.Hash {
		return damaged(nextRestore, "record %d is another one than was written: the ledger's history was replaced", a)
	}

	return nil
}

// span names records for an error's sentence.
func span(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("record %d is", from)
	}

	return fmt.Sprintf("records %d to %d are", from, to)
}
