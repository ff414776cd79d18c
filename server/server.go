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
// What only a person decides, a call asks its client's person, where the client
// can show a form (person.go). A server outside every repository asks where its
// client works (clientroots.go). A call's messages stand before its answer
// (stream.go).
//
// Over HTTP a request names its checkout in the URL, and its token's name joins
// the client's. A session is only a name, carried in its id, so that it outlives
// the server and costs it nothing but, while it is used, a laboratory. The
// dashboard (dashboard.go) is let in here and answered by package dashboard.
//
// Limits: one ServeStdio at a time in a process (mcp-go has one stdio session
// for all its servers). A client that skips initialize is served too, as an
// unnamed client. HTTP has no stream of its own for what the server has to say
// (GET is refused): progress and updates come in the answers to calls, and in
// subscriptions/listen. HTTP/1.1 only. Clients of protocols without sessions
// are distinguished by token and name: two of one name and one token in one
// checkout are one session.
package server

import (
	"context"
	"log/slog"
	"maps"
	"ratchet/internal/checkout"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

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
	Open func(ctx context.Context, clientName, clientVersion string) (*checkout.Checkout, error)
	// At opens the laboratory of a folder, for a client that names its folders
	// (roots) after Open failed because there is no repository; nil: no client is asked.
	At func(ctx context.Context, dir, clientName, clientVersion string) (*checkout.Checkout, error)
	// Patience is how long a call waits for its person's decision, 0: 2 min.
	Patience time.Duration
	// Log gets what goes wrong inside; nil discards it. It must not write to
	// the stream that ServeStdio answers on.
	Log *slog.Logger
}

// Server is an MCP server with Ratchet's tools, prompts and resources. Its
// methods may be called from several goroutines.
type Server struct {
	opt Options
	mcp *mcpserver.MCPServer

	// Over HTTP these are set: a laboratory for each session and checkout. On
	// standard streams they are nil, and Options.Open opens the one checkout.
	findLab    func(ctx context.Context) (*checkout.Checkout, error) // opens it if need be
	findOpened func(ctx context.Context) *checkout.Checkout          // nil if it is not open
	onCall     func(ctx context.Context, tool, code string, took time.Duration)
	ending     <-chan struct{} // closed when calls that wait have to answer

	subs      *subscriptions
	questions questions
	sealer    sealer

	mu    sync.Mutex
	asked []string // decisions that a person was asked for, the last ones
	labs  map[mcpClient]*checkout.Checkout
}

// mcpClient is what a client calls itself.
type mcpClient struct{ name, version string }

// New makes a server. Nothing is opened or started.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}

	s := &Server{opt: o, subs: newSubscriptions(), sealer: newSealer(), labs: map[mcpClient]*checkout.Checkout{}}
	s.mcp = mcpserver.NewMCPServer("ratchet", o.Version,
		mcpserver.WithTitle("Ratchet"),
		mcpserver.WithInstructions(prompts.Instructions),
		mcpserver.WithToolCapabilities(true),
		mcpserver.WithPromptCapabilities(true),
		mcpserver.WithResourceCapabilities(true, true),
		mcpserver.WithLogging(),
		mcpserver.WithCompletions(),
		mcpserver.WithPromptCompletionProvider(completer{s}),
		mcpserver.WithResourceCompletionProvider(completer{s}),
		mcpserver.WithIcons(mcp.Icon{Src: iconURI(), MIMEType: "image/svg+xml", Sizes: []string{"any"}}),
		mcpserver.WithPaginationLimit(pageLimit),
		mcpserver.WithHooks(s.newHooks()),
	)
	s.addTools()
	s.addPrompts()
	s.addResources()
	addFixtures(s)

	return s
}

