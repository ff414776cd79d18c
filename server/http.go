package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	mcpserver "github.com/mark3labs/mcp-go/server"
	"golang.org/x/time/rate"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/server/dashboard"
	"ratchet/server/lru"
)

// HTTPOptions are what a server over HTTP needs to know.
type HTTPOptions struct {
	Version string
	// Tokens are those that let a request in. Required.
	Tokens *Tokens
	// Roots are the folders below which checkouts may be worked in. At least one.
	Roots []string
	// Open opens the laboratory of a checkout for a client. It is called at a
	// session's first tool call there, again after it failed, and again when the
	// session has been away for long. Several calls may run at once.
	Open func(ctx context.Context, checkout, clientName, clientVersion string) (*checkout.Checkout, error)
	// Listen is the host that the server is reached by ("" or a loopback name:
	// this machine only); Origins are the origins (https://host[:port]) that
	// may also be in a request's Origin, and their hosts in its Host.
	Listen  string
	Origins []string
	Limits  Limits
	// Patience is how long a call waits for its person's decision, 0: 2 min.
	Patience time.Duration
	Log      *slog.Logger // what goes wrong inside; nil discards it
	Access   *slog.Logger // one line a request: no tokens, no arguments; nil discards it
}

// Limits bound what clients can make the server spend. The zero value of each
// is the default in parentheses.
type Limits struct {
	Body    int64         // bytes of a request's body (1 MiB)
	Header  int           // bytes of its header (32 KiB)
	Arrival time.Duration // from the first byte to the end of the header, and again of the body (10 s)
	Idle    time.Duration // of a connection between requests (2 min)
	Conns   int           // connections at a time (2,048); beyond it the one idle longest goes
	Calls   int           // requests at a time (256); beyond it 503
	Streams int           // subscriptions/listen streams at a time (256); beyond it 503
	Rate    float64       // requests a second of one token, in the long run (50); beyond it 429
	Burst   int           // and at once (200)
	Drain   time.Duration // for answers under way when the server is stopped (5 s)
	Away    time.Duration // after its last call, until a session counts as gone and its laboratory goes (10 min)

	// Labs are the laboratories kept, one for each session in a checkout (256);
	// beyond it the one used longest ago goes.
	Labs int
}

func (l Limits) withDefaults() Limits {
	l.Body = cmp.Or(l.Body, 1<<20)
	l.Header = cmp.Or(l.Header, 32<<10)
	l.Arrival = cmp.Or(l.Arrival, 10*time.Second)
	l.Idle = cmp.Or(l.Idle, 2*time.Minute)
	l.Conns = cmp.Or(l.Conns, 2048)
	l.Calls = cmp.Or(l.Calls, 256)
	l.Streams = cmp.Or(l.Streams, 256)
	l.Rate = cmp.Or(l.Rate, 50)
	l.Burst = cmp.Or(l.Burst, 200)
	l.Drain = cmp.Or(l.Drain, 5*time.Second)
	l.Labs = cmp.Or(l.Labs, 256)
	l.Away = cmp.Or(l.Away, 10*time.Minute)

	return l
}

const (
	keptSessions  = 1024 // sessions whose subscriptions are remembered
	sessionIdle   = time.Hour
	sweepInterval = time.Minute
)

// HTTP is Ratchet's MCP server over streamable HTTP, for any number of clients
// and checkouts. It is an http.Handler of its own; Serve adds what needs the
// connections: their number, how slowly they may speak, and an orderly end.
type HTTP struct {
	opt     HTTPOptions
	roots   allowedRoots
	origins origins
	core    *Server
	mcp     *mcpserver.StreamableHTTPServer
	metrics *metrics

	dashboard *dashboard.Handler

	labs     *lru.Cache[labKey, *checkout.Checkout]
	sessions *lru.Cache[string, struct{}] // ids of those whose subscriptions are remembered
	calls    chan struct{}                // a place for each request under way
	streams  chan struct{}                // a place for each stream
	stopping chan struct{}                // closed when Serve has to stop: streams end
	ending   chan struct{}                // closed a little later: calls that wait answer

	mu    sync.Mutex
	rates map[string]*rate.Limiter // by token
	ended []*checkout.Checkout     // of sessions that have ended, whose answers are not recorded yet
}

