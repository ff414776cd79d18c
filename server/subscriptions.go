package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

const (
	maxSubscriptions = 64 // resources that one session or stream follows; further ones are ignored

	methodUpdated     = "notifications/resources/updated"
	methodListChanged = "notifications/resources/list_changed"
)

// subscriptions are what sessions and streams want to be notified of: resources,
// in the old protocols (subscribe, unsubscribe) and the new one (listen), and log
// messages. They are kept here because mcp-go's sessions do not outlive a request
// over HTTP.
type subscriptions struct {
	mu        sync.Mutex
	resources map[string]map[string]int   // session → URI → how often it is subscribed to
	levels    map[string]mcp.LoggingLevel // session → the least severe level that it wants
	listed    map[string]bool             // sessions that know which resources there are
	listeners map[any]*listener           // by listenKey

	first     chan struct{} // closed by the first subscription
	firstOnce sync.Once
}

func newSubscriptions() *subscriptions {
	return &subscriptions{
		resources: map[string]map[string]int{},
		levels:    map[string]mcp.LoggingLevel{},
		listed:    map[string]bool{},
		listeners: map[any]*listener{},
		first:     make(chan struct{}),
	}
}

// listener is a stream of subscriptions/listen (2026-07-28).
type listener struct {
	out      stream
	id       any    // of the request, which tags what is sent
	checkout string // "" on standard streams, where there is one
	filter   mcp.SubscriptionFilter
}

// notify sends a notification that carries the listener's id.
func (l *listener) notify(method string, params map[string]any) error {
	if params == nil {
		params = map[string]any{}
	}
	params["_meta"] = map[string]any{mcp.MetaKeySubscriptionID: l.id}

	return sendNotification(l.out, method, params)
}

// notifyUpdates says that the listener's resources may have changed.
func (l *listener) notifyUpdates() error {
	for _, uri := range l.filter.ResourceSubscriptions {
		if err := l.notify(methodUpdated, map[string]any{"uri": uri}); err != nil {
			return err
		}
	}

	return nil
}

// newHooks are mcp-go's, which keep the subscriptions up to date and add the
// experiments to lists of resources.
func (s *Server) newHooks() *mcpserver.Hooks {
	hooks := &mcpserver.Hooks{}

	hooks.AddBeforeAny(func(ctx context.Context, id any, _ mcp.MCPMethod, message any) {
		switch m := message.(type) {
		case *mcp.SubscribeRequest:
			s.subs.subscribe(ctx, m.Params.URI)
		case *mcp.UnsubscribeRequest:
			s.subs.unsubscribe(ctx, m.Params.URI)
		case *mcp.SubscriptionsListenRequest:
			s.subs.addListener(ctx, id, m.Params.Notifications)
		case *mcp.SetLevelRequest:
			s.subs.setLevel(ctx, m.Params.Level)
		}
	})

	hooks.AddAfterSubscriptionsListen(
		func(ctx context.Context, id any, _ *mcp.SubscriptionsListenRequest, _ *mcp.SubscriptionsListenResult) {
			s.subs.removeListener(listenKey(ctx, id))
		})

	hooks.AddAfterListResources(
		func(ctx context.Context, _ any, m *mcp.ListResourcesRequest, r *mcp.ListResourcesResult) {
			s.addExperiments(ctx, m.Params.Cursor, r)
		})

	hooks.AddOnUnregisterSession(func(_ context.Context, session mcpserver.ClientSession) {
		s.subs.forget(session.SessionID())
	})

	return hooks
}

// subscriberOf names the session that ctx belongs to; ok is false for one that can
// have no subscriptions.
func subscriberOf(ctx context.Context) (id string, ok bool) {
	if c := callerOf(ctx); c != nil {
		return c.session, c.session != ""
	}

	if session := mcpserver.ClientSessionFromContext(ctx); session != nil {
		return session.SessionID(), true
	}

	return "", false
}

