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
	firstKeepAlive    = 700 * time.Millisecond // of a slow call: clients give up after a minute without a header
	keepAliveInterval = 10 * time.Second
	writeTimeout      = 30 * time.Second // for a client to take what is written

	eventStream = "text/event-stream"
)

// reply is the answer to one request, as mcp-go writes it. When that takes
// long, the header and a first comment go out on an event stream, more comments
// follow, and what mcp-go then writes as one JSON body becomes an event of it. It
// may be written from several goroutines.
type reply struct {
	w  http.ResponseWriter
	rc *http.ResponseController

	header http.Header // as mcp-go and we fill it, before it is sent
	status int         // sent, 0 before
	bytes  int64       // of the body

	plainErrors bool // errors have the dashboard's form, not JSON-RPC's

	mu          sync.Mutex
	takesEvents bool        // the client accepts event streams
	base        http.Header // header, before mcp-go fills in more
	hasEvents   bool        // an event stream has begun
	early       bool        // by a keep-alive or a message, not by mcp-go
	body        *bytes.Buffer
	timer       *time.Timer
	finished    bool
}

func newReply(w http.ResponseWriter) *reply {
	return &reply{w: w, rc: http.NewResponseController(w), header: http.Header{}}
}

// startKeepAlive says whether the client accepts event streams. If so, comments
// are sent until the answer begins.
func (p *reply) startKeepAlive(takesEvents bool) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.takesEvents = takesEvents
	if takesEvents {
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

	if !p.hasEvents { // a body is being written
		return
	}

	_, _ = p.writeBody([]byte(": working\n\n"))
	_ = p.rc.Flush()
	p.timer.Reset(keepAliveInterval)
}

// beginEvents begins an event stream before mcp-go has written anything. mu is held.
func (p *reply) beginEvents() {
	p.early = true
	p.base.Set("Content-Type", eventStream)
	p.sendHeader(p.base, http.StatusOK)
}

// sendHeader sends the header. mu is held.
func (p *reply) sendHeader(header http.Header, status int) {
	maps.Copy(p.w.Header(), header)

	p.hasEvents = header.Get("Content-Type") == eventStream
	if p.hasEvents {
		p.w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold it back
	}

	p.status = status
	p.extendWriteDeadline()
	p.w.WriteHeader(status)
}

func (p *reply) extendWriteDeadline() { _ = p.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// writeBody writes to the client. mu is held.
func (p *reply) writeBody(b []byte) (int, error) {
	p.extendWriteDeadline()
	n, err := p.w.Write(b)
	p.bytes += int64(n)

	return n, err
}

// writeEvent writes a message as an event. mu is held.
func (p *reply) writeEvent(message []byte) error {
	event := append([]byte("event: message\ndata: "), message...)
	event = append(event, "\n\n"...)
	_, err := p.writeBody(event)

	return err
}

// Header is what WriteHeader sends.
func (p *reply) Header() http.Header { return p.header }

// WriteHeader sends the header, unless an event stream has begun early: then a
// JSON body becomes an event of it.
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
func (p *reply) Write(content []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.body != nil {
		return p.body.Write(content)
	}

	if p.status == 0 {
		p.sendHeader(p.header, http.StatusOK)
	}

	return p.writeBody(content)
}

// sendMessage writes a message as an event of its own, before the answer.
func (p *reply) sendMessage(message []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	hasBody := p.body != nil || p.status != 0 && !p.hasEvents
	if !p.takesEvents || p.finished || hasBody {
		return errNoStream
	}

	if p.status == 0 {
		p.beginEvents()
	}

	if err := p.writeEvent(message); err != nil {
		return err
	}

	return p.rc.Flush()
}

// Flush sends what has been written.
func (p *reply) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.rc.Flush()
}

// CanStream says whether the client accepts event streams.
func (p *reply) CanStream() bool { return p.takesEvents }

// setReadDeadline sets when the request's body must have arrived, zero for no limit.
func (p *reply) setReadDeadline(t time.Time) { _ = p.rc.SetReadDeadline(t) }

func (p *reply) sendText(status int, text string) {
	p.WriteHeader(status)
	_, _ = io.WriteString(p, text)
}

// refuse answers with an HTTP status and an error, JSON-RPC's or the dashboard's,
// unless the answer has begun.
func (p *reply) refuse(bad *refusal) {
	p.mu.Lock()
	hasBegun := p.status != 0
	p.mu.Unlock()

	if hasBegun {
		return
	}

	for k, v := range bad.header {
		p.header.Set(k, v)
	}

	failure := research.Describe(bad.err)
	mediaType := "application/json"
	content := map[string]any{"jsonrpc": "2.0", "id": nil, "error": map[string]any{
		"code":    -32000,
		"message": failure.Msg + "; next: " + failure.Next,
		"data":    map[string]any{"code": failure.Code, "next": failure.Next},
	}}

	if p.plainErrors {
		mediaType = "application/json; charset=utf-8"
		content = map[string]any{"error": map[string]any{"code": failure.Code, "message": failure.Msg,
			"next": failure.Next}}
	}

	body, _ := json.Marshal(content)
	p.header.Set("Content-Type", mediaType)
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
		_ = p.writeEvent(bytes.TrimSpace(p.body.Bytes()))
	}

	if p.status == 0 { // mcp-go had nothing to say
		p.sendHeader(p.header, http.StatusOK)
	}
	_ = p.rc.SetWriteDeadline(time.Time{})
}
