package ledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/ledger"
	"ratchet/ledger/logtest"
)

// memoryLog is a Log of one process.
type memoryLog struct {
	mu      sync.Mutex
	records []ledger.LogRecord
}

func (m *memoryLog) Head(ctx context.Context) (ledger.Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.headAt(len(m.records)), ctx.Err()
}

// headAt is the head after the first n records.
func (m *memoryLog) headAt(n int) ledger.Head {
	if n == 0 {
		return ledger.Head{}
	}

	return m.records[n-1].Head
}

func (m *memoryLog) Append(ctx context.Context, after ledger.Head, records []ledger.LogRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	if ctx.Err() != nil {
		return ctx.Err()
	}

	at, end := int(after.Seq), int(after.Seq)+len(records)

	switch {
	case at > len(m.records) || m.headAt(at) != after:
		return ledger.ErrLogMoved
	case len(records) > 0 && end <= len(m.records) && m.headAt(end) == records[len(records)-1].Head:
		return nil // a hash names all records before it, too
	case at < len(m.records):
		return ledger.ErrLogMoved
	}

	for _, rec := range records {
		m.records = append(m.records, ledger.LogRecord{Head: rec.Head, Stored: bytes.Clone(rec.Stored)})
	}

	return nil
}

func (m *memoryLog) Read(ctx context.Context, from uint64, visit func(stored []byte) error) error {
	m.mu.Lock()
	page := slices.Clone(m.records[min(int(from)-1, len(m.records)):])
	m.mu.Unlock()

	for _, rec := range page {
		if ctx.Err() != nil {
			return ctx.Err()
		}

		if err := visit(bytes.Clone(rec.Stored)); err != nil {
			return err
		}
	}

	return ctx.Err()
}

func TestMemoryLog(t *testing.T) {
	logtest.TestLog(t, func(*testing.T) ledger.Log { return &memoryLog{} })
}

// replica opens a ledger of its own folder on a log.
func replica(t testing.TB, log ledger.Log) *ledger.Ledger {
	t.Helper()

	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}

	return l
}

// appendLesson appends a lesson with the next number, which depends on what others
// appended before.
func appendLesson(tx *ledger.Tx, key, text string) (history.Record, error) {
	c, err := tx.Campaign(camp)
	if err != nil {
		return history.Record{}, err
	}

	e := entry(history.KindLessonAdded, history.Lesson{N: c.Lessons + 1, Text: text})
	e.Key = key

	return tx.Append(e)
}

// addLesson is a call that appends one lesson.
func addLesson(ctx context.Context, l *ledger.Ledger, key, text string) (rec history.Record, err error) {
	err = l.Update(ctx, func(tx *ledger.Tx) error {
		rec, err = appendLesson(tx, key, text)
		return err
	})

	return rec, err
}

func putLesson(t testing.TB, l *ledger.Ledger, key, text string) history.Record {
	t.Helper()

	rec, err := addLesson(context.Background(), l, key, text)
	if err != nil {
		t.Fatal(err)
	}

	return rec
}

func headOf(t testing.TB, l *ledger.Ledger) (head ledger.Head) {
	t.Helper()

	view(t, l, func(tx *ledger.Tx) error {
		head.Seq, head.Hash = tx.Head()
		return nil
	})

	return head
}

// wantSame wants the replicas to be alike and intact, with n records.
func wantSame(t *testing.T, n uint64, replicas ...*ledger.Ledger) {
	t.Helper()

	var first ledger.Report
	for i, l := range replicas {
		headOf(t, l) // catches up

		rep, err := l.Verify(context.Background())
		if err != nil {
			t.Fatalf("verify replica %d: %v", i, err)
		}

		if i == 0 {
			first = rep
		}

		if rep != first || rep.Records != n {
			t.Errorf("replica %d is %+v, the first %+v; want %d records", i, rep, first, n)
		}
	}
}

func TestReplicasShareALog(t *testing.T) {
	testform.SkipQuick(t, "TestReplicasUpdateAtOnce")
	log := &memoryLog{}
	a, b := replica(t, log), replica(t, log)

	put(t, a, opening()...)
	put(t, b, experiment(1, "inline the loop", "no gain")...)
	put(t, a, experiment(2, "hoist the loop", "no gain")...)

	view(t, b, func(tx *ledger.Tx) error {
		c, err := tx.Campaign(camp)
		if err == nil && c.Experiments != 2 {
			t.Errorf("b sees %d experiments, want 2", c.Experiments)
		}

		return err
	})
	wantSame(t, uint64(len(log.records)), a, b)

	// A new machine takes all of it, over several commits.
	grow(t, a, 3, 900)
	wantSame(t, uint64(len(log.records)), replica(t, log), b, a)
}