func (s *Server) addTools() {
	openWorld := false
	var all []mcpserver.ServerTool

	for _, t := range tools.All() {
		tool := mcp.NewToolWithRawSchema(t.Name, t.About, t.Input())
		tool.RawOutputSchema = t.Output()
		tool.Annotations = mcp.ToolAnnotation{
			ReadOnlyHint:    &t.ReadOnly,
			DestructiveHint: &t.Destructive,
			IdempotentHint:  &t.Idempotent,
			OpenWorldHint:   &openWorld,
		}

		all = append(all, mcpserver.ServerTool{Tool: tool, Handler: s.toolHandler(t)})
	}

	s.mcp.AddTools(all...)
}

func (s *Server) addPrompts() {
	for _, p := range prompts.AllPrompts() {
		prompt := mcp.Prompt{Name: p.Name, Title: p.Title, Description: p.About}
		for _, a := range p.Arguments {
			prompt.Arguments = append(prompt.Arguments, mcp.PromptArgument{Name: a.Name, Description: a.About})
		}

		s.mcp.AddPrompt(prompt, func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			text := mcp.NewTextContent(p.Render(req.Params.Arguments))
			return mcp.NewGetPromptResult(p.About, []mcp.PromptMessage{mcp.NewPromptMessage(mcp.RoleUser, text)}), nil
		})
	}
}

// clientOf is what the client of ctx calls itself, empty for one that skipped
// initialize.
func clientOf(ctx context.Context) mcpClient {
	session, ok := mcpserver.ClientSessionFromContext(ctx).(mcpserver.SessionWithClientInfo)
	if !ok {
		return mcpClient{}
	}
	info := session.GetClientInfo()

	return mcpClient{info.Name, info.Version}
}

// openLab opens the laboratory of the client that ctx belongs to, or returns the
// one that is open.
func (s *Server) openLab(ctx context.Context) (*checkout.Checkout, error) {
	find := s.findLab
	if find == nil {
		find = s.openStdioLab
	}

	co, err := find(ctx)
	if err == nil {
		noteUsedLab(ctx, co)
	}

	return co, err
}

// openStdioLab is openLab on standard streams.
func (s *Server) openStdioLab(ctx context.Context) (*checkout.Checkout, error) {
	co := s.openedLab(ctx)
	if co == nil {
		client := clientOf(ctx)

		opened, err := s.opt.Open(ctx, client.name, client.version)
		if err != nil {
			return nil, err
		}
		co = s.rememberLab(client, opened)
	}

	co.Attend()

	return co, nil
}

// openedLab is the laboratory of the client that ctx belongs to, nil if it is not
// open.
func (s *Server) openedLab(ctx context.Context) *checkout.Checkout {
	if s.findOpened != nil {
		return s.findOpened(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.labs[clientOf(ctx)]
}

// rememberLab makes l the laboratory of a client, unless another call was faster.
// It returns the client's laboratory.
func (s *Server) rememberLab(client mcpClient, co *checkout.Checkout) *checkout.Checkout {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.labs[client] == nil {
		s.labs[client] = co
	}

	return s.labs[client]
}

// anyLab is one of the open laboratories of standard streams, nil if there is none.
func (s *Server) anyLab() *checkout.Checkout {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, l := range s.labs {
		return l
	}

	return nil
}

// endSessions ends the sessions of all laboratories of standard streams.
func (s *Server) endSessions(ctx context.Context) {
	s.mu.Lock()
	labs := slices.Collect(maps.Values(s.labs))
	clear(s.labs)
	s.mu.Unlock()

	s.endLabs(ctx, labs...)
}

// endLabs ends the sessions of laboratories, and records how much their agents
// were answered.
func (s *Server) endLabs(ctx context.Context, labs ...*checkout.Checkout) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()

	for _, co := range labs {
		co.Leave()

		if err := co.RecordAnswers(ctx); err != nil {
			s.opt.Log.Info("the size of answers is not recorded", "err", err)
		}
	}
}

const (
	pageLimit  = 50               // tools, prompts and resources on a page of a list
	endTimeout = 10 * time.Second // for the records of all sessions that end at once
)
