package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ratchet/internal/atomicfile"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// Backup writes the ledger, as it is at the time of the call, to path, and its
// anchor beside it: together they are a ledger that Open takes. Records are
// streamed and indexes derived again, so that others can append meanwhile and
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
		return Report{}, storageError("write a backup", err)
	}
	defer os.RemoveAll(tmp)

	part, err := Open(filepath.Join(tmp, filepath.Base(to.path)), Options{Version: l.version, Advance: l.advance})
	if err != nil {
		return Report{}, err
	}

	if err := l.copyRecords(ctx, part); err != nil {
		return Report{}, err
	}

	rep, err := part.Verify(ctx)
	if err != nil {
		return rep, fmt.Errorf("verify the backup: %w", err)
	}

	// The ledger last: it is whole once it is there.
	for _, name := range []string{to.anchorName(), filepath.Base(to.path)} {
		if err := os.Rename(part.file(name), to.file(name)); err != nil {
			return rep, storageError("name the backup", err)
		}
	}

	if err := atomicfile.SyncDir(to.dir); err != nil {
		return rep, storageError("name the backup", err)
	}

	return rep, nil
}

// copyRecords writes all records and their indexes into the file of part, which
// does not exist yet.
func (l *Ledger) copyRecords(ctx context.Context, part *Ledger) error {
	s, err := openUnsynced(part.path)
	if err != nil {
		return storageError("write a backup", err)
	}
	defer s.close()

	head := anchor{}
	index := &indexer{s: s}
	index.beginBatch()

	err = l.Stream(ctx, 1, func(rec history.Record, stored []byte) error {
		if err := s.put(bucketRecords, bigEndian(rec.Seq), stored); err != nil {
			return storageError("write a backup", err)
		}

		if err := index.indexRecord(rec); err != nil {
			return damageError(nextRestore, "record %d contradicts those before it: %w", rec.Seq, err)
		}

		head.Seq, head.Hash = rec.Seq, rec.Hash

		if rec.Seq%recordsPerCommit == 0 {
			return s.flush("write a backup")
		}

		return nil
	})
	if err != nil {
		return err
	}

	if head.Seq == 0 {
		return research.Errorf(research.CodeNotFound, "start a campaign first",
			"there is nothing to back up yet: %s holds no record", l.path)
	}

	if err := firstError(index.flushBatch(), s.recordWriter(part.version)); err != nil {
		return storageError("write a backup", err)
	}

	if err := errors.Join(s.tx.Commit(), s.db.Sync()); err != nil {
		return storageError("write a backup", err)
	}

	return writeAnchor(part.file(part.anchorName()), head, nil)
}

// BackupOutputs copies the stored outputs that are not there yet into the folder
// outputs beside the backup at path. It returns how many it copied, and how many
// it left out since they were removed meanwhile, or altered. Backups in one folder
// share the outputs.
func (l *Ledger) BackupOutputs(path string) (copied, left int, err error) {
	to, err := Open(path, Options{})
	if err != nil {
		return 0, 0, err
	}
	target := to.outputs()

	err = filepath.WalkDir(l.file(outputsName), func(name string, d fs.DirEntry, err error) error {
		digest := filepath.Base(name)
		if err != nil || d.IsDir() || !isDigest(digest) {
			return ignoreMissing(err)
		}

		if _, err := os.Stat(target.pathOf(digest)); err == nil {
			return nil
		}

		data, err := l.Output(digest)
		if err != nil {
			left++
			return nil
		}

		copied++

		return target.copyOutput(digest, data)
	})
	if err != nil {
		return copied, left, storageError("back up the outputs", err)
	}

	return copied, left, nil
}

// copyOutput stores an output whatever the quota.
func (o outputStore) copyOutput(digest string, data []byte) error {
	path := o.pathOf(digest)

	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}

	return replaceFile(path, filepath.Join(dir, tempPrefix+digest), data)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return err
}