// labKey is a session in a checkout: requests without a session's id are one
// session when token and client are the same.
type labKey struct {
	token, checkout, session string
	client                   mcpClient
}

// NewHTTP makes a server. Nothing is opened or started, but the roots must
// exist. Errors: CodeBadArgument.
func NewHTTP(options HTTPOptions) (*HTTP, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}

	if options.Access == nil {
		options.Access = slog.New(slog.DiscardHandler)
	}
	options.Limits = options.Limits.withDefaults()

	roots, err := resolveRoots(options.Roots)
	if err != nil {
		return nil, err
	}

	origins, err := newOrigins(options.Listen, options.Origins)
	if err != nil {
		return nil, err
	}

	h := &HTTP{
		opt:      options,
		roots:    roots,
		origins:  origins,
		core:     New(Options{Version: options.Version, Log: options.Log, Patience: options.Patience}),
		calls:    make(chan struct{}, options.Limits.Calls),
		streams:  make(chan struct{}, options.Limits.Streams),
		stopping: make(chan struct{}),
		ending:   make(chan struct{}),
		rates:    map[string]*rate.Limiter{},
	}
	h.labs = lru.New(options.Limits.Labs, options.Limits.Away, h.endSession)
	h.sessions = lru.New(keptSessions, sessionIdle, func(id string, _ struct{}) { h.core.subs.forget(id) })

	h.dashboard = dashboard.New(dashboard.Options{
		Version:  options.Version,
		Open:     options.Open,
		Roots:    roots,
		Stopping: h.stopping,
		MaxLabs:  options.Limits.Labs,
		Idle:     options.Limits.Away,
		Log:      options.Log,
	})

	h.core.findLab = h.findLab
	h.core.findOpened = h.openedLab
	h.core.onCall = h.recordCall
	h.core.ending = h.ending

	h.metrics = newMetrics(h)
	h.mcp = mcpserver.NewStreamableHTTPServer(h.core.mcp, mcpserver.WithStateLess(true),
		mcpserver.WithStreamableHTTPLogger(options.Log))

	return h, nil
}

// findLab is the laboratory of a call's session in its checkout, opened if need
// be. The checkout is marked as worked in, unless the call says neither its
// session nor its client: then it is a script's, that looks once.
func (h *HTTP) findLab(ctx context.Context) (*checkout.Checkout, error) {
	key := labKeyOf(ctx)

	co, ok := h.labs.Get(key)
	if !ok {
		opened, err := h.openLab(ctx, key)
		if err != nil {
			return nil, err
		}
		co = opened
	}

	if key.session != "" || key.client.name != "" {
		co.AttendHeard()
	}

	return co, nil
}

// openedLab is the laboratory of a call's session, nil if it is not open.
func (h *HTTP) openedLab(ctx context.Context) *checkout.Checkout {
	l, _ := h.labs.Get(labKeyOf(ctx))
	return l
}

// labKeyOf is the key of a call's laboratory.
func labKeyOf(ctx context.Context) labKey {
	c := callerOf(ctx)
	key := labKey{c.token, c.checkout, c.session, c.client}

	// In protocols without sessions every request names its client.
	if client := clientOf(ctx); client.name != "" {
		key.client = mcpClient{clipName(client.name), clipName(client.version)}
	}

	return key
}

// endSession ends the session of a laboratory that leaves the cache. Others see it
// at once; what is recorded of it waits for recordEnded, outside the cache's lock.
func (h *HTTP) endSession(_ labKey, co *checkout.Checkout) {
	co.Leave()

	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = append(h.ended, co)
}

// recordEnded records how much the sessions that have ended were answered.
func (h *HTTP) recordEnded(ctx context.Context) {
	h.mu.Lock()
	ended := h.ended
	h.ended = nil
	h.mu.Unlock()

	h.core.endLabs(ctx, ended...)
}

