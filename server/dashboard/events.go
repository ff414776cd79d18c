package dashboard

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"ratchet/ledger"
)

const (
	lookInterval = 250 * time.Millisecond // between looks at the ledger, and so between events
	beatInterval = 15 * time.Second       // between comments, which show that the stream is alive
)

// streamEvents sends an event at once, and after every append to the ledger by
// any process, until the client leaves or the server stops.
func streamEvents(ctx context.Context, c *call) (any, error) {
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.WriteHeader(http.StatusOK)

	look := time.NewTicker(lookInterval)
	defer look.Stop()

	beat := time.NewTicker(beatInterval)
	defer beat.Stop()

	changes := changeWatcher{ledger: c.lab.Ledger}
	event := changes.nextEvent()

	for {
		if event != "" {
			if _, err := io.WriteString(c.w, event); err != nil {
				return nil, nil // the client is gone
			}
			_ = http.NewResponseController(c.w).Flush()
		}

		select {
		case <-ctx.Done():
			return nil, nil
		case <-c.handler.opt.Stopping:
			return nil, nil
		case <-look.C:
			event = changes.nextEvent()
		case <-beat.C:
			event = ": beat\n\n"
		}
	}
}

// changeWatcher notices what is appended to a ledger.
type changeWatcher struct {
	ledger *ledger.Ledger
	looked bool
	last   ledger.Stamp // of the last event, if it has looked
}

// nextEvent is the event of a ledger that has changed since the last one. It is
// "" if the ledger is the same, or can't be read: then it is looked at again, and
// the page's other requests say what is wrong.
func (w *changeWatcher) nextEvent() string {
	now, err := w.ledger.Stamp()
	if err != nil || w.looked && now == w.last {
		return ""
	}

	seq, err := w.ledger.Acknowledged()
	if err != nil {
		return ""
	}
	w.looked, w.last = true, now

	return fmt.Sprintf("event: change\ndata: {\"seq\":%d}\n\n", seq)
}
