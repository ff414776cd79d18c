package mcpclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxHTTPAnswer bounds what is read of an answer over HTTP, in bytes.
const maxHTTPAnswer = 1 << 20

// ErrUnauthorized is the error of a server that refuses the token, or the lack of one.
var ErrUnauthorized = errors.New("the server does not know the token")

// serverHello is what a server says of itself.
type serverHello struct {
	Server struct {
		Version string `json:"version"`
	} `json:"serverInfo"`
}

// toolList is a server's answer to tools/list.
type toolList struct {
	Tools []struct{} `json:"tools"`
}

// handshake is the argument of initialize.
func handshake(name string) map[string]any {
	return map[string]any{"protocolVersion": "2025-06-18", "capabilities": map[string]any{},
		"clientInfo": map[string]string{"name": name, "version": "1"}}
}

// ProbeHTTP makes the handshake with the server at url under the client's name,
// and returns its version and how many tools it has. An empty token sends none.
func ProbeHTTP(ctx context.Context, url, token, name string) (version string, tools int, err error) {
	var hello serverHello
	if err := postRequest(ctx, url, token, "initialize", handshake(name), &hello); err != nil {
		return "", 0, err
	}

	var list toolList
	err = postRequest(ctx, url, token, "tools/list", map[string]any{}, &list)

	return hello.Server.Version, len(list.Tools), err
}

// postRequest sends one request in a POST of its own and decodes its result.
func postRequest(ctx context.Context, url, token, method string, params, result any) error {
	body, err := json.Marshal(message{Version: "2.0", ID: json.RawMessage("1"), Method: method, Params: params})
	if err != nil {
		return err
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the URL can't be used: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")

	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}

	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("nothing answers there, is `ratchet serve` running? %w", err)
	}
	defer resp.Body.Close()

	text, err := io.ReadAll(io.LimitReader(resp.Body, maxHTTPAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case resp.StatusCode == http.StatusUnauthorized:
		return ErrUnauthorized
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the server answers %s", resp.Status)
	}

	return decodeResult(text, result)
}

// decodeResult finds the first result in an answer, which is a JSON message or
// a stream of events, and decodes it.
func decodeResult(text []byte, result any) error {
	for line := range bytes.Lines(text) {
		line = bytes.TrimPrefix(bytes.TrimSpace(line), []byte("data: "))

		var m message
		if json.Unmarshal(line, &m) == nil && len(m.Result) > 0 {
			return json.Unmarshal(m.Result, result)
		}
	}

	return fmt.Errorf("what answers there is no MCP server: %.80q", text)
}
