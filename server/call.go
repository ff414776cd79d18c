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

	"ratchet/internal/research"
	"ratchet/tools"
)

// handler answers calls of one tool. Whatever goes wrong, a panic included, is
// an answer with isError, never a protocol error.
func (s *Server) handler(t tools.Tool) mcpserver.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (result *mcp.CallToolResult, _ error) {
		defer func() {
			if r := recover(); r != nil {
				s.opt.Log.Error("panic in a tool", "tool", t.Name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
				result = show(tools.Refusal(fmt.Errorf("panic: %v", r)), true)
			}
		}()
		args, err := arguments(req)
		if err != nil {
			return show(tools.Refusal(err), true), nil
		}
		env := tools.Env{Open: s.open}
		if t.Waits {
			beat := s.heartbeat(ctx, req)
			defer beat.stop()
			env.Progress = beat.say
		}
		a, err := t.Call(ctx, env, args)
		if !t.ReadOnly {
			s.changed(ctx)
		}
		if err != nil {
			if e := research.Describe(err); e.Code == research.CodeInternal {
				s.opt.Log.Error("tool failed", "tool", t.Name, "err", err)
			}
			return show(tools.Refusal(err), true), nil
		}
		return show(a, false), nil
	}
}

// arguments are the call's own bytes where they arrived as such.
func arguments(req mcp.CallToolRequest) (json.RawMessage, error) {
	if len(req.Params.RawArguments) > 0 || req.Params.Arguments == nil {
		return req.Params.RawArguments, nil
	}
	b, err := json.Marshal(req.Params.Arguments)
	if err != nil {
		return nil, fmt.Errorf("encode arguments: %w", err)
	}
	return b, nil
}

// show is an answer as MCP has it: text first, then the image if there is one,
// and the same as structured content.
func show(a tools.Answer, isError bool) *mcp.CallToolResult {
	r := &mcp.CallToolResult{Content: []mcp.Content{mcp.NewTextContent(a.Text)}, StructuredContent: a.Structured, IsError: isError}
	if len(a.PNG) > 0 {
		r.Content = append(r.Content, mcp.NewImageContent(base64.StdEncoding.EncodeToString(a.PNG), "image/png"))
	}
	return r
}

const (
	firstBeat = time.Second
	nextBeats = 5 * time.Second
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

func (s *Server) heartbeat(ctx context.Context, req mcp.CallToolRequest) *heartbeat {
	h := &heartbeat{text: "starting", done: make(chan struct{})}
	if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return h
	}
	token, began := req.Params.Meta.ProgressToken, time.Now()
	h.over.Go(func() {
		timer := time.NewTimer(firstBeat)
		defer timer.Stop()
		for {
			select {
			case <-h.done:
				return
			case <-ctx.Done():
				return
			case <-timer.C:
				timer.Reset(nextBeats)
			}
			err := s.mcp.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
				"progressToken": token, "progress": time.Since(began).Round(time.Millisecond).Seconds(), "message": h.last()})
			if err != nil {
				s.opt.Log.Debug("progress not sent", "err", err)
			}
		}
	})
	return h
}

// say sets the words of the next beat.
func (h *heartbeat) say(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = text
}

func (h *heartbeat) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text
}

// stop ends the beats and waits for the last one.
func (h *heartbeat) stop() {
	close(h.done)
	h.over.Wait()
}
