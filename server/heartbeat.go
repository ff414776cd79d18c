package server

import (
	"context"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

const (
	firstProgress    = time.Second
	progressInterval = 5 * time.Second
)

// heartbeat sends a waiting client progress notifications: clients that take
// progress for a sign of life then don't give up, and HTTP responses get their
// headers early. It sends none unless the client gave a progress token.
type heartbeat struct {
	mu   sync.Mutex
	text string // of the next notification

	done    chan struct{}
	running sync.WaitGroup
}

func (s *Server) startHeartbeat(ctx context.Context, req mcp.CallToolRequest) *heartbeat {
	h := &heartbeat{text: "starting", done: make(chan struct{})}
	if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return h
	}

	token := req.Params.Meta.ProgressToken
	began := time.Now()

	h.running.Go(func() {
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

			err := notifyClient(ctx, "notifications/progress", map[string]any{
				"progressToken": token,
				"progress":      time.Since(began).Round(time.Millisecond).Seconds(),
				"message":       h.currentText(),
			})
			if err != nil {
				s.opt.Log.Debug("progress not sent", "err", err)
			}
		}
	})

	return h
}

// setText sets the text of the next notification.
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

// stopBeating ends the notifications and waits for the last one.
func (h *heartbeat) stopBeating() {
	close(h.done)
	h.running.Wait()
}
