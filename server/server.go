// Package server shows package tools to agents over MCP. mcp-go lives here
// and nowhere else.
//
// A server does nothing before the first tool call that needs it: no git, no
// ledger, no file is touched to initialise or to list. It holds no state of a
// campaign; it may die at any moment, and what runs goes on.
//
// A session marks the checkout that it calls in (lab.Attend), until it ends:
// over standard streams with the stream, over HTTP by DELETE, some minutes
// after its last call, or with the server.
//
// Over HTTP a request names its checkout in the URL and its token's name joins
// the client's; a session is only a name, carried in its id, so that it
// outlives the server and costs it nothing but, while it is used, a laboratory.
//
// Limits: one ServeStdio at a time in a process (mcp-go has one stdio session
// for all its servers). A client that skips initialize is served too, as an
// unnamed client. HTTP has no stream of its own for what the server has to say
// (GET is refused): progress and updates come in the answers to calls, and in
// subscriptions/listen. HTTP/1.1 only. Clients of protocols without sessions
// are told from each other by token and name: two of one name and one token in
// one checkout are one session.
package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/lab"
	"ratchet/prompts"
	"ratchet/tools"
)

// Options are what a server needs to know.
type Options struct {
	// Version is Ratchet's, as clients see it.
	Version string
	// Open opens the checkout's laboratory for a client. It is called at the
	// first tool call of each client, and again after it failed; its error
	// becomes the tool's answer. Several calls may run at once.
	Open func(ctx context.Context, clientName, clientVersion string) (*lab.Lab, error)
	// Log gets what goes wrong inside; nil discards it. It must not write to
	// the stream that ServeStdio answers on.
	Log *slog.Logger
}

// Server is an MCP server with Ratchet's tools, prompts and resources. Its
// methods may be called from several goroutines.
type Server struct {
	opt Options
	mcp *mcpserver.MCPServer

	find   func(ctx context.Context) (*lab.Lab, error)                      // of HTTP; nil: one checkout, by Options.Open
	called func(ctx context.Context, tool, code string, took time.Duration) // after every call; nil: nobody counts
	ending <-chan struct{}                                                  // closed when calls that wait have to answer; nil: never

	mu        sync.Mutex
	labs      map[mcpClient]*lab.Lab
	subs      map[string]map[string]int // session → resource → subscriptions
	listeners map[*caller]*listener     // streams of subscriptions/listen over HTTP
}

type mcpClient struct{ name, version string }

// New makes a server. Nothing is opened or started.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{opt: o, labs: map[mcpClient]*lab.Lab{}, subs: map[string]map[string]int{},
		listeners: map[*caller]*listener{}}
	s.mcp = mcpserver.NewMCPServer("ratchet", o.Version,
		mcpserver.WithTitle("Ratchet"),
		mcpserver.WithInstructions(prompts.Instructions),
		mcpserver.WithToolCapabilities(true),
		mcpserver.WithPromptCapabilities(true),
		mcpserver.WithResourceCapabilities(true, true),
		mcpserver.WithLogging(),
		mcpserver.WithHooks(s.subscriptionHooks()),
	)
	s.addTools()
	s.addPrompts()
	s.addResources()
	return s
}

func (s *Server) addTools() {
	var all []mcpserver.ServerTool
	for _, t := range tools.All() {
		no := false
		tool := mcp.NewToolWithRawSchema(t.Name, t.About, t.Input())
		tool.RawOutputSchema = t.Output()
		tool.Annotations = mcp.ToolAnnotation{
			ReadOnlyHint: &t.ReadOnly, DestructiveHint: &t.Destructive, IdempotentHint: &t.Idempotent, OpenWorldHint: &no,
		}
		all = append(all, mcpserver.ServerTool{Tool: tool, Handler: s.handler(t)})
	}
	s.mcp.AddTools(all...)
}

func (s *Server) addPrompts() {
	for _, p := range prompts.All() {
		desc := mcp.Prompt{Name: p.Name, Title: p.Title, Description: p.About}
		for _, a := range p.Arguments {
			desc.Arguments = append(desc.Arguments, mcp.PromptArgument{Name: a.Name, Description: a.About})
		}
		s.mcp.AddPrompt(desc, func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			text := mcp.NewTextContent(p.Render(req.Params.Arguments))
			return mcp.NewGetPromptResult(p.About, []mcp.PromptMessage{mcp.NewPromptMessage(mcp.RoleUser, text)}), nil
		})
	}
}

// clientOf is what the client of ctx calls itself.
func clientOf(ctx context.Context) (c mcpClient) {
	if session, ok := mcpserver.ClientSessionFromContext(ctx).(mcpserver.SessionWithClientInfo); ok {
		info := session.GetClientInfo()
		c = mcpClient{info.Name, info.Version}
	}
	return c
}

// open is the laboratory of the client that ctx belongs to.
func (s *Server) open(ctx context.Context) (*lab.Lab, error) {
	if s.find != nil {
		return s.find(ctx)
	}
	c := clientOf(ctx)
	s.mu.Lock()
	l := s.labs[c]
	s.mu.Unlock()
	if l == nil {
		var err error
		if l, err = s.opt.Open(ctx, c.name, c.version); err != nil {
			return nil, err
		}
		l = s.keep(c, l)
	}
	l.Attend()
	return l, nil
}

// keep makes l the laboratory of c, unless another call was faster. It returns
// the one that counts.
func (s *Server) keep(c mcpClient, l *lab.Lab) *lab.Lab {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.labs[c] == nil {
		s.labs[c] = l
	}
	return s.labs[c]
}

// leave ends the sessions of all laboratories.
func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.labs {
		l.Leave()
	}
	clear(s.labs)
}
