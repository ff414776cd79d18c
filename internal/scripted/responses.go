package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// answerResponses answers POST /v1/responses, always as a stream. Codex offers MCP
// tools in namespaces: a tool's name here is namespace + name, and the call
// carries both.
func (m *Model) answerResponses(response http.ResponseWriter, body []byte) error {
	var req struct {
		Tools []struct {
			Type, Name string
			Tools      []struct{ Name string }
		}
		Input []struct {
			Type, Role, Name, Namespace string
			CallID                      string `json:"call_id"`
			Content, Output             json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	turn := Turn{Agent: "responses"}
	space := map[string]string{} // of offered names

	for _, tool := range req.Tools {
		if tool.Type != "namespace" {
			turn.Tools = append(turn.Tools, tool.Name)
		}

		for _, inner := range tool.Tools {
			name := joinName(tool.Name, inner.Name)
			turn.Tools, space[name] = append(turn.Tools, name), tool.Name
		}
	}
	names := map[string]string{}

	for _, in := range req.Input {
		switch {
		case in.Type == "function_call":
			names[in.CallID] = joinName(in.Namespace, in.Name)
		case in.Type == "function_call_output":
			turn.Results = append(turn.Results, Result{names[in.CallID], contentText(in.Output)})
		case in.Role == "user":
			turn.User += contentText(in.Content) + "\n"
		}
	}
	c := m.playTurn(turn)

	item := map[string]any{"type": "message", "role": "assistant", "id": "msg_1",
		"content": []any{map[string]any{"type": "output_text", "text": c.say}}}
	if c.name != "" {
		item = map[string]any{"type": "function_call", "id": "fc_" + c.id, "call_id": c.id, "name": c.name,
			"arguments": c.args}
		if ns := space[c.name]; ns != "" {
			item["namespace"], item["name"] = ns, strings.TrimLeft(strings.TrimPrefix(c.name, ns), "_")
		}
	}
	e := startStream(response, true)
	e.writeEvent(map[string]any{"type": "response.created", "response": map[string]any{"id": "resp_1"}})
	e.writeEvent(map[string]any{"type": "response.output_item.added", "output_index": 0, "item": item})
	e.writeEvent(map[string]any{"type": "response.output_item.done", "output_index": 0, "item": item})
	e.writeEvent(map[string]any{"type": "response.completed", "response": map[string]any{"id": "resp_1",
		"usage": map[string]any{"input_tokens": 10, "output_tokens": 10, "total_tokens": 20}}})

	return nil
}

// joinName is a namespace and a name as one name.
func joinName(space, name string) string {
	if space == "" || strings.HasSuffix(space, "_") {
		return space + name
	}

	return space + "__" + name
}
