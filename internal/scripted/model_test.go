package scripted_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/scripted"
)

// Each API in the words of its own client: a conversation in which one tool was
// called, offered under a name that the client made up.
var conversations = []struct {
	api, path, body string
	want            scripted.Turn
	call, say       string // what the answer must hold when the model calls keep, and when it speaks
}{
	{"anthropic", "/v1/messages?beta=true",
		`{"stream":true,"tools":[{"name":"Bash"},{"name":"mcp__ratchet__keep"}],"messages":[
		{"role":"user","content":"go on"},{"role":"user","content":[{"type":"text","text":"at once"}]},
		{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"mcp__ratchet__wait_run","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"done"}]}]}]}`,
		scripted.Turn{Agent: "anthropic", Tools: []string{"Bash", "mcp__ratchet__keep"}, User: "go on\nat once\n",
			Results: []scripted.Result{{Tool: "mcp__ratchet__wait_run", Text: "done"}}},
		`"partial_json":"{\"note\":\"n\"}"`, `"text_delta"`},
	{"responses", "/v1/responses",
		`{"stream":true,"tools":[{"type":"function","name":"exec"},{"type":"namespace","name":"mcp__ratchet","tools":[{"name":"keep"}]}],"input":[
		{"type":"message","role":"user","content":[{"type":"input_text","text":"go on"}]},
		{"type":"function_call","namespace":"mcp__ratchet","name":"wait_run","call_id":"t1","arguments":"{}"},
		{"type":"function_call_output","call_id":"t1","output":"done"}]}`,
		scripted.Turn{Agent: "responses", Tools: []string{"exec", "mcp__ratchet__keep"}, User: "go on\n",
			Results: []scripted.Result{{Tool: "mcp__ratchet__wait_run", Text: "done"}}},
		`"name":"keep","namespace":"mcp__ratchet"`, `"output_text"`},
	{"chat", "/v1/chat/completions", `{"stream":true,"tools":[{"function":{"name":"ratchet_keep"}}],"messages":[
		{"role":"user","content":"go on"},{"role":"assistant","tool_calls":[{"id":"t1","function":{"name":"ratchet_wait_run"}}]},
		{"role":"tool","tool_call_id":"t1","content":"done"}]}`,
		scripted.Turn{Agent: "chat", Tools: []string{"ratchet_keep"}, User: "go on\n",
			Results: []scripted.Result{{Tool: "ratchet_wait_run", Text: "done"}}},
		`"name":"ratchet_keep"`, `"finish_reason":"stop"`},
	{"gemini", "/v1beta/models/m:streamGenerateContent?alt=sse",
		`{"tools":[{"functionDeclarations":[{"name":"mcp_ratchet_keep"}]}],"contents":[
		{"role":"user","parts":[{"text":"go on"}]},{"role":"model","parts":[{"functionCall":{"name":"mcp_ratchet_wait_run"}}]},
		{"role":"user","parts":[{"functionResponse":{"name":"mcp_ratchet_wait_run","response":{"output":"done"}}}]}]}`,
		scripted.Turn{Agent: "gemini", Tools: []string{"mcp_ratchet_keep"}, User: "go on\n",
			Results: []scripted.Result{{Tool: "mcp_ratchet_wait_run", Text: "done"}}},
		`"name":"mcp_ratchet_keep"`, `"finishReason":"STOP"`},
}

func postJSON(t *testing.T, h http.Handler, path, body string) string {
	t.Helper()

	w := httptest.NewServer(h)
	defer w.Close()

	res, err := http.Post(w.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

// What a client sends becomes the same turn, whatever the API, and a move
// becomes that API's words.
func TestAPIs(t *testing.T) {
	for _, c := range conversations {
		for want, move := range map[string]scripted.Move{
			c.call: {Tool: "keep", Args: map[string]any{"note": "n"}}, c.say: {Say: "bye"},
			"there is no tool": {Tool: "revert"}} {
			m := scripted.New(func(scripted.Turn) scripted.Move { return move })
			if got := postJSON(t, m, c.path, c.body); !strings.Contains(got, want) {
				t.Errorf("%s: the answer to %+v lacks %s:\n%s", c.api, move, want, got)
			}

			if diff := cmp.Diff([]scripted.Turn{c.want}, m.Turns()); diff != "" {
				t.Errorf("%s: the turn (-want +got):\n%s", c.api, diff)
			}
		}
	}
}

// What is not the main loop does not reach the script.
func TestBesides(t *testing.T) {
	m := scripted.New(func(scripted.Turn) scripted.Move { t.Error("the script was asked"); return scripted.Move{} })
	for path, want := range map[string]string{"/v1/messages/count_tokens": "input_tokens",
		"/v1beta/models/m:countTokens": "totalTokens", "/v1/models": "404"} {
		if got := postJSON(t, m, path, `{}`); !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}

	if got := postJSON(t, m, "/v1/messages",
		`{"messages":[{"role":"user","content":"a title"}]}`); !strings.Contains(got,
		`"stop_reason":"end_turn"`) {
		t.Errorf("without tools: %s", got)
	}

	if got := m.UnknownRequests(); len(got) != 1 || !strings.HasPrefix(got[0], "POST 127.0.0.1") ||
		!strings.HasSuffix(got[0],
			"/v1/models") {
		t.Errorf("unknown requests: %q", got)
	}
}

// A tool that is hidden behind a search is searched for, once, and the script
// sees nothing of that.
func TestSearch(t *testing.T) {
	m := scripted.New(func(got scripted.Turn) scripted.Move {
		if len(got.Results) > 0 {
			t.Errorf("the script sees %v", got.Results)
		}

		return scripted.Move{Tool: "Hidden"}
	})

	const request = `{"tools":[{"name":"ToolSearch"}],"messages":[
		{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"ToolSearch","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"nothing"}]}]}`
	for i, want := range []string{`"query":"select:Hidden"`, "there is no tool Hidden"} {
		if got := postJSON(t, m, "/v1/messages", request); !strings.Contains(got, want) {
			t.Errorf("request %d: %s", i+1, got)
		}
	}
}
