// Package tools is what an agent can ask of Ratchet: ten tools, one file each,
// as plain values that package server shows over MCP and `ratchet call` from a
// shell.
//
// No tool takes a metric value or a verdict. Arguments are strict: unknown
// names, wrong types and over-long texts are refused by name. Every answer is
// complete both as text and as a JSON object, in at most Limit bytes each
// unless more was asked for, and ends with the next step.
//
// Limits: answers are in English.
package tools

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/render"
)

// Env is what a call finds around it.
type Env struct {
	// Open returns the checkout. It is called when a tool needs
	// it, after the arguments were found good; its error becomes the answer.
	Open func(ctx context.Context) (*checkout.Checkout, error)
	// Progress is told in a few words how a waiting call goes on, about every
	// five seconds. It must not block; nil is allowed.
	Progress func(text string)
	// Looking says that nobody works by the answer: a person looks, or a client
	// shows a resource. No note is recorded as told then.
	Looking bool
}

// progress is Env.Progress as package job wants it.
func (e Env) progress() job.ProgressFunc {
	if e.Progress == nil {
		return nil
	}

	return func(o job.Outcome) { e.Progress(progressLine(&o)) }
}

// Tool is one tool.
type Tool struct {
	Name  string
	About string
	// Arguments and Answers are zero values of the structs that Call decodes
	// and whose shape its JSON has; the schemas are made from them.
	Arguments   any
	Answers     any
	ReadOnly    bool // changes neither ledger nor files nor refs
	Destructive bool // may put a file back to another content or end a run
	Idempotent  bool // the same call again changes nothing more
	Waits       bool // may take as long as its wait_seconds
	// Call answers the arguments. An error is for Refusal; cancelling ctx ends
	// the call, never a run.
	Call func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error)
}

// The schemas are files, because reflecting them at every start costs a
// millisecond; a test makes them from the structs (go test ./tools -update,
// twice when they changed, since they are compiled in).
//
//go:embed schema/*.json
var schemas embed.FS

// Input is the JSON Schema of the tool's arguments: whatever it does not name
// is refused.
func (t Tool) Input() json.RawMessage { return schema(t.Name + ".input.json") }

// Output is the JSON Schema of the tool's answers. It requires nothing, since
// clients hold a refusal to it too.
func (t Tool) Output() json.RawMessage { return schema(t.Name + ".output.json") }

func schema(file string) json.RawMessage {
	content, err := schemas.ReadFile("schema/" + file)
	if err != nil {
		return json.RawMessage(`{"type":"object"}`) // a new tool, whose test then writes the file
	}

	return bytes.TrimSpace(content)
}

// All returns the ten tools, in the order in which a campaign meets them.
func All() []Tool {
	return []Tool{
		startCampaign, runExperiment, waitRun, stopRun, measureMetric,
		keep, revert, readLog, share, plot,
	}
}

// Get returns the tool of that name.
func Get(name string) (Tool, bool) {
	for _, t := range All() {
		if t.Name == name {
			return t, true
		}
	}

	return Tool{}, false
}
