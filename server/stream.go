package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

// stream is where the messages of a call go besides its answer. What is sent
// stands on the wire before the answer, in the order in which it was sent:
// mcp-go's own way, a queue beside the answer, loses or misplaces the last ones.
type stream interface {
	// sendMessage sends one JSON-RPC message; errNoStream if the client takes none.
	sendMessage(message []byte) error
}

var errNoStream = errors.New("the client takes no messages besides the answer")

type streamKey struct{}

func withStream(ctx context.Context, s stream) context.Context {
	return context.WithValue(ctx, streamKey{}, s)
}

// notifyClient sends a notification on the stream of the call that ctx belongs to.
func notifyClient(ctx context.Context, method string, params map[string]any) error {
	to, ok := ctx.Value(streamKey{}).(stream)
	if !ok {
		return errNoStream
	}

	return sendNotification(to, method, params)
}

func sendNotification(to stream, method string, params map[string]any) error {
	message, err := json.Marshal(struct {
		Version string         `json:"jsonrpc"`
		Method  string         `json:"method"`
		Params  map[string]any `json:"params,omitempty"`
	}{"2.0", method, params})
	if err != nil {
		return err
	}

	return to.sendMessage(message)
}

// sendRequest sends a request, which the client answers by its id.
func sendRequest(to stream, id int64, method mcp.MCPMethod, params any) error {
	message, err := json.Marshal(struct {
		Version string        `json:"jsonrpc"`
		ID      int64         `json:"id"`
		Method  mcp.MCPMethod `json:"method"`
		Params  any           `json:"params,omitempty"`
	}{"2.0", id, method, params})
	if err != nil {
		return fmt.Errorf("encode %s: %w", method, err)
	}

	return to.sendMessage(message)
}
