package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/tools"
)

const (
	programURI     = "ratchet://program"
	briefURI       = "ratchet://brief"
	logURI         = "ratchet://log.tsv"
	experimentsURI = "ratchet://experiments/"
	logRows        = 1000 // newest experiments in log.tsv
)

func (s *Server) addResources() {
	s.mcp.AddResource(mcp.Resource{URI: programURI, Name: "program", MIMEType: "text/markdown",
		Description: "program.md: the contract and the research direction"}, s.reader("text/markdown", s.program))
	s.mcp.AddResource(mcp.Resource{URI: briefURI, Name: "brief", MIMEType: "text/plain",
		Description: "What a session needs to go on"}, s.reader("text/plain", s.logView(`{"view":"brief"}`)))
	s.mcp.AddResource(mcp.Resource{URI: logURI, Name: "log.tsv", MIMEType: "text/tab-separated-values",
		Description: "The newest experiments, one a line"}, s.reader("text/tab-separated-values", s.log))
	template := mcp.NewResourceTemplate(experimentsURI+"{n}", "experiment", mcp.WithTemplateMIMEType("text/plain"),
		mcp.WithTemplateDescription("One experiment with its runs and diff"))
	s.mcp.AddResourceTemplate(template, func(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		args, err := json.Marshal(map[string]any{"view": "experiment",
			"query": strings.TrimPrefix(req.Params.URI, experimentsURI), "limit": 16 << 10})
		if err != nil {
			return nil, err
		}
		return s.reader("text/plain", s.logView(string(args)))(ctx, req)
	})
}

// reader makes a resource of a text. Errors carry code, sentence and next step.
func (s *Server) reader(mime string, text func(context.Context) (string, error)) mcpserver.ResourceHandlerFunc {
	return func(ctx context.Context, req mcp.ReadResourceRequest) (_ []mcp.ResourceContents, err error) {
		defer func() {
			if r := recover(); r != nil {
				s.opt.Log.Error("panic in a resource", "uri", req.Params.URI, "panic", r)
				err = errors.New(tools.Refusal(errors.New("panic")).Text)
			}
		}()
		t, err := text(ctx)
		if err != nil {
			return nil, errors.New(tools.Refusal(err).Text)
		}
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: req.Params.URI, MIMEType: mime, Text: t}}, nil
	}
}

func (s *Server) program(ctx context.Context) (string, error) {
	l, err := s.open(ctx)
	if err != nil {
		return "", err
	}
	text, err := l.ProgramText(ctx)
	return tools.Clean(text), err
}

func (s *Server) log(ctx context.Context) (string, error) {
	l, err := s.open(ctx)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = tools.WriteTSV(ctx, l, &b, logRows)
	return b.String(), err
}

// logView is the text of a read_log call.
func (s *Server) logView(args string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		t, _ := tools.Get("read_log")
		a, err := t.Call(ctx, tools.Env{Open: s.open}, json.RawMessage(args))
		return a.Text, err
	}
}

// subscriptionHooks follow who wants to know of which resource, in the old
// protocols (subscribe, unsubscribe) and the new one (listen): mcp-go's stdio
// session does not.
func (s *Server) subscriptionHooks() *mcpserver.Hooks {
	h := &mcpserver.Hooks{}
	h.AddBeforeAny(func(ctx context.Context, _ any, _ mcp.MCPMethod, message any) {
		switch m := message.(type) {
		case *mcp.SubscribeRequest:
			s.subscribe(ctx, +1, m.Params.URI)
		case *mcp.UnsubscribeRequest:
			s.subscribe(ctx, -1, m.Params.URI)
		case *mcp.SubscriptionsListenRequest:
			s.subscribe(ctx, +1, m.Params.Notifications.ResourceSubscriptions...)
		}
	})
	h.AddAfterSubscriptionsListen(func(ctx context.Context, _ any, m *mcp.SubscriptionsListenRequest, _ *mcp.SubscriptionsListenResult) {
		s.subscribe(ctx, -1, m.Params.Notifications.ResourceSubscriptions...)
	})
	h.AddOnUnregisterSession(func(_ context.Context, session mcpserver.ClientSession) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subs, session.SessionID())
	})
	return h
}

func (s *Server) subscribe(ctx context.Context, by int, uris ...string) {
	session := mcpserver.ClientSessionFromContext(ctx)
	if session == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.subs[session.SessionID()]
	if mine == nil {
		mine = map[string]int{}
		s.subs[session.SessionID()] = mine
	}
	for _, uri := range uris {
		if mine[uri] += by; mine[uri] <= 0 {
			delete(mine, uri)
		}
	}
}

// changed tells the calling session's subscriptions that the ledger may have
// moved. Changes by other sessions are seen at the next call.
func (s *Server) changed(ctx context.Context) {
	session := mcpserver.ClientSessionFromContext(ctx)
	if session == nil {
		return
	}
	s.mu.Lock()
	var uris []string
	for uri := range s.subs[session.SessionID()] {
		uris = append(uris, uri)
	}
	s.mu.Unlock()
	for _, uri := range uris {
		if err := s.mcp.SendNotificationToClient(ctx, "notifications/resources/updated", map[string]any{"uri": uri}); err != nil {
			s.opt.Log.Debug("update not sent", "uri", uri, "err", err)
		}
	}
}
