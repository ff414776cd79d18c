// Package logtest holds every implementation of ledger.Log to the same contract.
package logtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// TestLog tests a Log; open makes an empty one and closes it when t ends.
func TestLog(t *testing.T, open func(t *testing.T) ledger.Log) {
	tests := []struct {
		name string
		run  func(t *testing.T, log ledger.Log)
	}{
		{"an empty log", testEmpty},
		{"appends in order", testOrder},
		{"a conflict adds nothing", testConflict},
		{"a conflict in the hash only", testOtherHash},
		{"the same append repeated", testRepeated},
		{"an append of nothing", testNoRecords},
		{"the visit's error", testVisitError},
		{"bytes are the reader's", testOwnBytes},
		{"read while others append", testReadWhileAppending},
		{"one of many appends wins", testRace},
		{"a cancelled context", testCancelled},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// patience is how long one test may take.
const patience = time.Minute

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)

	return ctx
}

// chain makes n records that follow after; by tells those of one writer from another's.
func chain(t *testing.T, after ledger.Head, n int, by string) []ledger.LogRecord {
	t.Helper()

	var records []ledger.LogRecord
	for range n {
		body, err := json.Marshal(map[string]string{"text": by})
		if err != nil {
			t.Fatal(err)
		}

		rec := history.Record{Seq: after.Seq + 1, Time: time.Unix(1, 0).UTC(), Campaign: "a", Kind: "test", Body: body,
			Prev: after.Hash}
		if rec.Hash, err = ledger.Hash(rec); err != nil {
			t.Fatal(err)
		}

		stored, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}

		after = ledger.Head{Seq: rec.Seq, Hash: rec.Hash}
		records = append(records, ledger.LogRecord{Head: after, Stored: stored})
	}

	return records
}

// mustAppend appends n new records and returns them.
func mustAppend(t *testing.T, log ledger.Log, after ledger.Head, n int, by string) []ledger.LogRecord {
	t.Helper()

	records := chain(t, after, n, by)
	if err := log.Append(testContext(t), after, records); err != nil {
		t.Fatalf("append %d records after record %d: %v", n, after.Seq, err)
	}

	return records
}

// wantHolds wants the log to hold exactly these records, from the first on.
func wantHolds(t *testing.T, log ledger.Log, want []ledger.LogRecord) {
	t.Helper()

	wantRead(t, log, 1, want)

	var newest ledger.Head
	if len(want) > 0 {
		newest = want[len(want)-1].Head
	}

	if head, err := log.Head(testContext(t)); err != nil || head != newest {
		t.Fatalf("the head is %v, %v; want %v", head, err, newest)
	}
}

func wantRead(t *testing.T, log ledger.Log, from uint64, want []ledger.LogRecord) {
	t.Helper()

	var got []string
	err := log.Read(testContext(t), from, func(stored []byte) error {
		got = append(got, string(stored))
		return nil
	})
	if err != nil {
		t.Fatalf("read from record %d: %v", from, err)
	}

	var lines []string
	for _, rec := range want {
		lines = append(lines, string(rec.Stored))
	}

	if !slices.Equal(got, lines) {
		t.Fatalf("from record %d on the log holds\n%q\nwant\n%q", from, got, lines)
	}
}

func testEmpty(t *testing.T, log ledger.Log) {
	wantHolds(t, log, nil)
	wantRead(t, log, 7, nil)
}

func testOrder(t *testing.T, log ledger.Log) {
	var all []ledger.LogRecord
	var head ledger.Head

	for _, n := range []int{1, 3, 1, 200} {
		all = append(all, mustAppend(t, log, head, n, "a")...)
		head = all[len(all)-1].Head
		wantHolds(t, log, all)
	}

	for _, from := range []int{1, 2, 4, len(all), len(all) + 1, len(all) + 100} {
		wantRead(t, log, uint64(from), all[min(from-1, len(all)):])
	}
}

func testConflict(t *testing.T, log ledger.Log) {
	all := mustAppend(t, log, ledger.Head{}, 3, "a")
	ahead := chain(t, all[2].Head, 2, "a")

	for _, after := range []ledger.Head{{}, all[0].Head, all[1].Head, ahead[0].Head} {
		err := log.Append(testContext(t), after, chain(t, after, 2, "b"))
		if !errors.Is(err, ledger.ErrLogMoved) {
			t.Errorf("append after record %d of 3: got %v, want ErrLogMoved", after.Seq, err)
		}
		wantHolds(t, log, all)
	}
}

func testOtherHash(t *testing.T, log ledger.Log) {
	all := mustAppend(t, log, ledger.Head{}, 2, "a")
	other := chain(t, ledger.Head{}, 2, "b")[1].Head

	if err := log.Append(testContext(t), other, chain(t, other, 1, "b")); !errors.Is(err, ledger.ErrLogMoved) {
		t.Errorf("append after another record 2: got %v, want ErrLogMoved", err)
	}
	wantHolds(t, log, all)
}

