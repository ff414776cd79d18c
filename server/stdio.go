package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

const (
	stdioWorkers      = 32               // tool calls at a time: a waiting one must not hold up stop_run
	drainGrace        = time.Second      // for the next answer under way when the client closes its end
	initializeTimeout = 30 * time.Second // for an initialize to be answered, before which nothing follows it
)

// ServeStdio answers the messages on in, one JSON object a line, until in ends
// or ctx is done; only protocol messages go to out. When in ends, calls that
// were already read are answered, until a second has passed without an answer; a
// call that still waits then is cancelled (its run goes on). It returns nil in
// both cases, else the error of in.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	std := mcpserver.NewStdioServer(s.mcp)
	std.SetErrorLogger(slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelWarn))
	mcpserver.WithWorkerPoolSize(stdioWorkers)(std)

	g := &gate{ctx: ctx, in: bufio.NewReaderSize(in, 64<<10), out: out,
		open: map[string]bool{}, answered: make(chan struct{}, 1), questions: &s.questions}
	defer s.endSessions(ctx)
	watching, stop := context.WithCancel(ctx)

	var over sync.WaitGroup
	defer over.Wait()
	defer stop()
	over.Go(func() { s.watchForStdio(watching, g) })

	err := std.Listen(withStream(ctx, g), g, g)
	if ctx.Err() != nil {
		return nil
	}

	return err
}

// gate stands between the streams and mcp-go, which at the end of its input
// drops the calls that it has read but not begun, and a last line without its
// newline. The gate counts requests and answers, and passes the end on when
// they match or nothing was answered for the grace. It also holds back what follows an
// initialize until that is answered: mcp-go might serve a call of a client that
// doesn't wait before it knows who calls.
type gate struct {
	ctx  context.Context // of ServeStdio
	in   *bufio.Reader
	out  io.Writer
	rest []byte // of the line being passed on
	err  error  // of in, once its lines are passed on
	hold bool   // an initialize was passed on

	questions *questions
	writing   sync.Mutex // of out: messages come from mcp-go, its calls and us

	mu       sync.Mutex
	open     map[string]bool // ids of requests without an answer
	answered chan struct{}   // has an entry after an answer
}

// Read passes on one line at a time, without blank ones.
func (g *gate) Read(p []byte) (int, error) {
	for len(g.rest) == 0 {
		if g.hold {
			g.hold = false
			g.waitAnswered(initializeTimeout)
		}

		if g.err != nil {
			g.waitAnswered(drainGrace)
			return 0, g.err
		}
		var line []byte

		line, g.err = g.in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 && !g.deliverAnswer(line) {
			g.trackRequest(line)
			g.rest = append(line, '\n')
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]

	return n, nil
}

// envelope is what tells a request from an answer.
type envelope struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

// deliverAnswer says whether a line answers a question of ours, and nothing else has
// to be done with it.
func (g *gate) deliverAnswer(line []byte) bool {
	var e envelope
	return json.Unmarshal(line, &e) == nil && e.Method == "" && len(e.ID) > 0 && g.questions.deliver("", e.ID, line)
}

func (g *gate) trackRequest(line []byte) {
	var e envelope
	if json.Unmarshal(line, &e) != nil || e.Method == "" || len(e.ID) == 0 ||
		e.Method == string(mcp.MethodSubscriptionsListen) {
		return // no request, or one that ends with the stream
	}
	g.hold = e.Method == string(mcp.MethodInitialize)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[string(e.ID)] = true
}

// Write passes on one message. mcp-go writes each with a single call.
func (g *gate) Write(p []byte) (int, error) {
	g.writing.Lock()
	n, err := g.out.Write(p)
	g.writing.Unlock()

	var e envelope
	if json.Unmarshal(p, &e) == nil && e.Method == "" {
		g.mu.Lock()
		delete(g.open, string(e.ID))
		g.mu.Unlock()

		select {
		case g.answered <- struct{}{}:
		default:
		}
	}

	return n, err
}

// send writes a message of a call, or of ours.
func (g *gate) send(message []byte) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	_, err := g.out.Write(append(message, '\n'))

	return err
}

// waitAnswered waits until every request is answered, or none was for so long. It
// counts looks, since where this process was kept from running, so were its calls.
func (g *gate) waitAnswered(quiet time.Duration) {
	const looks = 10

	look := time.NewTicker(quiet / looks)
	defer look.Stop()

	for left := looks; left > 0 && g.hasOpenRequests(); {
		select {
		case <-g.answered:
			left = looks
		case <-look.C:
			left--
		case <-g.ctx.Done():
			return
		}
	}
}

func (g *gate) hasOpenRequests() bool {
	g.mu.Lock()
	defer g.mu.Unlock()

	return len(g.open) > 0
}
