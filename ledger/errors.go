package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"

	"ratchet/internal/research"
)

const (
	nextRestore = "restore ledger.db and ledger.head together from one backup (`ratchet backup --help` says how); to go on with what is left, delete ledger.head and run `ratchet verify`"
	nextLost    = "restore ledger.db and ledger.head together from one backup (`ratchet backup --help` says how); to begin a new ledger without these records, move both away"
	nextRebuild = "the records themselves are intact: `ratchet verify --rebuild` derives the indexes from them again"
	nextStorage = "free space or restore write access, then repeat the call: nothing acknowledged is lost"
)

// damageError is a research.CodeLedger error.
func damageError(next, format string, args ...any) *research.Error {
	return research.Errorf(research.CodeLedger, next, format, args...)
}

// storageError is a research.CodeStorage error with err as its cause.
func storageError(doing string, err error) *research.Error {
	return research.Errorf(research.CodeStorage, nextStorage, "can't %s: %w", doing, err)
}

// openError classes an error of bbolt.Open: the disk's fault, or the file's.
func openError(path string, last uint64, err error) error {
	var perr *fs.PathError
	var errno syscall.Errno

	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return research.Errorf(research.CodeStorage, "end the program that has the file open, then repeat the call",
			"another program than ratchet holds %s locked", path)
	case errors.As(err, &perr), errors.As(err, &errno):
		return storageError("open the ledger", err)
	}

	return damageError(nextLost, "%s is not readable as a ledger (%w)%s", path, err, lostRecords(last))
}

// lostRecords says which records a damaged file held, as far as the anchor knows.
func lostRecords(last uint64) string {
	switch last {
	case 0:
		return ""
	case 1:
		return "; record 1 is lost"
	}

	return fmt.Sprintf("; records 1 to %d can't be read", last)
}
