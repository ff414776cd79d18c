package server

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

const maxSubscriptions = 64 // resources that one session or stream follows; more are not heard of

// listener is a stream of subscriptions/listen over HTTP.
type listener struct {
	stream mcpserver.ClientSession
	uris   []string
}

// subscriptionHooks follow who wants to know of which resource, in the old
// protocols (subscribe, unsubscribe) and the new one (listen): mcp-go's
// sessions do not.
func (s *Server) subscriptionHooks() *mcpserver.Hooks {
	h := &mcpserver.Hooks{}
	h.AddBeforeAny(func(ctx context.Context, _ any, _ mcp.MCPMethod, message any) {
		switch m := message.(type) {
		case *mcp.SubscribeRequest:
			s.subscribe(ctx, +1, m.Params.URI)
		case *mcp.UnsubscribeRequest:
			s.subscribe(ctx, -1, m.Params.URI)
		case *mcp.SubscriptionsListenRequest:
			s.listen(ctx, +1, m.Params.Notifications.ResourceSubscriptions)
		}
	})
	h.AddAfterSubscriptionsListen(func(ctx context.Context, _ any, m *mcp.SubscriptionsListenRequest, _ *mcp.SubscriptionsListenResult) {
		s.listen(ctx, -1, m.Params.Notifications.ResourceSubscriptions)
	})
	h.AddOnUnregisterSession(func(_ context.Context, session mcpserver.ClientSession) { s.forget(session.SessionID()) })
	return h
}

// forget drops a session's subscriptions.
func (s *Server) forget(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, session)
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

func (s *Server) subscribe(ctx context.Context, by int, uris ...string) {
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
	for _, uri := range uris {
		if mine[uri] += by; mine[uri] <= 0 || len(mine) > maxSubscriptions {
			delete(mine, uri)
		}
	}
}

// listen begins (+1) or ends (-1) a stream of subscriptions/listen. On standard
// streams all of a client's calls share one session; over HTTP the stream is a
// request of its own, and other requests' changes are pushed into it.
func (s *Server) listen(ctx context.Context, by int, uris []string) {
	c := callerOf(ctx)
	if c == nil {
		s.subscribe(ctx, by, uris...)
		return
	}
	if by < 0 {
		s.unlisten(c)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[c] = &listener{mcpserver.ClientSessionFromContext(ctx), uris[:min(len(uris), maxSubscriptions)]}
}

func (s *Server) unlisten(c *caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, c)
}

// changed tells the calling session's subscriptions, and the streams that
// follow the same checkout, that the ledger may have moved. Changes by other
// processes are seen at the next call.
func (s *Server) changed(ctx context.Context) {
	session, ok := subscriber(ctx)
	s.mu.Lock()
	var uris []string
	if ok {
		for uri := range s.subs[session] {
			uris = append(uris, uri)
		}
	}
	if c := callerOf(ctx); c != nil {
		for who, l := range s.listeners {
			if who.checkout == c.checkout {
				push(l.stream, l.uris)
			}
		}
	}
	s.mu.Unlock()
	for _, uri := range uris {
		if err := s.mcp.SendNotificationToClient(ctx, updated, map[string]any{"uri": uri}); err != nil {
			s.opt.Log.Debug("update not sent", "uri", uri, "err", err)
		}
	}
}

const updated = "notifications/resources/updated"

// push hands updates to a stream, unless it is full: then its client has not
// read for long and will look anyway.
func push(stream mcpserver.ClientSession, uris []string) {
	for _, uri := range uris {
		n := mcp.JSONRPCNotification{JSONRPC: mcp.JSONRPC_VERSION, Notification: mcp.Notification{
			Method: updated, Params: mcp.NotificationParams{AdditionalFields: map[string]any{"uri": uri}}}}
		select {
		case stream.NotificationChannel() <- n:
		default:
		}
	}
}