func testRepeated(t *testing.T, log ledger.Log) {
	first := mustAppend(t, log, ledger.Head{}, 2, "a")
	again := func(records []ledger.LogRecord, after ledger.Head) error {
		return log.Append(testContext(t), after, records)
	}

	if err := again(first, ledger.Head{}); err != nil {
		t.Errorf("repeat the newest append: %v", err)
	}
	wantHolds(t, log, first)

	all := slices.Concat(first, mustAppend(t, log, first[1].Head, 2, "a"))
	if err := again(first, ledger.Head{}); err != nil {
		t.Errorf("repeat an append that others followed: %v", err)
	}
	wantHolds(t, log, all)

	// Half of it is there, and the other half is not what is there.
	half := slices.Concat(first, chain(t, first[1].Head, 1, "b"))
	if err := again(half, ledger.Head{}); !errors.Is(err, ledger.ErrLogMoved) {
		t.Errorf("repeat an append with another end: got %v, want ErrLogMoved", err)
	}

	longer := slices.Concat(all, chain(t, all[3].Head, 1, "a"))
	if err := again(longer, ledger.Head{}); !errors.Is(err, ledger.ErrLogMoved) {
		t.Errorf("repeat an append with one more record: got %v, want ErrLogMoved", err)
	}
	wantHolds(t, log, all)
}

func testNoRecords(t *testing.T, log ledger.Log) {
	if err := log.Append(testContext(t), ledger.Head{}, nil); err != nil {
		t.Errorf("append nothing to an empty log: %v", err)
	}

	all := mustAppend(t, log, ledger.Head{}, 2, "a")
	if err := log.Append(testContext(t), all[1].Head, nil); err != nil {
		t.Errorf("append nothing after the head: %v", err)
	}

	if err := log.Append(testContext(t), all[0].Head, nil); !errors.Is(err, ledger.ErrLogMoved) {
		t.Errorf("append nothing after an older record: got %v, want ErrLogMoved", err)
	}
	wantHolds(t, log, all)
}

func testVisitError(t *testing.T, log ledger.Log) {
	mustAppend(t, log, ledger.Head{}, 3, "a")

	calls := 0
	err := log.Read(testContext(t), 1, func([]byte) error {
		calls++
		if calls == 2 {
			return ledger.ErrStop
		}

		return nil
	})
	if err != ledger.ErrStop || calls != 2 {
		t.Errorf("visit failed at its second call: got %v after %d calls, want that error", err, calls)
	}
}

func testOwnBytes(t *testing.T, log ledger.Log) {
	records := chain(t, ledger.Head{}, 3, "a")

	given := slices.Clone(records)
	for i := range given {
		given[i].Stored = slices.Clone(given[i].Stored)
	}

	if err := log.Append(testContext(t), ledger.Head{}, given); err != nil {
		t.Fatal(err)
	}

	for i := range given {
		clear(given[i].Stored)
		given[i].Hash = ""
	}
	wantHolds(t, log, records)

	err := log.Read(testContext(t), 1, func(stored []byte) error {
		clear(stored)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantHolds(t, log, records)
}

func testReadWhileAppending(t *testing.T, log ledger.Log) {
	all := mustAppend(t, log, ledger.Head{}, 5, "a")
	more := chain(t, all[4].Head, 5, "a")

	var got []string
	err := log.Read(testContext(t), 1, func(stored []byte) error {
		got = append(got, string(stored))
		if n := len(got); n <= len(more) {
			return log.Append(testContext(t), slices.Concat(all, more)[n+3].Head, more[n-1:n])
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	all = slices.Concat(all, more)
	if len(got) < 5 || len(got) > len(all) {
		t.Fatalf("read %d records; 5 were there at the beginning and %d in the end", len(got), len(all))
	}

	for i, stored := range got {
		if stored != string(all[i].Stored) {
			t.Errorf("record %d was read as %s", i+1, stored)
		}
	}
	wantHolds(t, log, all)
}

// testRace lets writers append at once, each after the head that it sees.
func testRace(t *testing.T, log ledger.Log) {
	const writers, appends = 4, 15
	ctx := testContext(t)

	var mu sync.Mutex
	won := map[uint64]string{}

	var all sync.WaitGroup
	for w := range writers {
		name := fmt.Sprintf("writer %d", w)

		all.Go(func() {
			for done := 0; done < appends; {
				head, err := log.Head(ctx)
				if err != nil {
					t.Errorf("head: %v", err)
					return
				}

				records := chain(t, head, 2, name)

				err = log.Append(ctx, head, records)
				if errors.Is(err, ledger.ErrLogMoved) {
					continue
				}

				if err != nil {
					t.Errorf("append: %v", err)
					return
				}

				mu.Lock()
				for _, rec := range records {
					if won[rec.Seq] != "" {
						t.Errorf("record %d was acknowledged twice", rec.Seq)
					}
					won[rec.Seq] = string(rec.Stored)
				}
				mu.Unlock()
				done++
			}
		})
	}
	all.Wait()

	next := uint64(1)
	err := log.Read(ctx, 1, func(stored []byte) error {
		if won[next] != string(stored) {
			t.Errorf("record %d is %s, acknowledged was %s", next, stored, won[next])
		}
		next++

		return nil
	})
	if err != nil || next-1 != writers*appends*2 {
		t.Errorf("the log holds %d records (%v), want %d", next-1, err, writers*appends*2)
	}
}

func testCancelled(t *testing.T, log ledger.Log) {
	all := mustAppend(t, log, ledger.Head{}, 2, "a")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	_, headErr := log.Head(ctx)
	readErr := log.Read(ctx, 1, func([]byte) error { return nil })
	appendErr := log.Append(ctx, all[1].Head, chain(t, all[1].Head, 1, "a"))

	for _, err := range []error{headErr, readErr, appendErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: got %v, want context.Canceled", err)
		}
	}

	// Whether an append took place is open after an error, but only all or nothing.
	head, err := log.Head(testContext(t))
	if err != nil || head.Seq < 2 || head.Seq > 3 {
		t.Errorf("the head is %v, %v afterwards", head, err)
	}
}
