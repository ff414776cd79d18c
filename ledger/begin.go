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

// beginTx opens the file, creating it for the first append, and refuses what is
// not the ledger that was acknowledged. Its cost does not grow with the ledger.
func (l *Ledger) beginTx(s *store, m mode) (*Tx, error) {
	last, err := readAnchor(l.file(l.anchorName()))
	if err != nil {
		return nil, err
	}
	tx := &Tx{s: s, index: &indexer{s: s}, write: m.writes(), now: l.now, anchor: last, shared: l.log != nil}

	info, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && tx.anchoredSeq() > 0:
		return nil, damageError(nextLost, "%s is missing%s", l.path, lostRecords(tx.anchoredSeq()))
	case errors.Is(err, fs.ErrNotExist) && !m.writes():
		return tx, nil // nothing was ever appended
	case errors.Is(err, fs.ErrNotExist):
		if err := l.createFile(tx); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, storageError("look at the ledger", err)
	case info.Size() == 0:
		return nil, damageError(nextLost, "%s has been emptied%s", l.path, lostRecords(tx.anchoredSeq()))
	}

	if err := s.open(m.writes()); err != nil {
		return nil, openError(l.path, tx.anchoredSeq(), err)
	}

	return tx, l.checkFile(tx, m)
}

// createFile makes an empty ledger. It appears under its name only when it is
// complete and has an anchor, so an empty or half-made file is never ours.
func (l *Ledger) createFile(tx *Tx) error {
	tmp := l.path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storageError("remove a half-made ledger", err)
	}

	db, err := bbolt.Open(tmp, 0o600, &bbolt.Options{Timeout: openTimeout})
	if err == nil {
		err = errors.Join(db.Update(makeBuckets), db.Close())
	}

	if err != nil {
		return storageError("create the ledger", err)
	}

	if tx.anchor == nil {
		if err := writeAnchor(l.file(l.anchorName()), anchor{}, nil); err != nil {
			return err
		}
		tx.anchor = &anchor{}
	}

	err = fault.At("ledger.create", func() error { return os.Rename(tmp, l.path) })
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(l.path))
	}

	if err != nil {
		return storageError("create the ledger", err)
	}

	return nil
}

// checkFile compares the opened file with itself and with the anchor.
func (l *Ledger) checkFile(tx *Tx, m mode) error {
	if err := tx.s.checkSize(tx.anchoredSeq()); err != nil {
		return err
	}

	check := formatCheck{s: tx.s, version: l.version}
	if err := check.checkFormat(m); err != nil {
		return err
	}

	err := firstError(readHead(tx), checkAnchor(tx))
	if m == inspecting {
		tx.headError, err = err, nil
	}

	return err
}

// readHead reads the newest record, which every append builds on.
func readHead(tx *Tx) error {
	key, last := tx.s.last(bucketRecords)
	if key == nil {
		return nil
	}

	var err error
	tx.seq = trailingNumber(key)

	if tx.hash, err = checkSeal(last); err != nil || len(key) != 8 {
		return damageError(nextRestore, "the newest record, %d, was altered: %w", tx.seq, err)
	}

	return nil
}

// checkAnchor refuses a file that lacks what was acknowledged. A file that is
// ahead of the anchor is fine: a process died between the two.
func checkAnchor(tx *Tx) error {
	seq := tx.anchoredSeq()
	switch {
	case seq == 0:
		return nil
	case tx.seq < seq:
		return damageError(nextRestore, "%s was rolled back: it ends at record %d, but record %d was written; %s lost",
			tx.s.path, tx.seq, seq, recordSpan(tx.seq+1, seq))
	}

	hash, err := checkSeal(tx.s.get(bucketRecords, bigEndian(seq)))
	if err != nil {
		return damageError(nextRestore, "record %d was altered: %w", seq, err)
	}

	if hash != tx.anchor.Hash {
		return damageError(nextRestore, "record %d is not the one that was written: the ledger's history was replaced",
			seq)
	}

	return nil
}

// recordSpan names records for an error's sentence.
func recordSpan(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("record %d is", from)
	}

	return fmt.Sprintf("records %d to %d are", from, to)
}