func TestReplicasUpdateAtOnce(t *testing.T) {
	const each = 40
	log := &memoryLog{}
	replicas := []*ledger.Ledger{replica(t, log), replica(t, log)}
	put(t, replicas[0], opening()...)

	began := len(log.records)

	var all sync.WaitGroup
	for i, l := range replicas {
		all.Go(func() {
			for n := range each {
				key := fmt.Sprintf("note %d of replica %d", n, i)

				// The pair shows that a transaction is not torn apart by the other replica.
				var one, two history.Record
				err := l.Update(context.Background(), func(tx *ledger.Tx) (err error) {
					if one, err = appendLesson(tx, key, key); err == nil {
						two, err = appendLesson(tx, key+" again", key)
					}

					return err
				})
				if err != nil || two.Prev != one.Hash {
					t.Errorf("replica %d got the records %d and %d, %v", i, one.Seq, two.Seq, err)
					return
				}
			}
		})
	}
	all.Wait()

	wantSame(t, uint64(began+2*2*each), replicas...)

	seen := map[string]int{}
	view(t, replicas[1], func(tx *ledger.Tx) error {
		return tx.Records(uint64(began+1), func(rec history.Record) error {
			seen[rec.Key]++
			return nil
		})
	})

	if len(seen) != 2*2*each {
		t.Errorf("%d keys are recorded, want %d", len(seen), 2*2*each)
	}

	for key, n := range seen {
		if n != 1 {
			t.Errorf("%q is recorded %d times", key, n)
		}
	}
}

// hookedLog calls a function before or after the appends of a Log.
type hookedLog struct {
	ledger.Log
	before func()
	after  func() error
}

func (h *hookedLog) Append(ctx context.Context, after ledger.Head, records []ledger.LogRecord) error {
	if h.before != nil {
		h.before()
	}

	if err := h.Log.Append(ctx, after, records); err != nil || h.after == nil {
		return err
	}

	return h.after()
}

