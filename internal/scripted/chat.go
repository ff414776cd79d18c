package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// answerChat answers POST /v1/chat/completions.
func (m *Model) answerChat(response http.ResponseWriter, body []byte) error {
	var req struct {
		Stream bool
		Tools  []struct{ Function struct{ Name string } }
		// Content is a string or a list of parts.
		Messages []struct {
			Role       string
			Content    json.RawMessage
			ToolCallID string `json:"tool_call_id"`
			ToolCalls  []struct {
				ID       string
				Function struct{ Name string }
			} `json:"tool_calls"`
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}

	turn := Turn{Agent: "chat"}
	for _, tool := range req.Tools {
		turn.Tools = append(turn.Tools, tool.Function.Name)
	}
	names := map[string]string{}

	for _, msg := range req.Messages {
		for _, c := range msg.ToolCalls {
			names[c.ID] = c.Function.Name
		}

		switch msg.Role {
		case "tool":
			turn.Results = append(turn.Results, Result{names[msg.ToolCallID], contentText(msg.Content)})
		case "user":
			turn.User += contentText(msg.Content) + "\n"
		}
	}
	writeChat(response, req.Stream, m.playTurn(turn))

	return nil
}

func writeChat(response http.ResponseWriter, streaming bool, c call) {
	said, reason := map[string]any{"role": "assistant", "content": c.say}, "stop"
	if c.name != "" {
		reason = "tool_calls"
		said = map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{map[string]any{
			"index": 0, "id": c.id, "type": "function", "function": map[string]any{"name": c.name,
				"arguments": c.args}}}}
	}
	usage := map[string]any{"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}

	head := func(object, key string, what map[string]any, finish any) map[string]any {
		return map[string]any{"id": "chat_1", "object": object, "created": 1, "model": "scripted",
			"choices": []any{map[string]any{"index": 0, key: what, "finish_reason": finish}}}
	}
	if !streaming {
		whole := head("chat.completion", "message", said, reason)
		whole["usage"] = usage
		writeJSON(response, whole)

		return
	}
	e := startStream(response, false)
	e.writeEvent(head("chat.completion.chunk", "delta", said, nil))
	last := head("chat.completion.chunk", "delta", map[string]any{}, reason)
	last["usage"] = usage
	e.writeEvent(last)
	fmt.Fprint(response, "data: [DONE]\n\n")
}
