package server

import (
	"context"
	"encoding/json"
	"errors"
)

// stream is where the messages of a call go besides its answer. What is sent
// stands on the wire before the answer, in the order in which it was sent:
// mcp-go's own way, a queue beside the answer, loses or misplaces the last ones.
type stream interface {
	// send sends one JSON-RPC message; errNoStream if the client takes none.
	send(message []byte) error
}

var errNoStream = errors.New("the client takes no messages besides the answer")

type streamKey struct{}

func withStream(ctx context.Context, s stream) context.Context {
	return context.WithValue(ctx, streamKey{}, s)
}

// notifyCaller sends a notification on the stream of the call that ctx belongs to.
func notifyCaller(ctx context.Context, method string, params map[string]any) error {
	to, ok := ctx.Value(streamKey{}).(stream)
	if !ok {
		return errNoStream
	}

	return sendNotification(to, method, params)
}

func sendNotification(to stream, method string, params map[string]any) error {
	b, err := json.Marshal(struct {
		Version string         `json:"jsonrpc"`
		Method  string         `json:"method"`
		Params  map[string]any `json:"params,omitempty"`
	}{"2.0", method, params})
	if err != nil {
		return err
	}

	return to.send(b)
}
