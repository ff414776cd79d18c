package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"ratchet/internal/research/history"
)

// recordsPerCommit is how many records are folded into a copy in one transaction.
const recordsPerCommit = 2000

const secondCopy = "write a second copy of the indexes" // in errors

// Report is what Verify found.
type Report struct {
	Records   uint64 `json:"records"`   // checked, from the first on
	Head      string `json:"head"`      // hash of the newest record checked
	Anchor    uint64 `json:"anchor"`    // sequence that the anchor vouches for
	Anchored  bool   `json:"anchored"`  // an anchor exists
	Campaigns int    `json:"campaigns"` // only of an intact ledger
	Indexed   int    `json:"indexed"`   // index entries compared
	Bad       uint64 `json:"bad"`       // first bad record, 0 if none
}

// Verify checks every record, the chain, the anchor, and every index entry
// against one that is folded again. It stops at the first thing that is wrong and
// returns what it found until then and a research.CodeLedger error; a missing
// anchor is one too, and looked for last. Others can use the ledger meanwhile, but
// not during the comparison at the end (some seconds at 100,000 experiments). It
// needs disk space for a second copy of the indexes.
func (l *Ledger) Verify(ctx context.Context) (Report, error) {
	var rep Report

	v, err := newVerifier(l.dir)
	if err != nil {
		return rep, err
	}
	defer v.copy.close()

	for done := false; !done && err == nil; {
		var page [][]byte
		var head uint64

		// The ledger is locked while a page is copied, and for the comparison.
		err = l.transact(ctx, inspecting, func(tx *Tx) (err error) {
			rep.Anchor, rep.Anchored = tx.anchoredSeq(), tx.anchor != nil

			done = v.next > tx.seq
			if done {
				return v.compareIndexes(tx, &rep)
			}

			v.bad, head = v.next, tx.seq
			page, err = tx.copyPage(v.next)

			return err
		})

		if err == nil && !done {
			err = v.foldPage(page, &rep)
			l.advance("checking", rep.Records, head)
		}
	}

	if err != nil {
		rep.Bad = v.bad
		return rep, err
	}

	if !rep.Anchored && rep.Records > 0 {
		return rep, damageError(
			"compare the head with the trailer of the last keep commit; the next append writes a new anchor",
			"%s is missing: records 1 to %d are intact, but whether later ones were removed can't be told",
			l.file(l.anchorName()), rep.Records)
	}

	return rep, nil
}

// verifier folds the records into a second set of indexes.
type verifier struct {
	copy  *store
	index *indexer // of copy
	next  uint64   // record to read
	hash  string   // of the one before
	bad   uint64   // the record that is wrong, if one is
}

// newVerifier opens an index-only ledger in a file without a name.
func newVerifier(dir string) (*verifier, error) {
	file, err := os.CreateTemp(dir, "verify-*.db")
	if err != nil {
		return nil, storageError(secondCopy, err)
	}

	file.Close()
	defer os.Remove(file.Name()) // an open file outlives its name; where not, it is left

	s, err := openUnsynced(file.Name())
	if err != nil {
		return nil, storageError(secondCopy, err)
	}

	v := &verifier{copy: s, index: &indexer{s: s}, next: 1}
	v.index.beginBatch()

	return v, nil
}

// openUnsynced opens a new file for writing that no crash must survive.
func openUnsynced(path string) (*store, error) {
	s := &store{path: path}
	var err error

	s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true, NoStatistics: true})
	if err == nil {
		err = s.db.Update(makeBuckets)
	}

	if err == nil {
		s.tx, err = s.db.Begin(true)
	}

	if err != nil {
		s.close()
		return nil, err
	}

	return s, nil
}

// foldPage checks and folds one page, without the ledger's lock.
func (v *verifier) foldPage(page [][]byte, rep *Report) error {
	for _, stored := range page {
		v.bad = v.next

		rec, err := checkNext(v.next, v.hash, []byte(bigEndian(v.next)), stored)
		if err != nil {
			return err
		}

		if rec.Prev != v.hash {
			return damageError(nextRestore, "record %d does not follow record %d: one of them was replaced",
				rec.Seq, rec.Seq-1)
		}

		if err := v.indexRecord(rec); err != nil {
			return err
		}

		v.next, v.hash, v.bad = rec.Seq+1, rec.Hash, 0
		rep.Records, rep.Head = rec.Seq, rec.Hash
	}

	return nil
}

// indexRecord folds one record into the copy.
func (v *verifier) indexRecord(rec history.Record) error {
	if err := v.index.indexRecord(rec); err != nil {
		return damageError(nextRestore, "record %d contradicts those before it: %w", rec.Seq, err)
	}

	if rec.Seq%recordsPerCommit == 0 {
		return v.copy.flush(secondCopy)
	}

	return nil
}