// subscribe counts one more subscription of ctx's session to a resource.
func (s *subscriptions) subscribe(ctx context.Context, uri string) {
	session, ok := subscriberOf(ctx)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	counts := s.resources[session]
	if counts == nil {
		counts = map[string]int{}
		s.resources[session] = counts
	}

	if _, known := counts[uri]; known || len(counts) < maxSubscriptions {
		counts[uri]++
	}
	s.noteFirst()
}

// unsubscribe takes one subscription of ctx's session to a resource back.
func (s *subscriptions) unsubscribe(ctx context.Context, uri string) {
	session, ok := subscriberOf(ctx)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	counts := s.resources[session]
	if counts[uri] > 1 {
		counts[uri]--
	} else {
		delete(counts, uri)
	}
}

// noteFirst notes that there is something to watch for. mu is held.
func (s *subscriptions) noteFirst() { s.firstOnce.Do(func() { close(s.first) }) }

// forget drops what a session wanted to be notified of.
func (s *subscriptions) forget(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.resources, session)
	delete(s.levels, session)
	delete(s.listed, session)
}

// listenKey identifies a stream: over HTTP by its caller, since it is a request
// of its own, else by the request's id.
func listenKey(ctx context.Context, id any) any {
	if c := callerOf(ctx); c != nil {
		return c
	}

	return fmt.Sprint(id)
}

// addListener begins a stream of subscriptions/listen.
func (s *subscriptions) addListener(ctx context.Context, id any, filter mcp.SubscriptionFilter) {
	out, ok := ctx.Value(streamKey{}).(stream)
	if !ok {
		return
	}

	uris := filter.ResourceSubscriptions
	filter.ResourceSubscriptions = uris[:min(len(uris), maxSubscriptions)]

	l := &listener{out: out, id: id, filter: filter}
	if c := callerOf(ctx); c != nil {
		l.checkout = c.checkout
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[listenKey(ctx, id)] = l
	s.noteFirst()
}

func (s *subscriptions) removeListener(key any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, key)
}

// listener is the stream of that key, nil if there is none.
func (s *subscriptions) listener(key any) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.listeners[key]
}

// listenersOf are the streams of a checkout.
func (s *subscriptions) listenersOf(checkout string) (listeners []*listener) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, l := range s.listeners {
		if l.checkout == checkout {
			listeners = append(listeners, l)
		}
	}

	return listeners
}

// resourcesOf are the resources that a session follows.
func (s *subscriptions) resourcesOf(session string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Collect(maps.Keys(s.resources[session]))
}

// noteListed notes that ctx's session knows which resources there are.
func (s *subscriptions) noteListed(ctx context.Context) {
	session, ok := subscriberOf(ctx)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed[session] = true
}

// hasListed says whether a session knows which resources there are. One that does
// not need not be notified that the list has changed.
func (s *subscriptions) hasListed(session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.listed[session]
}

// announceChange notifies the calling session, before its answer, and the streams
// of the same checkout that a call of tool may have changed what resources say,
// and which there are.
func (s *Server) announceChange(ctx context.Context, tool string, ok bool) {
	listChanged := ok && (tool == "start_campaign" || tool == "run_experiment") // these are listed

	checkout := ""
	if c := callerOf(ctx); c != nil {
		checkout = c.checkout
	}

	for _, l := range s.subs.listenersOf(checkout) {
		err := l.notifyUpdates()
		if err == nil && listChanged && l.filter.ResourcesListChanged {
			err = l.notify(methodListChanged, nil)
		}
		s.logUnsent(err)
	}

	session, known := subscriberOf(ctx)
	if !known || featuresOf(ctx).modern {
		return
	}

	for _, uri := range s.subs.resourcesOf(session) {
		s.logUnsent(notifyClient(ctx, methodUpdated, map[string]any{"uri": uri}))
	}

	if listChanged && s.subs.hasListed(session) {
		s.logUnsent(notifyClient(ctx, methodListChanged, nil))
	}
}

func (s *Server) logUnsent(err error) {
	if err != nil {
		s.opt.Log.Debug("notification not sent", "err", err)
	}
}
