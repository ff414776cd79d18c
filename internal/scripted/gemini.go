package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// answerGemini answers POST …:generateContent and …:streamGenerateContent.
func (m *Model) answerGemini(response http.ResponseWriter, body []byte, streaming bool) error {
	var req struct {
		Tools []struct {
			FunctionDeclarations []struct{ Name string }
		}
		Contents []struct {
			Role  string
			Parts []struct {
				Text             string
				FunctionResponse *struct {
					Name     string
					Response json.RawMessage
				}
			}
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	turn := Turn{Agent: "gemini"}

	for _, tool := range req.Tools {
		for _, f := range tool.FunctionDeclarations {
			turn.Tools = append(turn.Tools, f.Name)
		}
	}

	for _, c := range req.Contents {
		for _, p := range c.Parts {
			if p.FunctionResponse != nil {
				turn.Results = append(turn.Results,
					Result{p.FunctionResponse.Name, functionText(p.FunctionResponse.Response)})
			} else if c.Role == "user" {
				turn.User += p.Text + "\n"
			}
		}
	}
	c := m.playTurn(turn)

	part := map[string]any{"text": c.say}
	if c.name != "" {
		part = map[string]any{"functionCall": map[string]any{"id": c.id, "name": c.name,
			"args": json.RawMessage(c.args)}}
	}

	answer := map[string]any{"modelVersion": "scripted",
		"candidates": []any{map[string]any{"index": 0, "finishReason": "STOP",
			"content": map[string]any{"role": "model", "parts": []any{part}}}},
		"usageMetadata": map[string]any{"promptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 20}}
	if !streaming {
		writeJSON(response, answer)
		return nil
	}
	startStream(response, false).writeEvent(answer)

	return nil
}

// functionText is what a function's response says: its output or its error, if it
// has one of these, else all of it.
func functionText(raw json.RawMessage) string {
	var r struct{ Output, Error json.RawMessage }

	_ = json.Unmarshal(raw, &r)
	switch {
	case len(r.Output) > 0:
		return contentText(r.Output)
	case len(r.Error) > 0:
		return contentText(r.Error)
	}

	return string(raw)
}
