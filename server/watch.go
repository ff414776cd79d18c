package server

import (
	"context"
	"time"

	"ratchet/internal/lab"
	"ratchet/ledger"
)

const watchInterval = 500 * time.Millisecond // a look costs a read of some kilobytes, no lock

// watchLedger calls tell whenever somebody, in whatever process, has appended to the
// ledger of the laboratory that find gives, looking every so often, until ctx is
// done. first says that it has looked there for the first time: whatever is
// appended from now on is told. While find gives none there is nothing to see.
func watchLedger(ctx context.Context, every time.Duration, find func() *lab.Lab, tell func(first bool)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var of *lab.Lab
	var last ledger.Stamp

	for {
		if l := find(); l != nil {
			now, err := l.Ledger().Stamp()
			if err == nil && (l != of || now != last) {
				first := l != of
				of, last = l, now
				tell(first)
			}
		}

		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watchForStdio tells the client on standard streams of what others append, from its
// first subscription on.
func (s *Server) watchForStdio(ctx context.Context, out stream) {
	select {
	case <-ctx.Done():
		return
	case <-s.wanted:
	}
	find := func() *lab.Lab {
		s.mu.Lock()
		defer s.mu.Unlock()

		for _, l := range s.labs {
			return l
		}

		return nil
	}
	watchLedger(ctx, watchInterval, find, func(first bool) {
		if first {
			return
		}

		for _, l := range s.followers("") {
			s.logUnsent(l.notifyUpdates())
		}

		uris, _ := s.subscribed("stdio")
		for _, uri := range uris {
			s.logUnsent(sendNotification(out, methodUpdated, map[string]any{"uri": uri}))
		}
	})
}

// watchForStream tells one stream of subscriptions/listen over HTTP of what others
// append, until the returned function is called. The laboratory that it looks
// through is its own, and marks nothing.
func (h *HTTP) watchForStream(ctx context.Context, info *requestInfo) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var own *lab.Lab
	tried := false
	find := func() *lab.Lab {
		if !tried && h.core.listener(&info.caller) != nil {
			tried = true

			l, err := h.opt.Open(ctx, info.checkout, info.client.name, info.client.version)
			if err == nil && h.roots.Contain(l.Root()) {
				own = l
			}
		}

		return own
	}

	go func() {
		defer close(done)
		watchLedger(ctx, watchInterval, find, func(first bool) {
			if l := h.core.listener(&info.caller); l != nil && !first {
				h.core.logUnsent(l.notifyUpdates())
			}
		})
	}()

	return func() { cancel(); <-done }
}

// listener is the stream that an HTTP request is, nil if it is none.
func (s *Server) listener(c *caller) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.listeners[c]
}
