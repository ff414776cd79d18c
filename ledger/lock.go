package ledger

import (
	"context"
	"errors"
	"os"
	"time"

	"ratchet/internal/queue"
	"ratchet/internal/research"
)

// patience is how long one and the same holder is waited for. It is there for a
// suspended process; a flush to a disk that others keep busy was seen to take
// more than 30 s.
const patience = 2 * time.Minute

// acquireLock waits for its turn at the lock file path. bbolt's own lock stands behind
// this one, so that a lock file removed by hand costs order, never safety.
// Errors: research.CodeCancelled when ctx ends, research.CodeStorage when the
// file can't be used or one holder stays for longer than patience.
func acquireLock(ctx context.Context, path string) (*os.File, error) {
	file, err := queue.Enter(ctx, path, queue.Options{Patience: patience})

	var stuck *queue.StuckError
	switch {
	case errors.As(err, &stuck):
		return nil, research.Errorf(research.CodeStorage,
			"if that process is suspended, resume or end it; if the disk is that slow, wait; then repeat the call",
			"process %d has held the ledger's lock for more than %s", stuck.PID, stuck.Since)
	case err != nil && ctx.Err() != nil:
		return nil, cancelledError(ctx)
	case err != nil:
		return nil, storageError("lock the ledger", err)
	}

	return file, nil
}

// cancelledError is ctx's end as a coded error.
func cancelledError(ctx context.Context) error {
	return research.Errorf(research.CodeCancelled, "repeat the call; nothing was written",
		"the caller gave up before the ledger was changed: %w", ctx.Err())
}
