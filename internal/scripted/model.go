// Package scripted stands in for a language model: one small HTTP server
// that speaks the APIs of Anthropic (Messages), OpenAI (Responses and Chat
// Completions) and Google (Gemini), and answers every request with what a
// script says. With it, real coding agents drive Ratchet in tests, on loopback,
// without a key and without a network.
//
// It is for tests only: nothing that is shipped imports it. It knows as much of
// each API as the agents' main loops use: text, tool calls, tool results,
// streaming. Requests that offer no tools (titles, summaries, token counts)
// are answered with a word and do not reach the script.
package scripted

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Result is what a tool call of the conversation gave, as the model sees it.
type Result struct {
	Tool string // the tool's name as the agent offers it
	Text string // everything that the model is shown of the answer
}

// Turn is a conversation up to now.
type Turn struct {
	Agent   string   // the API that it came by: anthropic, responses, chat or gemini
	Tools   []string // names of the tools that the agent offers, namespaces in front
	User    string   // all that the user's messages say
	Results []Result // in order
}

// LastResult is the last result, or nil.
func (t Turn) LastResult() *Result {
	if len(t.Results) == 0 {
		return nil
	}

	return &t.Results[len(t.Results)-1]
}

// OfferedName is the name under which the agent offers the tool of that plain name,
// which it may decorate: mcp__ratchet__keep, ratchet_keep. "" if it doesn't.
func (t Turn) OfferedName(plain string) string {
	for _, name := range t.Tools {
		if name == plain || strings.HasSuffix(name, "_"+plain) && strings.Contains(name, "ratchet") {
			return name
		}
	}

	return ""
}

// Move is what the model does next: it calls Tool (a plain name) with Args, or,
// if Tool is empty, ends its turn by saying Say.
type Move struct {
	Tool string
	Args map[string]any
	Say  string
}

// Script decides the next move. It is a function of the conversation: the same
// turn may be asked for twice, since agents repeat requests. Calls never overlap.
type Script func(Turn) Move

// Model is the server. It counts the turns that it played.
type Model struct {
	script Script

	mu      sync.Mutex
	sought  string // the tool that was searched for last
	turns   []Turn
	unknown []string
}

// New makes a model that plays script.
func New(script Script) *Model { return &Model{script: script} }

// Turns are the conversations that reached the script so far.
func (m *Model) Turns() []Turn {
	m.mu.Lock()
	defer m.mu.Unlock()

	return append([]Turn(nil), m.turns...)
}

// UnknownRequests are the requests, method, host and path, that no API here has.
func (m *Model) UnknownRequests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()

	return append([]string(nil), m.unknown...)
}

// ServeHTTP answers requests to all four APIs, by their paths.
func (m *Model) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}

	path := request.URL.Path
	switch {
	case strings.HasSuffix(path, "/count_tokens"):
		writeJSON(response, map[string]any{"input_tokens": 10})
	case strings.HasSuffix(path, "/messages"):
		err = m.answerAnthropic(response, body)
	case strings.HasSuffix(path, "/responses"):
		err = m.answerResponses(response, body)
	case strings.HasSuffix(path, "/chat/completions"):
		err = m.answerChat(response, body)
	case strings.HasSuffix(path, ":countTokens"):
		writeJSON(response, map[string]any{"totalTokens": 10})
	case strings.HasSuffix(path, ":generateContent"), strings.HasSuffix(path, ":streamGenerateContent"):
		err = m.answerGemini(response, body, strings.HasSuffix(path, ":streamGenerateContent"))
	default:
		m.mu.Lock()
		m.unknown = append(m.unknown, request.Method+" "+request.Host+path)
		m.mu.Unlock()
		http.NotFound(response, request)
	}

	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
	}
}

// search is the tool with which Claude Code lets a model find the tools that it
// does not offer at once. The script does not see it.
const search = "ToolSearch"

// call is a move with the offered name of its tool.
type call struct {
	id   string
	name string
	args string // JSON
	say  string
}

// playTurn plays one turn.
func (m *Model) playTurn(turn Turn) call {
	if len(turn.Tools) == 0 {
		return call{say: "ok"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id := fmt.Sprintf("call_%d", len(turn.Results)+1)
	turn.Results = slices.DeleteFunc(turn.Results, func(r Result) bool { return r.Tool == search })
	m.turns = append(m.turns, turn)

	move := m.script(turn)
	if move.Tool == "" {
		return call{say: move.Say}
	}

	name := turn.OfferedName(move.Tool)
	if found := turn.OfferedName(search); name == "" && found != "" && m.sought != move.Tool {
		m.sought = move.Tool // once: it is there afterwards, or not at all
		name, move.Args = found, map[string]any{"query": "select:" + move.Tool, "max_results": 5}
	}

	if name == "" {
		return call{say: fmt.Sprintf("there is no tool %s among %s", move.Tool, strings.Join(turn.Tools, ", "))}
	}

	if move.Args == nil {
		move.Args = map[string]any{}
	}

	args, err := json.Marshal(move.Args)
	if err != nil {
		return call{say: err.Error()}
	}

	return call{id: id, name: name, args: string(args)}
}

// eventStream writes a stream of server-sent events. With named, each carries its
// type as its name.
type eventStream struct {
	w     http.ResponseWriter
	named bool
}

func startStream(w http.ResponseWriter, named bool) eventStream {
	w.Header().Set("Content-Type", "text/event-stream")
	return eventStream{w, named}
}

func (e eventStream) writeEvent(v map[string]any) {
	content, _ := json.Marshal(v) // maps of plain values
	if e.named {
		fmt.Fprintf(e.w, "event: %s\n", v["type"])
	}
	fmt.Fprintf(e.w, "data: %s\n\n", content)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// contentText is the text of a content that is a string, an object with a text, or a
// list of such objects.
func contentText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}

	var list []struct {
		Text    string          `json:"text"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return string(raw)
	}
	var parts []string

	for _, p := range list {
		if p.Text != "" {
			parts = append(parts, p.Text)
		} else if len(p.Content) > 0 {
			parts = append(parts, contentText(p.Content))
		}
	}

	return strings.Join(parts, "\n")
}
