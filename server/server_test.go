package server_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/checkout"
	"ratchet/prompts"
	"ratchet/server"
	"ratchet/tools"
)

func TestListsWithoutOpening(t *testing.T) {
	o := server.Options{Version: "1.2.3", Open: func(context.Context, string, string) (*checkout.Checkout, error) {
		t.Error("listing opened the laboratory")
		return nil, errClosed
	}}
	c := connect(t, o)
	ctx := context.Background()

	list, err := c.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		t.Fatal(err)
	}

	if len(list.Tools) != len(tools.All()) {
		t.Errorf("%d tools are listed", len(list.Tools))
	}

	for _, tool := range list.Tools {
		a := tool.Annotations
		if a.ReadOnlyHint == nil || a.DestructiveHint == nil || a.IdempotentHint == nil || a.OpenWorldHint == nil {
			t.Errorf("%s lacks a hint", tool.Name)
		}
	}

	ps, err := c.ListPrompts(ctx, mcp.ListPromptsRequest{})
	if err != nil || len(ps.Prompts) != len(prompts.AllPrompts()) {
		t.Errorf("prompts: %v, %v", ps, err)
	}

	rs, err := c.ListResources(ctx, mcp.ListResourcesRequest{})
	if err != nil || len(rs.Resources) != 3 {
		t.Errorf("resources: %v, %v", rs, err)
	}

	ts, err := c.ListResourceTemplates(ctx, mcp.ListResourceTemplatesRequest{})
	if err != nil || len(ts.ResourceTemplates) != 1 {
		t.Errorf("templates: %v, %v", ts, err)
	}

	caps := c.GetServerCapabilities()
	if caps.Resources == nil || !caps.Resources.Subscribe || !caps.Resources.ListChanged || caps.Logging == nil {
		t.Errorf("capabilities: %+v", caps)
	}
	var get mcp.GetPromptRequest
	get.Params.Name, get.Params.Arguments = "setup", map[string]string{"goal": "faster"}

	p, err := c.GetPrompt(ctx, get)
	if err != nil || !strings.Contains(p.Messages[0].Content.(mcp.TextContent).Text, "From the human, goal: faster") {
		t.Errorf("prompt: %v, %v", p, err)
	}
}

// goodArguments are arguments that every tool accepts.
var goodArguments = map[string]string{
	"start_campaign": `{}`, "run_experiment": `{"hypothesis":"h"}`, "wait_run": `{}`, "stop_run": `{}`,
	"measure_metric": `{"target":"start"}`, "keep": `{}`, "revert": `{"lesson":"l"}`, "read_log": `{}`,
	"share": `{"ops":[{"op":"add","idea":"i"}]}`, "plot": `{"kind":"noise"}`,
}

func TestNoRepositoryIsAnAnswer(t *testing.T) {
	var who []string
	o := server.Options{Open: func(_ context.Context, name, version string) (*checkout.Checkout, error) {
		who = append(who, name+" "+version)
		return nil, errClosed
	}}
	c := connect(t, o)
	want := map[string]any{"error": map[string]any{"code": "repository", "message": errClosed.Msg,
		"next": errClosed.Next}}

	for _, tool := range tools.All() {
		var args map[string]any
		if err := json.Unmarshal([]byte(goodArguments[tool.Name]), &args); err != nil {
			t.Fatal(tool.Name, err)
		}

		text, structured, isError := call(t, c, tool.Name, args)
		if diff := cmp.Diff(want, structured); diff != "" || !isError ||
			text != "repository: "+errClosed.Msg+"\nnext: "+errClosed.Next {
			t.Errorf("%s: %q %s", tool.Name, text, diff)
		}
	}

	if len(who) != len(tools.All()) || who[0] != "test 0.1" {
		t.Errorf("opened for %q: a failed opening must be tried again, with the client's name", who)
	}

	text, _, isError := call(t, c, "keep", map[string]any{"verdict": "improved"})
	if !isError || !strings.HasPrefix(text, `bad_argument: unknown argument "verdict"`) {
		t.Errorf("keep with a verdict: %q", text)
	}

	for _, uri := range []string{"ratchet://program", "ratchet://brief", "ratchet://log.tsv",
		"ratchet://experiments/7"} {
		var req mcp.ReadResourceRequest

		req.Params.URI = uri
		if _, err := c.ReadResource(context.Background(), req); err == nil || !strings.Contains(err.Error(),
			"repository: "+errClosed.Msg) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	c := connect(t,
		server.Options{Open: func(context.Context, string, string) (*checkout.Checkout, error) { panic("secret") }})
	for range 40 { // more than there are workers
		text, _, isError := call(t, c, "read_log", nil)
		if !isError || !strings.HasPrefix(text, "internal: internal error\n") || strings.Contains(text, "secret") {
			t.Fatalf("a panic became %q", text)
		}
	}
}