// compareIndexes compares all indexes with the copy, once all records are folded.
func (v *verifier) compareIndexes(tx *Tx, rep *Report) error {
	if tx.headError != nil {
		v.bad = min(v.next, tx.anchoredSeq())
		return tx.headError
	}

	if err := v.index.flushBatch(); err != nil {
		return err
	}

	for _, name := range indexes {
		n, err := compareIndex(name, tx.s, v.copy)
		rep.Indexed += n

		if err != nil {
			return err
		}
	}

	all, err := tx.Campaigns()
	rep.Campaigns = len(all)

	return err
}

// compareIndex walks an index and its copy side by side, and returns how many
// entries were alike.
func compareIndex(name string, have, want *store) (alike int, err error) {
	stored, derived := newCursor(have, name), newCursor(want, name)

	for ; stored.key != nil || derived.key != nil; alike++ {
		var difference string

		switch order := stored.compareKey(derived); {
		case order < 0:
			difference = "has an entry that follows from no record: " + readableKey(stored.key)
		case order > 0:
			difference = "lacks the entry " + readableKey(derived.key)
		case !bytes.Equal(stored.value, derived.value) && !bytes.Equal(reencode(name, stored.value), derived.value):
			difference = "does not say what the records say in the entry " + readableKey(stored.key)
		}

		if difference != "" {
			return alike, damageError(nextRebuild, "the index %s %s", name, difference)
		}

		stored.nextRecord()
		derived.nextRecord()
	}

	return alike, nil
}

// cursor walks over one bucket; key is nil at its end.
type cursor struct {
	s          *store
	bolt       *bbolt.Cursor
	key, value []byte
}

func newCursor(s *store, bucket string) *cursor {
	c := &cursor{s: s}
	if s.tx == nil {
		return c
	}

	s.inside = true
	if b := s.tx.Bucket([]byte(bucket)); b != nil {
		c.bolt = b.Cursor()
		k, v := c.bolt.First()
		c.key, c.value = bytes.Clone(k), bytes.Clone(v)
	}
	s.inside = false

	return c
}

func (c *cursor) nextRecord() {
	c.s.inside = true
	k, v := c.bolt.Next()
	c.key, c.value = bytes.Clone(k), bytes.Clone(v)
	c.s.inside = false
}

// compareKey orders cursors by their keys; one at its end comes last.
func (c *cursor) compareKey(other *cursor) int {
	switch {
	case c.key == nil && other.key == nil:
		return 0
	case c.key == nil:
		return 1
	case other.key == nil:
		return -1
	}

	return bytes.Compare(c.key, other.key)
}

// readableKey shows a key in an error: its parts, and the number that may end it.
func readableKey(key []byte) string {
	text := string(key)
	if n := len(key) - 8; n >= 0 && key[len(key)-1] != 0 {
		text = string(key[:n]) + strconv.Itoa(trailingInt(key))
	}

	return strings.ToValidUTF8(strings.TrimRight(strings.ReplaceAll(text, "\x00", " "), " "), "?")
}

// reencode is a stored state as this version would write it: an older version's
// lacks the fields that were added since.
func reencode(bucket string, stored []byte) []byte {
	state := history.Index(bucket).NewState()
	if state == nil || decode(bucket, stored, state) != nil {
		return stored
	}

	b, _ := json.Marshal(state)

	return append(checksum(b), b...)
}

// Rebuild derives all indexes from the records again, in one transaction. It is
// for indexes that Verify found wrong; the records are only read.
func (l *Ledger) Rebuild(ctx context.Context) error {
	return l.transact(ctx, repairing, l.rebuild)
}

// rebuild folds into a second copy of the indexes and then moves it over, in
// the order of its keys: bbolt takes quadratic time for many keys in any order.
func (l *Ledger) rebuild(tx *Tx) error {
	v, err := newVerifier(l.dir)
	if err != nil {
		return err
	}
	defer v.copy.close()
	tx.appended = tx.seq > 0 // so that the transaction is committed
	check := formatCheck{s: tx.s, version: l.version}

	err = tx.Records(1, func(rec history.Record) error {
		if err := check.refuseUnknownKind(rec); err != nil {
			return err
		}

		if rec.Seq%pageRecords == 0 {
			l.advance("deriving the indexes", rec.Seq, tx.seq)
		}

		return v.indexRecord(rec)
	})
	if err := firstError(err, v.index.flushBatch()); err != nil {
		return err
	}

	for _, name := range indexes {
		if err := tx.s.clearBucket(name); err != nil {
			return err
		}

		for entry := newCursor(v.copy, name); entry.key != nil; entry.nextRecord() {
			if err := tx.s.put(name, string(entry.key), entry.value); err != nil {
				return err
			}
		}
	}

	return nil
}

// clearBucket empties an index, or creates it.
func (s *store) clearBucket(bucket string) error {
	if s.tx == nil {
		return nil
	}
	s.inside = true

	err := s.tx.DeleteBucket([]byte(bucket))
	if err == nil || errors.Is(err, berrors.ErrBucketNotFound) {
		_, err = s.tx.CreateBucket([]byte(bucket))
	}
	s.inside = false

	return err
}