func TestConflictRunsTheFunctionAgain(t *testing.T) {
	shared := &memoryLog{}
	other := replica(t, shared)
	put(t, other, opening()...)

	log := &hookedLog{Log: shared}
	l := replica(t, log)
	conflicts := 3
	log.before = func() {
		if conflicts--; conflicts >= 0 {
			putLesson(t, other, "", "in between")
		}
	}

	var heads []uint64
	err := l.Update(context.Background(), func(tx *ledger.Tx) error {
		seq, _ := tx.Head()
		heads = append(heads, seq)
		_, err := appendLesson(tx, "mine", "mine")

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if want := []uint64{5, 6, 7, 8}; !slices.Equal(heads, want) {
		t.Errorf("the function saw the heads %d, want %d", heads, want)
	}
	wantSame(t, 9, l, other)
}

func TestConflictsEnd(t *testing.T) {
	shared := &memoryLog{}
	other := replica(t, shared)
	put(t, other, opening()...)

	log := &hookedLog{Log: shared, before: func() { putLesson(t, other, "", "in between") }}
	l := replica(t, log)

	_, err := addLesson(context.Background(), l, "mine", "mine")
	wantError(t, err, research.CodeConflict, "in each of")

	ctx, cancel := context.WithCancel(context.Background())
	log.before = func() {
		putLesson(t, other, "", "in between")
		cancel()
	}
	_, err = addLesson(ctx, l, "mine", "mine")
	wantError(t, err, research.CodeCancelled)

	wantSame(t, uint64(len(shared.records)), l, other)
}

func TestDeathBeforeTheReplicasCommit(t *testing.T) {
	lost := errors.New("the answer was lost")

	tests := map[string]func() error{
		"the answer is lost": func() error { return lost },
		"the process dies":   func() error { panic(lost) },
	}
	for name, die := range tests {
		t.Run(name, func(t *testing.T) {
			shared := &memoryLog{}
			other := replica(t, shared)
			put(t, other, opening()...)

			log := &hookedLog{Log: shared}
			l := replica(t, log)
			before := headOf(t, l)

			log.after = die
			err := func() (err error) {
				defer func() {
					if p := recover(); p != nil {
						err = p.(error)
					}
				}()
				_, err = addLesson(context.Background(), l, "mine", "mine")

				return err
			}()
			log.after = nil

			if !errors.Is(err, lost) {
				t.Fatalf("got %v", err)
			}

			if seq, err := l.Acknowledged(); err != nil || seq != before.Seq {
				t.Errorf("the replica acknowledged record %d (%v), want %d", seq, err, before.Seq)
			}

			// The repeated call finds its record, on whichever machine.
			for _, again := range []*ledger.Ledger{l, other} {
				if rec := putLesson(t, again, "mine", "mine"); rec.Seq != before.Seq+1 {
					t.Errorf("the call repeated gave record %d, want %d", rec.Seq, before.Seq+1)
				}
			}
			wantSame(t, before.Seq+1, l, other)
		})
	}
}

// A caller who gives up once the log has taken the records gets them all the same.
func TestCancelledAfterTheLogsAppend(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	log := &hookedLog{Log: &memoryLog{}, after: func() error {
		cancel()
		return nil
	}}
	l := replica(t, log)

	if _, err := l.Append(ctx, opening()...); err != nil {
		t.Fatal(err)
	}
	wantSame(t, uint64(len(opening())), l)
}

func TestFailedFunctionPublishesNothing(t *testing.T) {
	log := &memoryLog{}
	l := replica(t, log)
	put(t, l, opening()...)
	refused := errors.New("refused")

	err := l.Update(context.Background(), func(tx *ledger.Tx) error {
		if _, err := appendLesson(tx, "", "never"); err != nil {
			return err
		}

		return refused
	})
	if !errors.Is(err, refused) || len(log.records) != len(opening()) {
		t.Errorf("got %v, the log has %d records", err, len(log.records))
	}
}

func TestReplicaIsNotOfThisLog(t *testing.T) {
	ctx := context.Background()
	log := &memoryLog{}
	l := replica(t, log)
	put(t, l, opening()...)
	kept := log.records

	// wantRefused wants reads and appends to be refused, and nothing to be changed.
	wantRefused := func(part string) {
		t.Helper()

		n := len(log.records)
		_, err := addLesson(ctx, l, "", "mine")
		wantError(t, err, research.CodeLedger, part)
		wantError(t, l.View(ctx, func(*ledger.Tx) error { return nil }), research.CodeLedger, part)

		if seq, err := l.Acknowledged(); err != nil || seq != uint64(len(kept)) || len(log.records) != n {
			t.Errorf("the replica ends at record %d (%v), the log at %d", seq, err, len(log.records))
		}
	}

	log.records = kept[:2]
	wantRefused("ahead of the shared log")

	log.records = nil
	wantRefused("ahead of the shared log")

	stranger := replica(t, log)
	put(t, stranger, opening()...)
	wantRefused("differs from the shared log")

	putLesson(t, stranger, "", "longer")
	wantRefused("differs from")

	altered := slices.Clone(log.records)
	altered[5].Stored = bytes.Replace(altered[5].Stored, []byte("longer"), []byte("lunger"), 1)
	log.records = append(slices.Clone(kept), altered[5])
	wantRefused("was altered")

	log.records = kept
	wantSame(t, uint64(len(kept)), l)
}

func TestLogIsOutOfReach(t *testing.T) {
	unplugged := errors.New("unplugged")
	log := &hookedLog{Log: &memoryLog{}, after: func() error { return unplugged }}
	l := replica(t, log)

	_, err := l.Append(context.Background(), opening()...)
	wantError(t, err, research.CodeStorage, "append to the shared log")

	if !errors.Is(err, unplugged) {
		t.Errorf("the cause of %v is not the log's error", err)
	}
}

// A replica of an older format is derived again; the log, which others share, gets
// no record of it.
func TestReplicaIsMigratedAlone(t *testing.T) {
	path := golden(t, "v1")
	records, _ := stored(t, path)
	log := &memoryLog{}

	for _, line := range records {
		var rec history.Record
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		log.records = append(log.records, ledger.LogRecord{Head: ledger.Head{Seq: rec.Seq, Hash: rec.Hash},
			Stored: line})
	}

	l, err := ledger.Open(path, ledger.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}

	wantSame(t, goldenRecords, l, replica(t, log))

	if _, format := stored(t, path); format != "5" || len(log.records) != goldenRecords {
		t.Errorf("the format is %s, the log has %d records", format, len(log.records))
	}
}

func TestUnknownKindInTheLog(t *testing.T) {
	log := &memoryLog{}
	l := replica(t, log)
	put(t, l, opening()...)

	head := headOf(t, l)
	rec := history.Record{Seq: head.Seq + 1, Campaign: camp, Kind: "dream.told", Body: json.RawMessage("{}"),
		Prev: head.Hash}

	var err error
	if rec.Hash, err = ledger.Hash(rec); err != nil {
		t.Fatal(err)
	}

	line, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	log.records = append(log.records, ledger.LogRecord{Head: ledger.Head{Seq: rec.Seq, Hash: rec.Hash}, Stored: line})

	_, err = addLesson(context.Background(), l, "", "mine")
	wantError(t, err, research.CodeUnsupported, "dream.told")

	if seq, err := l.Acknowledged(); err != nil || seq != head.Seq {
		t.Errorf("the replica ends at record %d (%v), want %d", seq, err, head.Seq)
	}
}

// What is of the file alone works on a replica: its indexes, and a backup of it.
func TestReplicaIsALedger(t *testing.T) {
	log := &memoryLog{}
	l, other := replica(t, log), replica(t, log)
	put(t, l, opening()...)

	if err := l.Rebuild(context.Background()); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(t.TempDir(), "copy.db")
	if rep, err := other.Backup(context.Background(), path); err != nil || rep.Records != uint64(len(opening())) {
		t.Errorf("the backup has %d records, %v", rep.Records, err)
	}

	restored, err := ledger.Open(path, ledger.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}

	putLesson(t, restored, "", "goes on")
	wantSame(t, uint64(len(opening())+1), l, other, restored)
}
