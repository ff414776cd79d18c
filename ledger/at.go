package ledger

import (
	"context"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// At calls f with the ledger as it stood at record seq: every state and index
// is derived again from the records up to there; those of the file are not read.
// It takes as long as a Verify, needs disk space for a second ledger, and blocks
// no other transaction. f must not append. Errors: research.CodeNotFound when
// the ledger is shorter, CodeLedger for damage, f's own.
func (l *Ledger) At(ctx context.Context, seq uint64, f func(*Tx) error) error {
	v, err := newVerifier(l.dir)
	if err != nil {
		return err
	}
	defer v.copy.close()

	err = l.Stream(ctx, 1, func(rec history.Record, stored []byte) error {
		if rec.Seq > seq {
			return ErrStop
		}

		if err := v.copy.put(bucketRecords, bigEndian(rec.Seq), stored); err != nil {
			return storageError(secondCopy, err)
		}
		v.hash, v.next = rec.Hash, rec.Seq+1

		return v.indexRecord(rec)
	})
	if err != nil {
		return err
	}

	if v.next != seq+1 {
		return research.Errorf(research.CodeNotFound, "name a record that it has",
			"the ledger ends at record %d, there is no record %d", v.next-1, seq)
	}

	if err := v.index.flushBatch(); err != nil {
		return err
	}

	return f(&Tx{s: v.copy, now: l.now, seq: seq, hash: v.hash})
}

// LessonRecords are the records of the newest lessons, newest first, at most limit.
func (t *Tx) LessonRecords(campaign string, limit int) ([]history.Record, error) {
	var lessons []history.Record

	for _, seq := range t.s.newestSeqs(bucketLessons, campaign, limit) {
		rec, err := t.Record(seq)
		if err != nil {
			return nil, err
		}
		lessons = append(lessons, rec)
	}

	return lessons, nil
}

// RunRecords are the places of a campaign's run.finished records, at most limit,
// by job and number: of one job, or of all ("").
func (t *Tx) RunRecords(campaign string, id research.JobID, limit int) []uint64 {
	pre := keyPrefix(campaign)
	if id != "" {
		pre = keyPrefix(campaign, string(id))
	}

	var seqs []uint64
	t.s.scan(bucketRuns, pre, pre, func(k, _ []byte) bool {
		seqs = append(seqs, trailingNumber(k))
		return len(seqs) < limit
	})

	return seqs
}
