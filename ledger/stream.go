package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"ratchet/internal/research/history"
)

// A page is what is copied while the ledger is locked.
const (
	pageRecords = 256
	pageBytes   = 256 << 10
)

// Stream calls f with every record from sequence from on, up to the newest at
// the time of the call, in order, each checked against its own hash and its
// predecessor's. stored is the record's line as it is kept, without a newline,
// and f's to keep. The ledger is locked while a page is copied (a millisecond or
// so), not while f runs. f ends it early with ErrStop (no error) or another
// error (returned).
func (l *Ledger) Stream(ctx context.Context, from uint64, f func(rec history.Record, stored []byte) error) error {
	next := max(from, 1)
	head, prev := uint64(0), ""

	for {
		page, newest, err := l.readPage(ctx, next)
		if err != nil {
			return err
		}

		if head == 0 { // what is appended from now on is not read
			head = newest
		}

		for _, stored := range page {
			if next > head {
				return nil
			}

			rec, err := checkNext(next, prev, []byte(bigEndian(next)), stored)
			if err == nil {
				err = f(rec, stored)
			}

			if err != nil {
				return ignoreStop(err)
			}

			next, prev = next+1, rec.Hash
		}

		l.advance("reading", next-1, head)

		if next > head {
			return nil
		}
	}
}

// readPage copies some records from sequence from on, and the head's sequence.
func (l *Ledger) readPage(ctx context.Context, from uint64) (page [][]byte, head uint64, err error) {
	err = l.View(ctx, func(t *Tx) error {
		head = t.seq
		page, err = t.copyPage(from)

		return err
	})

	return page, head, err
}

// copyPage copies some records from sequence from on: none only after the head.
func (t *Tx) copyPage(from uint64) (page [][]byte, err error) {
	size, next := 0, from

	t.s.scan(bucketRecords, "", bigEndian(from), func(k, stored []byte) bool {
		if trailingNumber(k) != next || len(k) != 8 {
			return false
		}

		page = append(page, stored)
		size += len(stored)
		next++

		return len(page) < pageRecords && size < pageBytes
	})

	if len(page) == 0 && from <= t.seq {
		err = damageError(nextRestore, "record %d is missing", from)
	}

	return page, err
}

func ignoreStop(err error) error {
	if errors.Is(err, ErrStop) {
		return nil
	}

	return err
}

// Chain is what CheckChain found.
type Chain struct {
	Records int    `json:"records"`
	From    uint64 `json:"from"` // sequence of the first one
	To      uint64 `json:"to"`
	Head    string `json:"head"` // hash of the last one
	// Gaps counts places where a record does not follow the one before it in the
	// file: records of other campaigns were left out.
	Gaps int `json:"gaps"`
}

// CheckChain reads exported lines (Stream's, each ended by a newline) and checks
// every record against its own hash and, where the one before it is there too,
// against that. An altered, repeated or misplaced line is a
// research.CodeLedger error that names the line.
func CheckChain(input io.Reader) (Chain, error) {
	var c Chain

	in := bufio.NewReaderSize(input, 1<<16)
	for line := 1; ; line++ {
		stored, err := in.ReadBytes('\n')
		if err == io.EOF && len(stored) == 0 {
			return c, nil
		}

		if err != nil && err != io.EOF {
			return c, fmt.Errorf("read line %d: %w", line, err)
		}

		if err := c.addRecord(bytes.TrimRight(stored, "\r\n")); err != nil {
			return c, damageError("export the records again", "line %d: %w", line, err)
		}
	}
}

// addRecord checks one line against itself and the one before it.
func (c *Chain) addRecord(stored []byte) error {
	if _, err := checkSeal(stored); err != nil {
		return err
	}

	var rec history.Record
	if err := json.Unmarshal(stored, &rec); err != nil {
		return fmt.Errorf("it can't be decoded: %w", err)
	}

	switch {
	case c.Records > 0 && rec.Seq <= c.To:
		return fmt.Errorf("record %d stands after record %d", rec.Seq, c.To)
	case c.Records > 0 && rec.Seq == c.To+1 && rec.Prev != c.Head:
		return fmt.Errorf("record %d does not follow record %d: one of them was replaced", rec.Seq, c.To)
	case c.Records > 0 && rec.Seq != c.To+1:
		c.Gaps++
	case c.Records == 0:
		c.From = rec.Seq
	}

	c.Records++
	c.To, c.Head = rec.Seq, rec.Hash

	return nil
}
