package server

import (
	"context"
	"ratchet/internal/checkout"
	"time"

	"ratchet/ledger"
)

const watchInterval = 500 * time.Millisecond // a look costs a read of some kilobytes, no lock

// watchLedger calls onAppend after appends, by any process, to the ledger of the
// laboratory that find returns, until ctx is done. What was appended before it
// first looked there is not reported. While find returns nil it waits.
func watchLedger(ctx context.Context, find func() *checkout.Checkout, onAppend func()) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()

	var watched *checkout.Checkout
	var last ledger.Stamp

	for {
		if co := find(); co != nil {
			now, err := co.Ledger.Stamp()

			switch {
			case err != nil: // it is looked at again
			case co != watched:
				watched, last = co, now
			case now != last:
				last = now
				onAppend()
			}
		}

		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watchForStdio notifies the client on standard streams of what others append,
// from its first subscription on.
func (s *Server) watchForStdio(ctx context.Context, out stream) {
	select {
	case <-ctx.Done():
		return
	case <-s.subs.first:
	}

	watchLedger(ctx, s.anyLab, func() {
		for _, l := range s.subs.listenersOf("") {
			s.logUnsent(l.notifyUpdates())
		}

		for _, uri := range s.subs.resourcesOf("stdio") {
			s.logUnsent(sendNotification(out, methodUpdated, map[string]any{"uri": uri}))
		}
	})
}

// watchForStream notifies one stream of subscriptions/listen over HTTP of what
// others append, until stop is called. It looks through a laboratory of its own,
// which marks nothing.
func (h *HTTP) watchForStream(ctx context.Context, info *requestInfo) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})

	var opened *checkout.Checkout
	tried := false
	find := func() *checkout.Checkout {
		if tried || h.core.subs.listener(&info.caller) == nil {
			return opened
		}
		tried = true

		l, err := h.opt.Open(ctx, info.checkout, info.client.name, info.client.version)
		if err == nil && h.roots.Contain(l.Root()) {
			opened = l
		}

		return opened
	}

	go func() {
		defer close(done)
		watchLedger(ctx, find, func() {
			if l := h.core.subs.listener(&info.caller); l != nil {
				h.core.logUnsent(l.notifyUpdates())
			}
		})
	}()

	return func() {
		cancel()
		<-done
	}
}
