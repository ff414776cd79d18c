package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"ratchet/internal/atomicfile"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// Backup writes the ledger, as it is at the time of the call, to path, and its
// anchor beside it: together they are a ledger that Open takes. Records are
// streamed and indexes derived anew, so that others can append meanwhile and
// damage of an index is not copied. The copy is complete, durable and has
// passed Verify before it appears under its name; nothing is overwritten.
// Errors: research.CodeConflict when a file is there already, CodeNotFound when
// nothing was ever recorded, CodeLedger and CodeStorage.
func (l *Ledger) Backup(ctx context.Context, path string) (Report, error) {
	to, err := Open(path, Options{Version: l.version})
	if err != nil {
		return Report{}, err
	}

	for _, name := range []string{to.path, to.file(to.anchorName())} {
		if _, err := os.Lstat(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return Report{}, research.Errorf(research.CodeConflict, "give a name that is not taken",
				"%s is there already", name)
		}
	}

	tmp, err := os.MkdirTemp(to.dir, "."+filepath.Base(to.path)+"-")
	if err != nil {
		return Report{}, storage("write a backup", err)
	}
	defer os.RemoveAll(tmp)

	part, err := Open(filepath.Join(tmp, filepath.Base(to.path)), Options{Version: l.version, Advance: l.advance})
	if err != nil {
		return Report{}, err
	}

	if err := l.copyTo(ctx, part); err != nil {
		return Report{}, err
	}

	rep, err := part.Verify(ctx)
	if err != nil {
		return rep, fmt.Errorf("verify the backup: %w", err)
	}

	for _, name := range []string{to.anchorName(),
		filepath.Base(to.path)} { // the ledger last: it is whole once it is there
		if err := os.Rename(part.file(name), to.file(name)); err != nil {
			return rep, storage("name the backup", err)
		}
	}

	if err := atomicfile.SyncDir(to.dir); err != nil {
		return rep, storage("name the backup", err)
	}

	return rep, nil
}

// copyTo writes all records and their indexes into a file that nobody knows yet.
func (l *Ledger) copyTo(ctx context.Context, part *Ledger) (err error) {
	s := &store{path: part.path}
	defer s.close()

	s.db, err = bbolt.Open(part.path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true, NoStatistics: true})
	if err == nil {
		err = s.db.Update(makeBuckets)
	}

	if err == nil {
		s.tx, err = s.db.Begin(true)
	}

	if err != nil {
		return storage("write a backup", err)
	}
	t := &Tx{s: s, write: true}
	t.hoard()

	err = l.Stream(ctx, 1, func(rec history.Record, stored []byte) error {
		if err := s.put(bucketRecords, bigEndian(rec.Seq), stored); err != nil {
			return storage("write a backup", err)
		}

		if err := t.index(rec); err != nil {
			return damaged(nextRestore, "record %d contradicts those before it: %w", rec.Seq, err)
		}

		t.seq, t.hash = rec.Seq, rec.Hash
		if rec.Seq%chunk == 0 {
			return s.flush("write a backup")
		}

		return nil
	})
	switch {
	case err != nil:
		return err
	case t.seq == 0:
		return research.Errorf(research.CodeNotFound, "start a campaign first",
			"there is nothing to back up yet: %s holds no record", l.path)
	}

	if err := first(t.release(), t.sign(part.version)); err != nil {
		return storage("write a backup", err)
	}

	if err := errors.Join(s.tx.Commit(), s.db.Sync()); err != nil {
		return storage("write a backup", err)
	}

	return writeAnchor(part.file(part.anchorName()), anchor{Seq: t.seq, Hash: t.hash}, nil)
}

// BackupOutputs copies the stored outputs that are not there yet into the folder
// outputs beside the backup at path, and says how many it copied. Backups in
// one folder share it. An output that was removed meanwhile, or altered, is left out.
func (l *Ledger) BackupOutputs(path string) (copied, left int, err error) {
	to, err := Open(path, Options{})
	if err != nil {
		return 0, 0, err
	}

	err = filepath.WalkDir(l.file(outputsName), func(name string, d fs.DirEntry, err error) error {
		digest := filepath.Base(name)
		if err != nil || d.IsDir() || !isDigest(digest) {
			return unlessMissing(err)
		}

		if _, err := os.Stat(to.outputPath(digest)); err == nil {
			return nil
		}

		data, err := l.Output(digest)
		if err != nil {
			left++
			return nil
		}

		copied++

		return to.keepOutput(digest, data)
	})
	if err != nil {
		return copied, left, storage("back up the outputs", err)
	}

	return copied, left, nil
}

// keepOutput stores an output whatever the quota.
func (l *Ledger) keepOutput(digest string, data []byte) error {
	path := l.outputPath(digest)

	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}

	return replace(path, filepath.Join(dir, halfMade+digest), data)
}

func unlessMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return err
}
