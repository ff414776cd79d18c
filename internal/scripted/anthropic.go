package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// answerAnthropic answers POST /v1/messages.
func (m *Model) answerAnthropic(response http.ResponseWriter, body []byte) error {
	var req struct {
		Stream bool
		Tools  []struct{ Name string }
		// Content is a string or a list of blocks.
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}

	turn := Turn{Agent: "anthropic"}
	for _, tool := range req.Tools {
		turn.Tools = append(turn.Tools, tool.Name)
	}
	names := map[string]string{} // of calls, by id

	for _, msg := range req.Messages {
		var blocks []struct {
			Type, ID, Name, Text string
			ToolUseID            string `json:"tool_use_id"`
			Content              json.RawMessage
		}
		if json.Unmarshal(msg.Content, &blocks) != nil {
			turn.User += contentText(msg.Content) + "\n"
			continue
		}

		for _, b := range blocks {
			switch {
			case b.Type == "tool_use":
				names[b.ID] = b.Name
			case b.Type == "tool_result":
				turn.Results = append(turn.Results, Result{names[b.ToolUseID], contentText(b.Content)})
			case b.Type == "text" && msg.Role == "user":
				turn.User += b.Text + "\n"
			}
		}
	}
	writeAnthropic(response, req.Stream, m.playTurn(turn))

	return nil
}

func writeAnthropic(response http.ResponseWriter, streaming bool, c call) {
	usage := map[string]any{"input_tokens": 10, "output_tokens": 10}
	reason := "end_turn"
	block := map[string]any{"type": "text", "text": c.say}
	empty := map[string]any{"type": "text", "text": ""}
	delta := map[string]any{"type": "text_delta", "text": c.say}
	if c.name != "" {
		reason = "tool_use"
		block = map[string]any{"type": "tool_use", "id": c.id, "name": c.name, "input": json.RawMessage(c.args)}
		empty = map[string]any{"type": "tool_use", "id": c.id, "name": c.name, "input": map[string]any{}}
		delta = map[string]any{"type": "input_json_delta", "partial_json": c.args}
	}

	message := map[string]any{"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted",
		"stop_sequence": nil, "usage": usage}
	if !streaming {
		message["content"], message["stop_reason"] = []any{block}, reason
		writeJSON(response, message)

		return
	}
	message["content"], message["stop_reason"] = []any{}, nil
	e := startStream(response, true)
	e.writeEvent(map[string]any{"type": "message_start", "message": message})
	e.writeEvent(map[string]any{"type": "content_block_start", "index": 0, "content_block": empty})
	e.writeEvent(map[string]any{"type": "content_block_delta", "index": 0, "delta": delta})
	e.writeEvent(map[string]any{"type": "content_block_stop", "index": 0})
	e.writeEvent(map[string]any{"type": "message_delta",
		"delta": map[string]any{"stop_reason": reason, "stop_sequence": nil}, "usage": usage})
	e.writeEvent(map[string]any{"type": "message_stop"})
}
