package ledger

import (
	"context"
	"os"
	"time"

	"ratchet/internal/research"
)

const (
	pollMin  = 100 * time.Microsecond
	pollMax  = 5 * time.Millisecond
	pollStep = 250 * time.Microsecond // for each transaction ahead
	patience = 30 * time.Second       // with one and the same holder
)

// holder is who has the lock, as far as the lock file tells. It is a hint.
type holder struct {
	ticket int64
	pid    int
}

// lock waits for its turn at the lock file path, which it creates, and returns
// the open file: closing it, or dying, ends the turn. Turns come in the order
// of arrival where the platform's place does so. bbolt's own lock stands behind
// this one, so that a lock file removed by hand costs order, never safety.
// Errors: research.CodeCancelled when ctx ends, research.CodeStorage when the
// file can't be used or one holder stays for longer than patience.
func lock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, storage("open the ledger's lock", err)
	}
	if err := await(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// await takes a place in f's queue and waits until it is the first.
func await(ctx context.Context, f *os.File) error {
	var p *place
	err := poll(ctx, func() (bool, holder, int, error) {
		var err error
		p, err = enter(f)
		return p != nil, holder{}, 0, err
	})
	if err != nil {
		return err
	}
	return poll(ctx, p.turn)
}

// poll calls try until it succeeds. try also tells who holds the lock and how
// many wait before us, which sets the pace.
func poll(ctx context.Context, try func() (ok bool, h holder, ahead int, err error)) error {
	var last holder
	var since time.Time
	for {
		ok, h, ahead, err := try()
		if err != nil {
			return storage("lock the ledger", err)
		}
		if ok {
			return nil
		}
		if now := time.Now(); h != last || since.IsZero() {
			last, since = h, now
		} else if now.Sub(since) > patience {
			return stuck(h)
		}
		if err := pause(ctx, min(max(time.Duration(ahead)*pollStep, pollMin), pollMax)); err != nil {
			return err
		}
	}
}

func stuck(h holder) error {
	return research.Errorf(research.CodeStorage, "if that process is suspended, resume or end it; then repeat the call",
		"process %d has held the ledger's lock for more than %s", h.pid, patience)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return cancelled(ctx)
	case <-timer.C:
		return nil
	}
}

// cancelled is ctx's end as a coded error.
func cancelled(ctx context.Context) error {
	return research.Errorf(research.CodeCancelled, "repeat the call; nothing was written",
		"the caller gave up before the ledger was changed: %w", ctx.Err())
}
