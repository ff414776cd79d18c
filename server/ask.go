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
	from   string // must answer
	answer chan json.RawMessage
}

// clientAnswer is a client's answer to a question.
type clientAnswer struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// add makes a new question for who.
func (q *questions) add(who string) (id int64, answer <-chan json.RawMessage) {
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

func (q *questions) remove(id int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, id)
}

// deliver hands a message to the question that it answers. It returns false
// if there is none that waits for who.
func (q *questions) deliver(who string, id json.RawMessage, message []byte) bool {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()

	one, ok := q.open[n]
	if !ok || one.from != who {
		return false
	}
	delete(q.open, n)

	one.answer <- json.RawMessage(message)

	return true
}

// sessionKeyOf names the session that ctx belongs to, for questions and their answers.
func sessionKeyOf(ctx context.Context) string {
	if c := callerOf(ctx); c != nil {
		return c.token + "\n" + c.session + "\n" + c.checkout
	}

	return ""
}

// askClient makes a request of the client on the call's own stream, and waits for its
// result, at most so long. A question that nobody answers is cancelled.
func (s *Server) askClient(
	ctx context.Context, method mcp.MCPMethod, params any, patience time.Duration,
) (json.RawMessage, error) {
	to, ok := ctx.Value(streamKey{}).(stream)
	if !ok {
		return nil, errNoStream
	}

	id, answer := s.questions.add(sessionKeyOf(ctx))
	defer s.questions.remove(id)

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
		var a clientAnswer
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
	_ = notifyCaller(ctx, "notifications/cancelled", map[string]any{"requestId": id, "reason": "no answer in time"})

	return nil, err
}

// clientFeatures says how a call's client can be asked for something.
type clientFeatures struct {
	modern       bool // its answer says what is needed, and it calls again
	capabilities mcp.ClientCapabilities
}

// featuresOf is what the client of ctx said of itself: in this request, at the
// beginning of the session, or in the id of an HTTP session.
func featuresOf(ctx context.Context) clientFeatures {
	if info := mcpserver.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		e := clientFeatures{modern: true}
		if info.ClientCapabilities != nil {
			e.capabilities = *info.ClientCapabilities
		}

		return e
	}

	if c := callerOf(ctx); c != nil {
		var e clientFeatures
		if c.forms {
			e.capabilities.Elicitation = &mcp.ElicitationCapability{}
		}

		return e
	}

	if session, ok := mcpserver.ClientSessionFromContext(ctx).(mcpserver.SessionWithClientInfo); ok {
		return clientFeatures{capabilities: session.GetClientCapabilities()}
	}

	return clientFeatures{}
}

// canShowForm says whether the client can show its person a form: one that says
// nothing of kinds can.
func canShowForm(e *mcp.ElicitationCapability) bool {
	return e != nil && (e.Form != nil || e.URL == nil)
}