func (h *HTTP) openLab(ctx context.Context, key labKey) (*checkout.Checkout, error) {
	name := cmp.Or(key.client.name, "unnamed") + "@" + key.token

	co, err := h.opt.Open(ctx, key.checkout, name, key.client.version)
	if err != nil {
		return nil, err
	}

	if !h.roots.Contain(co.Root()) { // by git's core.worktree
		return nil, repositoryError("serve that folder too, with --root",
			"the checkout's files lie outside the allowed folders")
	}
	co = h.labs.GetOrAdd(key, co) // of two first calls at once, one's laboratory is kept

	h.mu.Lock()
	tooMany := len(h.ended) >= h.opt.Limits.Labs // they end faster than Serve records them
	h.mu.Unlock()

	if tooMany {
		h.recordEnded(ctx)
	}

	return co, nil
}

// closeSession ends a session that its client deletes, in all checkouts that it
// used with this token.
func (h *HTTP) closeSession(ctx context.Context, token, session string) {
	h.labs.RemoveIf(func(k labKey) bool { return k.token == token && k.session == session })
	h.recordEnded(ctx)
	h.sessions.RemoveIf(func(id string) bool { return id == session })
}

// recordCall notes a tool call for the metrics and the access log.
func (h *HTTP) recordCall(ctx context.Context, tool, code string, took time.Duration) {
	c := callerOf(ctx)
	c.tool, c.code = tool, code
	h.metrics.countCall(tool, code, took)
}

// Serve answers on l until ctx is done. Then nothing new is accepted, streams
// end, and what is under way has Limits.Drain to be answered: calls that wait
// are answered at half of it, with the advice to come back. Runs go on: they are
// not the server's processes. All sessions leave their checkouts. It returns nil
// after an orderly end. Call it once.
func (h *HTTP) Serve(ctx context.Context, l net.Listener) error {
	srv := h.newHTTPServer()

	defer func() {
		h.labs.RemoveIf(func(labKey) bool { return true })
		h.recordEnded(ctx)
	}()

	var serving sync.WaitGroup
	defer serving.Wait()

	failed := make(chan error, 1)
	serving.Go(func() { failed <- srv.Serve(l) })

	sweep := time.NewTicker(min(sweepInterval, h.opt.Limits.Away))
	defer sweep.Stop()

	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			h.shutDown(ctx, srv)
			return nil
		case <-sweep.C:
			h.labs.RemoveExpired()
			h.sessions.RemoveExpired()
			h.dashboard.RemoveExpired()
			h.recordEnded(ctx)
		}
	}
}

func (h *HTTP) newHTTPServer() *http.Server {
	limits := h.opt.Limits
	http1 := new(http.Protocols)
	http1.SetHTTP1(true)

	return &http.Server{
		Handler:           h,
		Protocols:         http1,
		ReadHeaderTimeout: limits.Arrival,
		IdleTimeout:       limits.Idle,
		MaxHeaderBytes:    limits.Header,
		ConnState:         h.metrics.limitConnections(limits.Conns).trackState,
		ErrorLog:          slog.NewLogLogger(h.opt.Log.Handler(), slog.LevelDebug),
	}
}

// shutDown ends streams, lets calls be answered for Limits.Drain, and cuts off
// what is left.
func (h *HTTP) shutDown(ctx context.Context, srv *http.Server) {
	close(h.stopping)

	endCalls := time.AfterFunc(h.opt.Limits.Drain/2, func() { close(h.ending) })
	defer endCalls.Stop()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.opt.Limits.Drain)
	defer cancel()

	if err := srv.Shutdown(ctx); err != nil {
		err = errors.Join(err, srv.Close())
		h.opt.Log.Warn("some answers were cut off", "err", err)
	}
}

// allowRequest says whether the token may make one more request now.
func (h *HTTP) allowRequest(token string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	limiter := h.rates[token]
	if limiter == nil {
		if len(h.rates) >= 2*maxTokens { // most are of tokens that were revoked
			clear(h.rates)
		}
		limiter = rate.NewLimiter(rate.Limit(h.opt.Limits.Rate), h.opt.Limits.Burst)
		h.rates[token] = limiter
	}

	return limiter.Allow()
}

// refusal is an answer without MCP: an HTTP status and what research.Describe says.
type refusal struct {
	status int
	err    error
	header map[string]string // of the answer, also
}

func newRefusal(status int, code research.Code, next, format string, args ...any) *refusal {
	return &refusal{status: status, err: research.Errorf(code, next, format, args...)}
}
