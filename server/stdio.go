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
	initializeTimeout = 30 * time.Second // for the answer to initialize, before which nothing is passed on
)

// ServeStdio answers the messages on in, one JSON object a line, until in ends
// or ctx is done; only protocol messages go to out. When in ends, calls that
// were already read are answered, until a second has passed without an answer; a
// call that still waits then is cancelled (its run goes on). It returns nil in
// both cases, else the error of in.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	listener := mcpserver.NewStdioServer(s.mcp)
	listener.SetErrorLogger(slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelWarn))
	mcpserver.WithWorkerPoolSize(stdioWorkers)(listener)

	g := &gate{
		ctx:       ctx,
		in:        bufio.NewReaderSize(in, 64<<10),
		out:       out,
		questions: &s.questions,
		open:      map[string]bool{},
		answered:  make(chan struct{}, 1),
	}
	defer s.endSessions(ctx)

	var watcher sync.WaitGroup
	defer watcher.Wait()

	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	watcher.Go(func() { s.watchForStdio(watching, g) })

	err := listener.Listen(withStream(ctx, g), g, g)
	if ctx.Err() != nil {
		return nil
	}

	return err
}

// gate stands between the streams and mcp-go, which at the end of its input
// drops the calls that it has read but not begun, and a last line without its
// newline. The gate counts requests and answers, and passes the end on when they
// match, or when nothing was answered for drainGrace. It also holds back what
// follows an initialize until that is answered: a client may not wait, and mcp-go
// might serve its call before it knows who calls.
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
func (g *gate) Read(content []byte) (int, error) {
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
		line = bytes.TrimSpace(line)

		if len(line) > 0 && !g.deliverAnswer(line) {
			g.trackRequest(line)
			g.rest = append(line, '\n')
		}
	}

	n := copy(content, g.rest)
	g.rest = g.rest[n:]

	return n, nil
}

// envelope is what distinguishes a request from an answer.
type envelope struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

// deliverAnswer delivers a line that answers one of our questions. It returns
// false for any other line: that is mcp-go's.
func (g *gate) deliverAnswer(line []byte) bool {
	var e envelope
	if json.Unmarshal(line, &e) != nil || e.Method != "" || len(e.ID) == 0 {
		return false
	}

	return g.questions.deliver("", e.ID, line)
}

// trackRequest notes a request that has to be answered before the end.
func (g *gate) trackRequest(line []byte) {
	var e envelope
	if json.Unmarshal(line, &e) != nil || e.Method == "" || len(e.ID) == 0 {
		return
	}

	if e.Method == string(mcp.MethodSubscriptionsListen) {
		return // it ends with the stream
	}
	g.hold = e.Method == string(mcp.MethodInitialize)

	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[string(e.ID)] = true
}

// Write passes on one message. mcp-go writes each with a single call.
func (g *gate) Write(content []byte) (int, error) {
	g.writing.Lock()
	n, err := g.out.Write(content)
	g.writing.Unlock()

	var e envelope
	if json.Unmarshal(content, &e) != nil || e.Method != "" {
		return n, err
	}

	g.mu.Lock()
	delete(g.open, string(e.ID))
	g.mu.Unlock()

	select {
	case g.answered <- struct{}{}:
	default:
	}

	return n, err
}

// sendMessage writes a message of a call, or of ours.
func (g *gate) sendMessage(message []byte) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	_, err := g.out.Write(append(message, '\n'))

	return err
}

// waitAnswered waits until every request is answered, or none was for the time
// quiet. It counts ticks instead of reading the clock: while this process was
// stopped or starved, so were its calls.
func (g *gate) waitAnswered(quiet time.Duration) {
	const ticks = 10

	ticker := time.NewTicker(quiet / ticks)
	defer ticker.Stop()

	for left := ticks; left > 0 && g.hasOpenRequests(); {
		select {
		case <-g.answered:
			left = ticks
		case <-ticker.C:
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
