package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

// questions are the requests that this server has made of clients and that are
// not answered yet. Clients of 2026-07-28 get none: their calls are answered
// with what is needed, and made again.
type questions struct {
	mu   sync.Mutex
	last int64 // id; they begin anywhere, so that a late answer to a server before this one fits none
	open map[int64]question
}

type question struct {
	who    string // must answer
	answer chan json.RawMessage
}

// asked is a client's answer to a question.
type asked struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// put makes a new question for who.
func (q *questions) put(who string) (id int64, answer <-chan json.RawMessage) {
	q.mu.Lock()
	defer q.mu.Unlock()

	if q.open == nil {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		q.open, q.last = map[int64]question{}, int64(binary.BigEndian.Uint64(b[:])>>20)
	}

	q.last++
	c := make(chan json.RawMessage, 1)
	q.open[q.last] = question{who, c}

	return q.last, c
}

func (q *questions) drop(id int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, id)
}

// answered hands a message to the question that it answers. It returns false
// if there is none that waits for who.
func (q *questions) answered(who string, id json.RawMessage, message []byte) bool {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()

	one, ok := q.open[n]
	if !ok || one.who != who {
		return false
	}
	delete(q.open, n)

	one.answer <- json.RawMessage(message)

	return true
}

// who names the session that ctx belongs to, for questions and their answers.
func who(ctx context.Context) string {
	if c := callerOf(ctx); c != nil {
		return c.token + "\n" + c.session + "\n" + c.checkout
	}

	return ""
}

// ask makes a request of the client on the call's own stream, and waits for its
// result, at most so long. A question that nobody answers is cancelled.
func (s *Server) ask(
	ctx context.Context, method mcp.MCPMethod, params any, patience time.Duration,
) (json.RawMessage, error) {
	to, ok := ctx.Value(streamKey{}).(stream)
	if !ok {
		return nil, errNoStream
	}

	id, answer := s.questions.put(who(ctx))
	defer s.questions.drop(id)

	b, err := json.Marshal(struct {
		Version string        `json:"jsonrpc"`
		ID      int64         `json:"id"`
		Method  mcp.MCPMethod `json:"method"`
		Params  any           `json:"params,omitempty"`
	}{"2.0", id, method, params})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", method, err)
	}

	if err := to.send(b); err != nil {
		return nil, err
	}

	limit := time.NewTimer(patience)
	defer limit.Stop()

	select {
	case message := <-answer:
		var a asked
		if err := json.Unmarshal(message, &a); err != nil {
			return nil, fmt.Errorf("decode the answer to %s: %w", method, err)
		}

		if a.Error != nil {
			return nil, fmt.Errorf("%s was refused: %s", method, a.Error.Message)
		}

		return a.Result, nil
	case <-limit.C:
		err = fmt.Errorf("%s was not answered within %s", method, patience)
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.ending: // nil, and so never, on standard streams
		err = errors.New("the server is being stopped")
	}
	_ = notifyClient(ctx, "notifications/cancelled", map[string]any{"requestId": id, "reason": "no answer in time"})

	return nil, err
}

// era says how a call's client can be asked for something.
type era struct {
	modern bool // its answer says what is needed, and it calls again
	caps   mcp.ClientCapabilities
}

// eraOf is what the client of ctx said of itself: in this request, at the
// beginning of the session, or in the id of an HTTP session.
func eraOf(ctx context.Context) era {
	if info := mcpserver.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		e := era{modern: true}
		if info.ClientCapabilities != nil {
			e.caps = *info.ClientCapabilities
		}

		return e
	}

	if c := callerOf(ctx); c != nil {
		var e era
		if c.forms {
			e.caps.Elicitation = &mcp.ElicitationCapability{}
		}

		return e
	}

	if session, ok := mcpserver.ClientSessionFromContext(ctx).(mcpserver.SessionWithClientInfo); ok {
		return era{caps: session.GetClientCapabilities()}
	}

	return era{}
}

// fillsForms says whether the client can show its person a form: one that says
// nothing of kinds can.
func fillsForms(e *mcp.ElicitationCapability) bool {
	return e != nil && (e.Form != nil || e.URL == nil)
}
