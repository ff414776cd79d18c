package server

import (
	"context"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

const (
	maxSubscriptions = 64 // resources that one session or stream follows; more are not heard of

	methodUpdated     = "notifications/resources/updated"
	methodListChanged = "notifications/resources/list_changed"
)

// listener is a stream of subscriptions/listen (2026-07-28).
type listener struct {
	out      stream
	id       any    // of the request, which tags what is sent
	checkout string // "" on standard streams, where there is one
	filter   mcp.SubscriptionFilter
}

// notify sends a notification of the listener's own.
func (l *listener) notify(method string, params map[string]any) error {
	if params == nil {
		params = map[string]any{}
	}
	params["_meta"] = map[string]any{mcp.MetaKeySubscriptionID: l.id}

	return sendNotification(l.out, method, params)
}

// notifyUpdates tells it that its resources may have changed.
func (l *listener) notifyUpdates() error {
	for _, uri := range l.filter.ResourceSubscriptions {
		if err := l.notify(methodUpdated, map[string]any{"uri": uri}); err != nil {
			return err
		}
	}

	return nil
}

// newHooks follow who wants to know of which resource, in the old protocols
// (subscribe, unsubscribe) and the new one (listen), who lists resources, and
// how much of a log each session wants: mcp-go's sessions do not outlive a
// request over HTTP.
func (s *Server) newHooks() *mcpserver.Hooks {
	h := &mcpserver.Hooks{}
	h.AddBeforeAny(func(ctx context.Context, id any, _ mcp.MCPMethod, message any) {
		switch m := message.(type) {
		case *mcp.SubscribeRequest:
			s.subscribe(ctx, +1, m.Params.URI)
		case *mcp.UnsubscribeRequest:
			s.subscribe(ctx, -1, m.Params.URI)
		case *mcp.SubscriptionsListenRequest:
			s.listen(ctx, id, m.Params.Notifications)
		case *mcp.SetLevelRequest:
			s.setLevel(ctx, m.Params.Level)
		}
	})
	h.AddAfterSubscriptionsListen(func(ctx context.Context, id any, _ *mcp.SubscriptionsListenRequest, _ *mcp.SubscriptionsListenResult) {
		s.unlisten(listenKey(ctx, id))
	})
	h.AddAfterListResources(func(ctx context.Context, _ any, m *mcp.ListResourcesRequest, r *mcp.ListResourcesResult) {
		s.addExperiments(ctx, m.Params.Cursor, r)
	})
	h.AddOnUnregisterSession(func(_ context.Context, session mcpserver.ClientSession) { s.forget(session.SessionID()) })

	return h
}

// forget drops what a session wanted to be told.
func (s *Server) forget(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, session)
	delete(s.levels, session)
	delete(s.listed, session)
}

// subscriber names the session that ctx belongs to; "" has no subscriptions.
func subscriber(ctx context.Context) (id string, ok bool) {
	if c := callerOf(ctx); c != nil {
		return c.session, c.session != ""
	}

	if session := mcpserver.ClientSessionFromContext(ctx); session != nil {
		return session.SessionID(), true
	}

	return "", false
}

func (s *Server) subscribe(ctx context.Context, by int, uri string) {
	session, ok := subscriber(ctx)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	mine := s.subs[session]
	if mine == nil {
		mine = map[string]int{}
		s.subs[session] = mine
	}

	if mine[uri] += by; mine[uri] <= 0 || len(mine) > maxSubscriptions {
		delete(mine, uri)
	}
	s.wants.Do(func() { close(s.wanted) })
}

// listenKey is what a stream is known by: over HTTP it is a request of its own.
func listenKey(ctx context.Context, id any) any {
	if c := callerOf(ctx); c != nil {
		return c
	}

	return fmt.Sprint(id)
}

// listen begins a stream of subscriptions/listen.
func (s *Server) listen(ctx context.Context, id any, want mcp.SubscriptionFilter) {
	out, ok := ctx.Value(streamKey{}).(stream)
	if !ok {
		return
	}
	want.ResourceSubscriptions = want.ResourceSubscriptions[:min(len(want.ResourceSubscriptions), maxSubscriptions)]

	l := &listener{out: out, id: id, filter: want}
	if c := callerOf(ctx); c != nil {
		l.checkout = c.checkout
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[listenKey(ctx, id)] = l
	s.wants.Do(func() { close(s.wanted) })
}

func (s *Server) unlisten(key any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, key)
}

// followers are the streams of a checkout.
func (s *Server) followers(checkout string) (out []*listener) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, l := range s.listeners {
		if l.checkout == checkout {
			out = append(out, l)
		}
	}

	return out
}

// subscribed are the resources that a session follows, and whether it has listed
// them: whoever has not need not hear that the list is another.
func (s *Server) subscribed(session string) (uris []string, listed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for uri := range s.subs[session] {
		uris = append(uris, uri)
	}

	return uris, s.listed[session]
}

// announceChange tells the calling session, before its answer, and the streams that
// follow the same checkout that a call may have changed what resources say, and
// which there are.
func (s *Server) announceChange(ctx context.Context, tool string, ok bool) {
	more := ok && (tool == "start_campaign" || tool == "run_experiment") // campaigns and experiments are listed

	checkout := ""
	if c := callerOf(ctx); c != nil {
		checkout = c.checkout
	}

	for _, l := range s.followers(checkout) {
		err := l.notifyUpdates()
		if more && l.filter.ResourcesListChanged && err == nil {
			err = l.notify(methodListChanged, nil)
		}
		s.logUnsent(err)
	}

	session, known := subscriber(ctx)
	if !known || featuresOf(ctx).modern {
		return
	}

	uris, listed := s.subscribed(session)
	for _, uri := range uris {
		s.logUnsent(notifyCaller(ctx, methodUpdated, map[string]any{"uri": uri}))
	}

	if more && listed {
		s.logUnsent(notifyCaller(ctx, methodListChanged, nil))
	}
}

func (s *Server) logUnsent(err error) {
	if err != nil {
		s.opt.Log.Debug("notification not sent", "err", err)
	}
}
