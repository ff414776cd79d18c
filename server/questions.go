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
)

// questions are the requests that this server has made of clients and that are
// not answered yet. Clients of 2026-07-28 get none: their calls are answered
// with what is needed, and made again.
type questions struct {
	mu   sync.Mutex
	open map[int64]question
	last int64 // id; the first is random, so that a late answer to an earlier server fits none
}

type question struct {
	session string // that must answer (sessionKeyOf)
	answer  chan json.RawMessage
}

// clientAnswer is a client's answer to a question.
type clientAnswer struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// askSession makes a new question for a session.
func (q *questions) askSession(session string) (id int64, answer <-chan json.RawMessage) {
	q.mu.Lock()
	defer q.mu.Unlock()

	if q.open == nil {
		var random [8]byte
		_, _ = rand.Read(random[:]) // never fails
		q.open = map[int64]question{}
		q.last = int64(binary.BigEndian.Uint64(random[:]) >> 20)
	}

	q.last++
	c := make(chan json.RawMessage, 1)
	q.open[q.last] = question{session, c}

	return q.last, c
}

func (q *questions) remove(id int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, id)
}

// deliver hands a message to the question that it answers. It returns false if no
// question of that session has this id.
func (q *questions) deliver(session string, id json.RawMessage, message []byte) bool {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()

	asked, ok := q.open[n]
	if !ok || asked.session != session {
		return false
	}
	delete(q.open, n)
	asked.answer <- json.RawMessage(message)

	return true
}

// sessionKeyOf names the session that ctx belongs to, for questions and their
// answers. It is "" on standard streams.
func sessionKeyOf(ctx context.Context) string {
	if c := callerOf(ctx); c != nil {
		return c.token + "\n" + c.session + "\n" + c.checkout
	}

	return ""
}

// askClient makes a request of the client on the call's own stream, and waits for
// its result, for patience at most. A question that is not answered is cancelled.
func (s *Server) askClient(
	ctx context.Context, method mcp.MCPMethod, params any, patience time.Duration,
) (json.RawMessage, error) {
	to, ok := ctx.Value(streamKey{}).(stream)
	if !ok {
		return nil, errNoStream
	}

	id, answer := s.questions.askSession(sessionKeyOf(ctx))
	defer s.questions.remove(id)

	if err := sendRequest(to, id, method, params); err != nil {
		return nil, err
	}

	timeout := time.NewTimer(patience)
	defer timeout.Stop()

	var err error
	select {
	case message := <-answer:
		return decodeAnswer(method, message)
	case <-timeout.C:
		err = fmt.Errorf("%s was not answered within %s", method, patience)
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.ending: // nil on standard streams: never
		err = errors.New("the server is being stopped")
	}
	_ = notifyClient(ctx, "notifications/cancelled", map[string]any{"requestId": id, "reason": "no answer in time"})

	return nil, err
}

func decodeAnswer(method mcp.MCPMethod, message json.RawMessage) (json.RawMessage, error) {
	var answer clientAnswer
	if err := json.Unmarshal(message, &answer); err != nil {
		return nil, fmt.Errorf("decode the answer to %s: %w", method, err)
	}

	if answer.Error != nil {
		return nil, fmt.Errorf("%s was refused: %s", method, answer.Error.Message)
	}

	return answer.Result, nil
}
