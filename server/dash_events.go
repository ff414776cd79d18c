package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"ratchet/internal/checkout"
)

const (
	boardLook = 250 * time.Millisecond // how often a stream looks for appends, and at most tells of them
	boardBeat = 15 * time.Second
)

// streamEvents tells of every append to the ledger, by whatever process, until
// the client leaves or the server stops.
func streamEvents(ctx context.Context, b *board) (any, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onClose(b.h.stopping, cancel)()
	changed := make(chan struct{}, 1)
	done := make(chan struct{})

	defer func() { cancel(); <-done }()

	go func() {
		defer close(done)
		watch(ctx, boardLook, func() *checkout.Checkout { return b.lab }, func(bool) {
			select {
			case changed <- struct{}{}:
			default: // it is going to be told anyway
			}
		})
	}()

	beat := time.NewTicker(boardBeat)
	defer beat.Stop()
	b.v.code = "ok"
	b.out.head.Set("Content-Type", eventStream)
	b.out.WriteHeader(http.StatusOK)

	for {
		text := ": beat\n\n"

		select {
		case <-ctx.Done():
			return nil, nil
		case <-changed:
			seq, err := b.lab.Ledger.Acknowledged()
			if err != nil {
				continue // it will be looked at again; requests say what is wrong
			}
			text = fmt.Sprintf("event: change\ndata: {\"seq\":%d}\n\n", seq)
		case <-beat.C:
		}

		if _, err := b.out.Write([]byte(text)); err != nil {
			return nil, nil // the client is gone
		}
		b.out.Flush()
	}
}
