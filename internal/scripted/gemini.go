package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// gemini answers POST …:generateContent and …:streamGenerateContent.
func (m *Model) gemini(w http.ResponseWriter, body []byte, streaming bool) error {
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
	t := Turn{Agent: "gemini"}

	for _, tool := range req.Tools {
		for _, f := range tool.FunctionDeclarations {
			t.Tools = append(t.Tools, f.Name)
		}
	}

	for _, c := range req.Contents {
		for _, p := range c.Parts {
			if p.FunctionResponse != nil {
				t.Results = append(t.Results, Result{p.FunctionResponse.Name, geminiText(p.FunctionResponse.Response)})
			} else if c.Role == "user" {
				t.User += p.Text + "\n"
			}
		}
	}
	c := m.next(t)

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
		reply(w, answer)
		return nil
	}
	stream(w, false).put(answer)

	return nil
}

// geminiText is what a function's response says: its output or its error, if it
// has one of these, else all of it.
func geminiText(raw json.RawMessage) string {
	var r struct{ Output, Error json.RawMessage }

	_ = json.Unmarshal(raw, &r)
	switch {
	case len(r.Output) > 0:
		return texts(r.Output)
	case len(r.Error) > 0:
		return texts(r.Error)
	}

	return string(raw)
}
