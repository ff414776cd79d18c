package server

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"ratchet/internal/research"
)

const (
	firstKeepAlive    = 700 * time.Millisecond // of a call that takes long: clients give up after a minute without a header
	keepAliveInterval = 10 * time.Second
	writeTimeout      = 30 * time.Second // for a client to take what is written

	eventStream = "text/event-stream"
)

// reply is the answer to one request, as mcp-go writes it. When that takes
// long, the header and a first sign of life go out on an event stream, more
// signs follow, and what mcp-go then writes as one JSON body becomes an event
// of it. It may be written from several goroutines.
type reply struct {
	w  http.ResponseWriter
	rc *http.ResponseController

	header http.Header // as mcp-go and we fill it, before it is sent
	status int         // sent, 0 before
	bytes  int64       // of the body

	mu          sync.Mutex
	stream      bool        // the client takes event streams
	base        http.Header // as it is before mcp-go fills in more
	events      bool        // an event stream has begun
	early       bool        // by the first sign, not by mcp-go
	body        *bytes.Buffer
	timer       *time.Timer
	finished    bool
	plainErrors bool // errors are not JSON-RPC's
}

func newReply(w http.ResponseWriter) *reply {
	return &reply{w: w, rc: http.NewResponseController(w), header: http.Header{}}
}

// startKeepAlive starts the signs of life, if the client takes event streams.
func (p *reply) startKeepAlive(stream bool) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.stream = stream; stream {
		p.base = p.header.Clone()
		p.timer = time.AfterFunc(firstKeepAlive, p.sendKeepAlive)
	}
}

// sendKeepAlive writes a comment, which clients skip.
func (p *reply) sendKeepAlive() {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.finished {
		return
	}

	if p.status == 0 {
		p.beginEvents()
	}

	if !p.events { // a body is being written
		return
	}
	p.writeBody([]byte(": working\n\n"))
	_ = p.rc.Flush()
	p.timer.Reset(keepAliveInterval)
}

// sendHeader sends the header.
func (p *reply) sendHeader(h http.Header, status int) {
	maps.Copy(p.w.Header(), h)

	if p.events = h.Get("Content-Type") == eventStream; p.events {
		p.w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold it back
	}
	p.status = status
	p.extendWriteDeadline()
	p.w.WriteHeader(status)
}

func (p *reply) extendWriteDeadline() { _ = p.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) }

func (p *reply) writeBody(b []byte) (int, error) {
	p.extendWriteDeadline()
	n, err := p.w.Write(b)
	p.bytes += int64(n)

	return n, err
}

// Header is what WriteHeader sends.
func (p *reply) Header() http.Header { return p.header }

// WriteHeader sends the header, unless a sign of life did.
func (p *reply) WriteHeader(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()

	switch {
	case p.status == 0:
		p.sendHeader(p.header, status)
	case p.early && p.header.Get("Content-Type") == "application/json":
		p.body = &bytes.Buffer{}
	}
}

// Write writes to the body, or keeps it for the event that it becomes.
func (p *reply) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.body != nil {
		return p.body.Write(b)
	}

	if p.status == 0 {
		p.sendHeader(p.header, http.StatusOK)
	}

	return p.writeBody(b)
}

// send writes a message as an event of its own, before the answer.
func (p *reply) send(message []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	switch {
	case !p.stream || p.finished || p.body != nil || p.status != 0 && !p.events:
		return errNoStream
	case p.status == 0:
		p.beginEvents()
	}

	if _, err := p.writeBody(append(append([]byte("event: message\ndata: "), message...), "\n\n"...)); err != nil {
		return err
	}

	return p.rc.Flush()
}

// beginEvents begins an event stream before mcp-go has written anything.
func (p *reply) beginEvents() {
	p.early = true
	p.base.Set("Content-Type", eventStream)
	p.sendHeader(p.base, http.StatusOK)
}

// Flush sends what has been written.
func (p *reply) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.rc.Flush()
}

// CanStream says whether the client takes event streams.
func (p *reply) CanStream() bool { return p.stream }

// arrive sets when the request's body must have arrived, zero for no limit.
func (p *reply) setReadDeadline(t time.Time) { _ = p.rc.SetReadDeadline(t) }

func (p *reply) sendText(status int, s string) {
	p.WriteHeader(status)
	_, _ = io.WriteString(p, s)
}

// refuse answers with an HTTP status and a JSON-RPC error, unless the answer
// has begun.
func (p *reply) refuse(bad *refusal) {
	p.mu.Lock()
	begun := p.status != 0
	p.mu.Unlock()

	if begun {
		return
	}

	e := research.Describe(bad.err)
	if p.plainErrors {
		p.refusePlainly(bad, e)
		return
	}
	body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": nil, "error": map[string]any{
		"code": -32000, "message": e.Msg + "; next: " + e.Next, "data": map[string]any{"code": e.Code,
			"next": e.Next}}})

	for k, v := range bad.header {
		p.header.Set(k, v)
	}
	p.header.Set("Content-Type", "application/json")
	p.sendText(bad.status, string(body)+"\n")
}

// refusePlainly answers with an HTTP status and the error as the dashboard reads it.
func (p *reply) refusePlainly(bad *refusal, e *research.Error) {
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"code": e.Code, "message": e.Msg, "next": e.Next}})

	for k, v := range bad.header {
		p.header.Set(k, v)
	}
	p.header.Set("Content-Type", "application/json; charset=utf-8")
	p.sendText(bad.status, string(body)+"\n")
}

// finish writes what is left. Nothing is written afterwards.
func (p *reply) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.finished = true
	if p.timer != nil {
		p.timer.Stop()
	}

	if p.body != nil {
		_, _ = p.writeBody(append(append([]byte("event: message\ndata: "), bytes.TrimSpace(p.body.Bytes())...), "\n\n"...))
	}

	if p.status == 0 { // mcp-go had nothing to say
		p.sendHeader(p.header, http.StatusOK)
	}
	_ = p.rc.SetWriteDeadline(time.Time{})
}
