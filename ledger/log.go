package ledger

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// Log is where the records of a ledger are shared by several machines. Each of
// them has a Ledger with Options.Log set, whose bbolt file is its replica: the
// log says what was recorded, and in which order, and the replica answers reads.
//
// A Log is used by many goroutines and processes at once. A method that fails
// returns the error as it is, the ledger gives it a code. The methods end soon
// after ctx does, with an error that wraps ctx's. logtest.TestLog holds an
// implementation to all of this.
type Log interface {
	// Head is the newest record, the zero Head of an empty log. It is never older
	// than an Append that returned before Head was called, on whichever machine.
	Head(ctx context.Context) (Head, error)

	// Append adds records after the head that the caller knows: all of them or none,
	// durably before it returns nil. The records follow each other and after.
	//
	// It returns ErrLogMoved, and adds nothing, if after is not the head. If these
	// very records stand after it already it returns nil, so that an append whose
	// outcome is unknown can be repeated. No records: it only compares the head.
	// After any other error, ctx's end included, the records may be in the log.
	Append(ctx context.Context, after Head, records []LogRecord) error

	// Read calls visit with every record from sequence from on, at least 1, in
	// ascending order and without a gap, up to the head at the time of the call or a
	// newer one. Nothing is there to read behind the head, which is not an error. stored
	// is visit's to keep. An error of visit ends Read, which returns it as it is.
	// Others may append meanwhile, visit included.
	Read(ctx context.Context, from uint64, visit func(stored []byte) error) error
}

// Head names the newest record; the zero Head is that of nothing recorded.
type Head struct {
	Seq  uint64
	Hash string
}

// LogRecord is one record for a Log. A log keeps the bytes and never encodes a
// record again: the hash is of these very bytes.
type LogRecord struct {
	Head
	Stored []byte // one line of JSON without its newline, as Stream gives it
}

// ErrLogMoved is Log.Append's answer when somebody else appended meanwhile.
var ErrLogMoved = errors.New("the log has moved on")

const (
	// maxLogTries is how often a transaction's function is called when others
	// append to the log at the same time. A conflict means that somebody else's
	// append went through, so the machines together always get on.
	maxLogTries = 50

	// maxLogPause bounds the pause between two tries. All tries together stay far
	// below the patience of those who wait for the replica's lock.
	maxLogPause = 100 * time.Millisecond

	nextLogDamage = "find out which of the two is right: restore the log from its backup, or move the replica's files away, which the next call then derives again from the log; nothing was rewritten"
	nextLogAccess = "restore access to the shared log, then repeat the call: what it took already is found by its key"
)

// logError is an error of the log as a coded one.
func logError(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return research.Errorf(research.CodeCancelled, "repeat the call: what the log took already is found by its key",
			"the caller gave up during the attempt to %s: %w", doing, err)
	}

	return research.Errorf(research.CodeStorage, nextLogAccess, "can't %s: %w", doing, err)
}

// refresh brings the replica to the log's head if its anchor stands elsewhere.
func (l *Ledger) refresh(ctx context.Context) error {
	head, err := l.log.Head(ctx)
	if err != nil {
		return logError(ctx, "read the shared log", err)
	}

	a, err := readAnchor(l.file(l.anchorName()))
	if err != nil {
		return err
	}

	if a == nil && head == (Head{}) || a != nil && head == (Head{a.Seq, a.Hash}) {
		return nil
	}

	return l.transact(ctx, writing, func(*Tx) error { return nil })
}

