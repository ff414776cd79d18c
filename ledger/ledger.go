package ledger

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// outputsName is the folder of outputs, beside the ledger.
const outputsName = "outputs"

// Ledger is a handle to a ledger's file. It holds nothing open between calls;
// any number of handles in any number of processes may share the file, and one
// handle any number of goroutines.
type Ledger struct {
	path      string
	dir       string
	now       func() time.Time
	quota     int64
	observe   func(Timing)
	version   string
	advance   func(what string, done, total uint64)
	isRunning func(campaign string, id research.JobID) bool
	log       Log
}

// Options are Open's; the zero value is ready.
type Options struct {
	Now   func() time.Time // of the records, nil: time.Now
	Quota int64            // bytes of stored outputs to keep, 0: 1 GiB
	// Version of Ratchet, for records and for the errors of other versions.
	Version string
	// Running says whether an open job's worker is alive; nil: none is. A ledger of
	// an older format is not migrated while an older Ratchet's worker measures.
	Running func(campaign string, id research.JobID) bool
	// Observe, if not nil, is called after every transaction that got the lock,
	// failed ones too, once the lock is free. Calls may overlap.
	Observe func(Timing)
	// Advance, if not nil, is called now and then by what reads many records
	// (Stream, Verify, Backup, Rebuild, a migration): what is being done, and how
	// many records of how many are done. It must be quick and must not call the ledger.
	Advance func(what string, done, total uint64)
	// Log, if not nil, is what several machines share: the file is then this machine's
	// replica of it. nil: the file itself is the log.
	Log Log
}

// Timing is how long one transaction took.
type Timing struct {
	Appended bool          // records, which are durable now
	Waited   time.Duration // for the lock
	Took     time.Duration // in all, the wait included
}

// Open returns a handle to the ledger at path (…/NAME.db; its other files begin
// with NAME). It creates the folder and opens nothing: the first append creates the file.
func Open(path string, options Options) (*Ledger, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, storageError("find the ledger", err)
	}

	l := &Ledger{path: abs, dir: filepath.Dir(abs), now: options.Now, quota: options.Quota, observe: options.Observe,
		advance: options.Advance, version: options.Version, isRunning: options.Running, log: options.Log}
	if l.now == nil {
		l.now = time.Now
	}

	if l.advance == nil {
		l.advance = func(string, uint64, uint64) {}
	}

	if l.quota == 0 {
		l.quota = 1 << 30
	}

	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, storageError("create the ledger's folder", err)
	}

	return l, nil
}

// Path is the absolute path of the ledger's file.
func (l *Ledger) Path() string { return l.path }

// Dir is the folder of the ledger's files: the database, its lock, the anchor and outputs/.
func (l *Ledger) Dir() string { return l.dir }

// anchorName and lockName are named after the ledger's own file, so that one
// folder can hold several: ledger.db has ledger.head and ledger.lock.
func (l *Ledger) anchorName() string { return l.fileStem() + ".head" }
func (l *Ledger) lockName() string   { return l.fileStem() + ".lock" }

func (l *Ledger) fileStem() string { return strings.TrimSuffix(filepath.Base(l.path), ".db") }

func (l *Ledger) file(name string) string { return filepath.Join(l.dir, name) }

// Stamp is a comparable value that changes with every append. The zero Stamp
// is that of a ledger that does not exist yet.
type Stamp struct{ slots [2][slotLen]byte }

