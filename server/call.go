package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/tools"
)

// toolHandler answers calls of one tool. Whatever goes wrong, a panic included, is
// an answer with isError, never a protocol error.
func (s *Server) toolHandler(t tools.Tool) mcpserver.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		began := time.Now()
		in := &usedLab{}
		ctx = context.WithValue(ctx, usedLabKey{}, in)
		r, a, err := s.callTool(ctx, t, req)

		code := "ok"
		if err != nil {
			code = string(research.Describe(err).Code)
			if code == string(research.CodeInternal) {
				s.opt.Log.Error("tool failed", "tool", t.Name, "err", err)
			}
			a = tools.Refusal(err)
		}

		if s.onCall != nil {
			s.onCall(ctx, t.Name, code, time.Since(began))
		}

		if r != nil { // the call has to come back with more
			return r, nil
		}

		if !t.ReadOnly {
			s.announceChange(ctx, t.Name, err == nil)
		}
		s.logOutcome(ctx, t.Name, a, err)
		in.countAnswer(t.Name, a)

		return toolResult(a, err != nil), nil
	}
}

// callTool calls a tool, and once more where the client can say what was missing:
// its folder, or its person's decision. need is what it has to be asked for by
// the answer itself. A panic is an error.
func (s *Server) callTool(
	ctx context.Context, t tools.Tool, req mcp.CallToolRequest,
) (need *mcp.CallToolResult, a tools.Answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			need, err = nil, fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()

	args, err := rawArguments(req)
	if err != nil {
		return nil, a, err
	}

	beat := s.startHeartbeat(ctx, req)
	defer beat.stop()
	call := func() (tools.Answer, error) {
		return s.callUntilEnding(ctx, func(ctx context.Context) (tools.Answer, error) {
			return t.Call(ctx, tools.Env{Open: s.openLab, Progress: beat.setText}, args)
		})
	}

	back, _ := s.unseal(req.Params.RequestState, t.Name, sessionKeyOf(ctx))
	if d := back.Decision; d != nil && d.isConfirmedBy(mcpserver.ElicitationResponse(req.Params.InputResponses, personInput)) {
		if done, err := s.carryOut(ctx, d, args); done != nil || err != nil {
			return nil, orNone(done), err
		}
	}

	a, err = call()
	if s.noRepository(ctx, err) {
		if need, err = s.openClientRoot(ctx, req, err); need != nil || err != nil {
			return need, a, err
		}
		a, err = call()
	}

	d := s.pendingDecision(ctx, t, args, err)
	if d == nil {
		return nil, a, err
	}
	beat.setText("waiting for the person")

	need, yes := s.askPerson(ctx, t, d)
	if !yes {
		return need, a, err
	}

	if done, err := s.carryOut(ctx, d, args); done != nil || err != nil {
		return nil, orNone(done), err
	}
	a, err = call()

	return nil, a, err
}

func orNone(a *tools.Answer) tools.Answer {
	if a == nil {
		return tools.Answer{}
	}

	return *a
}

// usedLab is the laboratory that a call found, for what is counted after it.
type usedLab struct {
	mu  sync.Mutex
	lab *lab.Lab
}

type usedLabKey struct{}

// noteUsedLab notes which laboratory the call of ctx found.
func noteUsedLab(ctx context.Context, l *lab.Lab) {
	if v, ok := ctx.Value(usedLabKey{}).(*usedLab); ok {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.lab = l
	}
}

// countAnswer counts the answer for the session that it goes to.
func (v *usedLab) countAnswer(tool string, a tools.Answer) {
	v.mu.Lock()
	defer v.mu.Unlock()

	if v.lab != nil {
		v.lab.CountAnswer(tool, len(a.Text), len(a.Structured))
	}
}

// callUntilEnding calls f with a context that also ends when the server stops:
// the request's own must not, since mcp-go drops the answers of cancelled requests.
func (s *Server) callUntilEnding(ctx context.Context, f func(context.Context) (tools.Answer, error)) (tools.Answer, error) {
	if s.ending == nil {
		return f(ctx)
	}

	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer afterClose(s.ending, cancel)()

	a, err := f(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		err = research.Errorf(research.CodeCancelled, "call wait_run when the server is back",
			"the server is being stopped; what runs goes on")
	}

	return a, err
}

// afterClose calls f when c is closed, until the function it returns has been called.
func afterClose(c <-chan struct{}, f func()) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)

		select {
		case <-c:
			f()
		case <-over:
		}
	}()

	return func() { close(over); <-done }
}

// rawArguments are the call's own bytes where they arrived as such.
func rawArguments(req mcp.CallToolRequest) (json.RawMessage, error) {
	if len(req.Params.RawArguments) > 0 || req.Params.Arguments == nil {
		return req.Params.RawArguments, nil
	}

	b, err := json.Marshal(req.Params.Arguments)
	if err != nil {
		return nil, fmt.Errorf("encode arguments: %w", err)
	}

	return b, nil
}

// toolResult is an answer as MCP has it: text first, then the image if there is one,
// and the same as structured content.
func toolResult(a tools.Answer, isError bool) *mcp.CallToolResult {
	r := &mcp.CallToolResult{Content: []mcp.Content{mcp.NewTextContent(a.Text)}, StructuredContent: a.Structured,
		IsError: isError}
	if len(a.PNG) > 0 {
		r.Content = append(r.Content, mcp.NewImageContent(base64.StdEncoding.EncodeToString(a.PNG), "image/png"))
	}

	return r
}

const (
	firstProgress    = time.Second
	progressInterval = 5 * time.Second
)

// heartbeat tells a waiting client that its call lives: clients that take
// progress for a sign of life then don't give up, and HTTP responses get their
// headers early. It is silent unless the client gave a progress token.
type heartbeat struct {
	mu   sync.Mutex
	text string
	done chan struct{}
	over sync.WaitGroup
}

func (s *Server) startHeartbeat(ctx context.Context, req mcp.CallToolRequest) *heartbeat {
	h := &heartbeat{text: "starting", done: make(chan struct{})}
	if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return h
	}
	token, began := req.Params.Meta.ProgressToken, time.Now()
	h.over.Go(func() {
		timer := time.NewTimer(firstProgress)
		defer timer.Stop()

		for {
			select {
			case <-h.done:
				return
			case <-ctx.Done():
				return
			case <-timer.C:
				timer.Reset(progressInterval)
			}

			err := notifyCaller(ctx, "notifications/progress", map[string]any{
				"progressToken": token, "progress": time.Since(began).Round(time.Millisecond).Seconds(),
				"message": h.currentText()})
			if err != nil {
				s.opt.Log.Debug("progress not sent", "err", err)
			}
		}
	})

	return h
}

// setText sets the words of the next beat.
func (h *heartbeat) setText(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = text
}

func (h *heartbeat) currentText() string {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.text
}

// stop ends the beats and waits for the last one.
func (h *heartbeat) stop() {
	close(h.done)
	h.over.Wait()
}