// catchUp copies what t's file lacks of the log, and commits it before anything
// else is done: a function that fails or runs again has not to copy it again. It
// returns a transaction of the same store, t itself if nothing was lacking.
func (l *Ledger) catchUp(ctx context.Context, tx *Tx) (*Tx, error) {
	head, err := l.log.Head(ctx)
	if err != nil {
		return nil, logError(ctx, "read the shared log", err)
	}

	switch {
	case head.Seq < tx.seq:
		return nil, damageError(nextLogDamage,
			"%s is ahead of the shared log: it ends at record %d, the log at record %d", l.path, tx.seq, head.Seq)
	case head.Seq == tx.seq && head.Hash != tx.hash:
		return nil, damageError(nextLogDamage, "%s differs from the shared log: record %d differs there",
			l.path, tx.seq)
	}

	for tx.seq < head.Seq {
		if err := l.copyFromLog(ctx, tx); err != nil {
			return nil, err
		}

		l.advance("reading the shared log", tx.seq, max(tx.seq, head.Seq))

		if err := l.makeDurable(ctx, tx); err != nil {
			return nil, err
		}

		tx.s.reset()

		if tx, err = l.beginTx(tx.s, writing); err != nil {
			return nil, err
		}
	}

	return tx, nil
}

// copyFromLog appends the log's next records to the replica, recordsPerCommit at most.
func (l *Ledger) copyFromLog(ctx context.Context, tx *Tx) error {
	check := formatCheck{s: tx.s, version: l.version}
	first := tx.seq + 1
	var refused error

	tx.index.beginBatch()

	err := l.log.Read(ctx, first, func(stored []byte) error {
		if refused = tx.copyRecord(check, stored); refused != nil {
			return refused
		}

		if tx.seq-first+1 >= recordsPerCommit {
			return ErrStop
		}

		return nil
	})

	switch {
	case refused != nil:
		return refused
	case err != nil && !errors.Is(err, ErrStop):
		return logError(ctx, "read the shared log", err)
	case !tx.appended:
		return damageError(nextLogDamage, "the shared log lacks record %d, which lies before its head", first)
	}

	return tx.index.flushBatch()
}

// copyRecord appends a record as the log has it, if it follows t's head.
func (t *Tx) copyRecord(check formatCheck, stored []byte) error {
	seq := t.seq + 1

	rec, err := checkNext(seq, t.hash, []byte(bigEndian(seq)), stored)
	switch {
	case err != nil:
		return damageError(nextLogDamage, "the shared log differs from %s: %w", t.s.path, err)
	case rec.Prev != t.hash: // of the first record, which has none before it
		return damageError(nextLogDamage, "record %d of the shared log does not begin it", seq)
	}

	if err := check.refuseUnknownKind(rec); err != nil {
		return err
	}

	if err := t.s.put(bucketRecords, bigEndian(seq), stored); err != nil {
		return storageError("copy a record of the shared log", err)
	}

	if err := t.index.indexRecord(rec); err != nil {
		return damageError(nextLogDamage, "record %d of the shared log contradicts those before it: %w", seq, err)
	}

	t.seq, t.hash, t.appended = seq, rec.Hash, true

	return nil
}

// publish appends what t appended to the log, after the head that t began with:
// ErrLogMoved if that is not the log's any more. From then on the records hold,
// even if this process dies before the replica's commit: the next transaction of
// any replica finds them in the log.
func (l *Ledger) publish(ctx context.Context, tx *Tx, after Head) error {
	if ctx.Err() != nil {
		return cancelledError(ctx)
	}

	err := l.log.Append(ctx, after, tx.unpublished)
	if err == nil || errors.Is(err, ErrLogMoved) {
		return err
	}

	return logError(ctx, "append to the shared log", err)
}

// keepForLog remembers a record that was appended, if there is a log to publish it to.
func (t *Tx) keepForLog(rec history.Record, stored []byte) {
	if t.shared {
		t.unpublished = append(t.unpublished, LogRecord{Head{rec.Seq, rec.Hash}, stored})
	}
}

// awaitRetry waits a little, a random time that grows with the tries, after the log
// has moved under a transaction. Errors: research.CodeConflict after too many
// tries, CodeCancelled when ctx ends.
func awaitRetry(ctx context.Context, tries int) error {
	if tries >= maxLogTries {
		return research.Errorf(research.CodeConflict, "repeat the call; nothing was written",
			"others appended to the shared log in each of %d tries", tries)
	}

	pause := time.NewTimer(rand.N(min(time.Duration(tries)*time.Millisecond, maxLogPause)))
	defer pause.Stop()

	select {
	case <-ctx.Done():
		return cancelledError(ctx)
	case <-pause.C:
		return nil
	}
}