// Stamp reads the anchor, in microseconds and without any lock. For waiting: a
// stamp that still equals an earlier one means that nothing was acknowledged since.
func (l *Ledger) Stamp() (Stamp, error) {
	slots, err := readSlots(l.file(l.anchorName()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Stamp{}, storageError("read the ledger's anchor", err)
	}

	return Stamp{slots}, nil
}

// Acknowledged is the sequence of the newest record that is known to be durable,
// 0 of a ledger that does not exist yet. It reads the anchor, as Stamp does.
func (l *Ledger) Acknowledged() (uint64, error) {
	a, err := readAnchor(l.file(l.anchorName()))
	if err != nil || a == nil {
		return 0, err
	}

	return a.Seq, nil
}

// View calls f with a consistent state of the ledger. f must not keep the Tx, nor
// call the ledger again (it would wait for itself until patience ends it),
// and must be quick: the ledger is closed to everybody else meanwhile. f's
// error is returned as it is; a damaged file is a research.CodeLedger error,
// ctx's end while waiting a research.CodeCancelled one. With a Log the state is
// not older than the log's head at the time of the call.
func (l *Ledger) View(ctx context.Context, f func(*Tx) error) error {
	if l.log != nil {
		if err := l.refresh(ctx); err != nil {
			return err
		}
	}

	return l.transact(ctx, reading, f)
}

// Update is View with appends: all records appended inside become durable
// together, or none when f or any append fails or ctx ends before the commit.
// After a research.CodeStorage error a call whose entries carry keys can be
// repeated: what was written already is found by its key.
//
// With a Log, f is called again, with another Tx, when another machine appended
// meanwhile: what f leaves outside of the Tx must not add up. After many such
// conflicts the error is research.CodeConflict.
func (l *Ledger) Update(ctx context.Context, f func(*Tx) error) error {
	return l.transact(ctx, writing, f)
}

// Append is an Update that does nothing but append, and returns the records.
func (l *Ledger) Append(ctx context.Context, entries ...history.Entry) ([]history.Record, error) {
	var recs []history.Record

	err := l.Update(ctx, func(tx *Tx) error {
		recs = nil

		for _, e := range entries {
			rec, err := tx.Append(e)
			if err != nil {
				return err
			}

			recs = append(recs, rec)
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	return recs, nil
}

// mode says what a transaction is for.
type mode int

const (
	reading mode = iota
	writing
	inspecting // reading; a bad head is kept in Tx.headError and not refused
	repairing  // writing, whatever the indexes say
	migrating  // repairing, into a ledger of an older format
)

func (m mode) writes() bool { return m == writing || m == repairing || m == migrating }

// transact is the one way into the file: lock, open, check, call, publish to the Log
// if there is one, commit, anchor.
func (l *Ledger) transact(ctx context.Context, m mode, f func(*Tx) error) (err error) {
	if ctx.Err() != nil {
		return cancelledError(ctx)
	}

	// Lock. Observe gets the time of the wait, too, and is called when the lock is free.
	began := time.Now()

	held, err := acquireLock(ctx, l.file(l.lockName()))
	if err != nil {
		return err
	}

	appended := false
	if l.observe != nil {
		waited := time.Since(began)
		defer func() { l.observe(Timing{Appended: appended, Waited: waited, Took: time.Since(began)}) }()
	}

	defer held.Close()

	// A file that was cut off faults where it is mapped: make that a panic, and the panic an error.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))

	s := &store{path: l.path}
	defer s.close()
	defer s.recoverPanic(&err)

	appended, err = l.runTx(ctx, s, m, f)
	for tries := 1; l.log != nil && errors.Is(err, ErrLogMoved); tries++ {
		s.reset()

		if err := awaitRetry(ctx, tries); err != nil {
			return err
		}

		appended, err = l.runTx(ctx, s, m, f)
	}

	return err
}

// runTx is one transaction of a file that is locked: ErrLogMoved asks for another one.
func (l *Ledger) runTx(ctx context.Context, s *store, m mode, f func(*Tx) error) (appended bool, err error) {
	// Open and check, after a migration if need be.
	tx, err := l.beginTx(s, m)
	if errors.Is(err, errOlderFormat) {
		s.reset()

		if err := l.migrate(ctx); err != nil {
			return false, err
		}

		tx, err = l.beginTx(s, m)
	}

	if err == nil && tx.shared && m == writing {
		tx, err = l.catchUp(ctx, tx)
	}

	if err != nil {
		return false, err
	}

	before := Head{tx.seq, tx.hash}

	if err := f(tx); err != nil {
		return false, err
	}

	if tx.failed != nil {
		return false, tx.failed
	}

	if len(tx.unpublished) > 0 {
		if err := l.publish(ctx, tx, before); err != nil {
			return false, err
		}

		ctx = context.WithoutCancel(ctx) // the records hold, the replica follows
	}

	err = l.makeDurable(ctx, tx)

	return tx.appended && err == nil, err
}

// makeDurable makes what t appended durable. If a crash or a failure left the anchor
// behind, that is done again even when nothing was appended: where an fsync has
// failed, the kernel may show what the disk never got, and forget that it must
// still write it. A new commit writes the state again before it is vouched for.
func (l *Ledger) makeDurable(ctx context.Context, tx *Tx) error {
	behind := tx.anchor == nil || tx.anchor.Seq != tx.seq
	if !tx.write || !tx.appended && (tx.seq == 0 || !behind) {
		return nil
	}

	if ctx.Err() != nil {
		return cancelledError(ctx)
	}

	if err := tx.s.recordWriter(l.version); err != nil {
		return storageError("write to the ledger", err)
	}

	if err := fault.At("ledger.commit", tx.s.commit); err != nil {
		return storageError("write to the ledger", err)
	}

	if !behind {
		return nil
	}

	return writeAnchor(l.file(l.anchorName()), anchor{Seq: tx.seq, Hash: tx.hash}, tx.anchor)
}
