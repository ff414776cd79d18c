package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// ErrStop ends Records early, without an error.
var ErrStop = errors.New("stop")

// Tx is the ledger inside View or Update. It sees what it appended itself. It
// is for one goroutine, and for the duration of the call only.
type Tx struct {
	s         *store
	index     *indexer // of s; nil where nothing is appended
	write     bool
	now       func() time.Time
	anchor    *anchor
	seq       uint64 // of the head
	hash      string
	appended  bool
	headError error // what is wrong with the head, when inspecting
	failed    error // an append that failed: nothing of this transaction will be written

	shared      bool        // the ledger has a Log
	unpublished []LogRecord // appended here and not yet to the Log
}

// anchoredSeq is the last acknowledged sequence, as the anchor has it.
func (t *Tx) anchoredSeq() uint64 {
	if t.anchor == nil {
		return 0
	}

	return t.anchor.Seq
}

// Head is the newest record's sequence and hash; 0 and "" when there is none.
func (t *Tx) Head() (seq uint64, hash string) { return t.seq, t.hash }

// Append adds a record and updates the indexes; only inside Update. An entry
// with a Key that its campaign has already seen returns that record and adds
// nothing. An append that contradicts the state (a campaign begun twice, a
// number given twice, an experiment that was never proposed) is refused with
// research.CodeConflict, CodeNoCampaign or CodeNotFound. After any error the
// whole transaction fails.
func (t *Tx) Append(entry history.Entry) (history.Record, error) {
	if t.failed != nil {
		return history.Record{}, t.failed
	}

	rec, err := t.appendRecord(entry)
	if err != nil {
		t.failed = err
	}

	return rec, err
}

func (t *Tx) appendRecord(entry history.Entry) (history.Record, error) {
	if err := t.validateEntry(entry); err != nil {
		return history.Record{}, err
	}

	if entry.Key != "" {
		if seq := t.s.get(bucketKeys, keyPrefix(entry.Campaign, entry.Key)); seq != nil {
			return t.Record(trailingNumber(seq))
		}
	}

	rec, stored, err := t.composeRecord(entry)
	if err != nil {
		return rec, err
	}

	if err := t.s.put(bucketRecords, bigEndian(rec.Seq), stored); err != nil {
		return rec, fmt.Errorf("store record: %w", err)
	}

	if err := t.index.indexRecord(rec); err != nil {
		return rec, err
	}

	t.keepForLog(rec, stored)
	t.seq, t.hash, t.appended = rec.Seq, rec.Hash, true

	return rec, nil
}

// validateEntry refuses entries that could not be found again.
func (t *Tx) validateEntry(entry history.Entry) error {
	switch {
	case !t.write:
		return errors.New("append to a ledger that is open for reading")
	case (entry.Campaign == "") == history.IsOfCampaign(entry.Kind):
		return fmt.Errorf("append %s with the campaign %q", entry.Kind, entry.Campaign)
	case strings.ContainsRune(entry.Campaign+entry.Session+entry.Key, 0):
		return errors.New("append a record with a NUL in its campaign, session or key")
	}

	return nil
}

// composeRecord makes the next record of an entry, and its stored bytes.
func (t *Tx) composeRecord(entry history.Entry) (history.Record, []byte, error) {
	body, err := json.Marshal(entry.Body)
	if err != nil {
		return history.Record{}, nil, fmt.Errorf("encode %s: %w", entry.Kind, err)
	}

	return sealRecord(history.Record{
		Seq: t.seq + 1, Time: t.now().UTC().Round(0), Campaign: entry.Campaign, Session: entry.Session,
		Kind: entry.Kind, Key: entry.Key, Body: body, Prev: t.hash,
	})
}

// Record returns one record after checking it against its own hash:
// research.CodeNotFound if there is none, CodeLedger if it was altered.
func (t *Tx) Record(seq uint64) (history.Record, error) {
	stored := t.s.get(bucketRecords, bigEndian(seq))
	switch {
	case stored == nil && seq >= 1 && seq <= t.seq:
		return history.Record{}, damageError(nextRestore, "record %d is missing", seq)
	case stored == nil:
		return history.Record{}, research.Errorf(research.CodeNotFound, fmt.Sprintf("the newest record is %d", t.seq),
			"there is no record %d", seq)
	}

	return unseal(seq, stored)
}

// Records calls f with every record from sequence from on, ascending, each
// checked against its own hash and its predecessor's, until f returns ErrStop
// (no error) or another error (returned).
func (t *Tx) Records(from uint64, f func(history.Record) error) error {
	next, prev := max(from, 1), ""
	var err error

	t.s.scan(bucketRecords, "", bigEndian(next), func(k, stored []byte) bool {
		var rec history.Record
		if rec, err = checkNext(next, prev, k, stored); err != nil {
			return false
		}

		next, prev = next+1, rec.Hash
		err = f(rec)

		return err == nil
	})

	if err == nil && next <= t.seq {
		err = damageError(nextRestore, "record %d is missing", next)
	}

	return ignoreStop(err)
}

// checkNext decodes the entry that must be record next, and the successor of the
// record with hash prev, if that is known.
func checkNext(next uint64, prev string, key, stored []byte) (history.Record, error) {
	if at := trailingNumber(key); at != next || len(key) != 8 {
		return history.Record{}, damageError(nextRestore, "record %d is missing", next)
	}

	rec, err := unseal(next, stored)
	if err == nil && prev != "" && rec.Prev != prev {
		err = damageError(nextRestore, "record %d does not follow record %d: one of them was replaced", next, next-1)
	}

	return rec, err
}

// trailingInt is a number of a key as an int.
func trailingInt(b []byte) int {
	n := trailingNumber(b)
	if n > math.MaxInt {
		return 0
	}

	return int(n)
}
