//go:build conformance

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

// This file is what the official conformance suite wants to find on a server:
// tools, resources and prompts of its names, beside Ratchet's own and through
// the same streams, questions and gates. No release contains it.

// smallPNG and smallWAV are a picture and a sound.
const (
	smallPNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
	smallWAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
	fixture  = "This is a %s for testing."
)

func addFixtures(s *Server) {
	addContentFixtures(s)
	addStreamFixtures(s)
	addQuestionFixtures(s)
	addResourceFixtures(s)
	addPromptFixtures(s)
}

func embedded(uri, mime, text string) mcp.Content {
	return mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: uri, MIMEType: mime, Text: text})
}

// addContentFixtures adds tools that answer with each kind of content.
func addContentFixtures(s *Server) {
	text := mcp.NewTextContent("This is a simple text response for testing.")

	picture, sound := mcp.NewImageContent(smallPNG, "image/png"), mcp.NewAudioContent(smallWAV, "audio/wav")
	for name, content := range map[string][]mcp.Content{
		"test_simple_text":   {text},
		"test_image_content": {picture},
		"test_audio_content": {sound},
		"test_embedded_resource": {embedded("test://embedded-resource", "text/plain",
			"This is an embedded resource content.")},
		"test_multiple_content_types": {mcp.NewTextContent("Multiple content types test:"), picture,
			embedded("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`)},
	} {
		s.mcp.AddTool(mcp.NewTool(name, mcp.WithDescription("fixture")),
			func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return &mcp.CallToolResult{Content: content}, nil
			})
	}
	s.mcp.AddTool(mcp.NewTool("test_error_handling", mcp.WithDescription("fixture")),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultError("This tool intentionally returns an error for testing"), nil
		})
	s.mcp.AddTool(mcp.NewToolWithRawSchema("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features",
		json.RawMessage(
			`{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","$defs":{"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}}}},"properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"}},"additionalProperties":false}`)),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText("ok"), nil
		})
}

// addStreamFixtures adds tools that say something before they answer.
func addStreamFixtures(s *Server) {
	s.mcp.AddTool(mcp.NewTool("test_tool_with_logging", mcp.WithDescription("fixture")),
		func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			for _, text := range []string{"Tool execution started", "Tool processing data",
				"Tool execution completed"} {
				if err := notifyClient(ctx, "notifications/message",
					map[string]any{"level": "info", "logger": "fixture", "data": text}); err != nil {
					return nil, err
				}
				time.Sleep(50 * time.Millisecond)
			}

			return mcp.NewToolResultText("logged"), nil
		})
	s.mcp.AddTool(mcp.NewTool("test_tool_with_progress", mcp.WithDescription("fixture")),
		func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			for i := range 3 {
				if req.Params.Meta == nil {
					break
				}

				if err := notifyClient(ctx, "notifications/progress",
					map[string]any{"progressToken": req.Params.Meta.ProgressToken, "progress": 50 * i,
						"total": 100}); err != nil {
					return nil, err
				}

				if i < 2 { // the last one stands right before the answer
					time.Sleep(50 * time.Millisecond)
				}
			}

			return mcp.NewToolResultText("progressed"), nil
		})
	s.mcp.AddTool(mcp.NewTool("test_reconnection", mcp.WithDescription("fixture")),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText("Reconnection test completed successfully."), nil
		})
}

// addQuestionFixtures adds tools that ask the client.
func addQuestionFixtures(s *Server) {
	property := func(kind string, more ...any) map[string]any {
		p := map[string]any{"type": kind}
		for i := 0; i+1 < len(more); i += 2 {
			p[more[i].(string)] = more[i+1]
		}

		return p
	}
	titled := []any{map[string]any{"const": "value1", "title": "First Option"}, map[string]any{"const": "value2",
		"title": "Second Option"}, map[string]any{"const": "value3", "title": "Third Option"}}
	plain := []string{"option1", "option2", "option3"}

	forms := map[string]map[string]any{
		"test_elicitation": {"username": property("string", "description", "User's response"),
			"email": property("string", "description", "User's email address")},
		"test_elicitation_sep1034_defaults": {"name": property("string", "default", "John Doe"),
			"age": property("integer", "default", 30), "score": property("number", "default", 95.5),
			"status":   property("string", "enum", []string{"active", "inactive", "pending"}, "default", "active"),
			"verified": property("boolean", "default", true)},
		"test_elicitation_sep1330_enums": {"untitledSingle": property("string", "enum", plain),
			"titledSingle": property("string", "oneOf", titled), "legacyEnum": property("string", "enum",
				[]string{"opt1", "opt2", "opt3"}, "enumNames", []string{"Option One", "Option Two", "Option Three"}),
			"untitledMulti": property("array", "items", property("string", "enum", plain)),
			"titledMulti":   property("array", "items", map[string]any{"anyOf": titled})},
	}
	for name, fields := range forms {
		s.mcp.AddTool(mcp.NewTool(name, mcp.WithDescription("fixture"), mcp.WithString("message")),
			func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				form := mcp.ElicitationParams{Message: req.GetString("message", "Please fill this in"),
					RequestedSchema: map[string]any{"type": "object", "properties": fields}}
				return askFixture(ctx, s, req, mcp.MethodElicitationCreate, form,
					mcpserver.NewInputRequestBuilder("").Elicit("q", form))
			})
	}
	s.mcp.AddTool(mcp.NewTool("test_sampling", mcp.WithDescription("fixture"), mcp.WithString("prompt")),
		func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			p := mcp.CreateMessageParams{MaxTokens: 100,
				Messages: []mcp.SamplingMessage{{Role: mcp.RoleUser,
					Content: mcp.NewTextContent(req.GetString("prompt", ""))}}}
			return askFixture(ctx, s, req, mcp.MethodSamplingCreateMessage, p,
				mcpserver.NewInputRequestBuilder("").Sample("q", p))
		})
}

// askFixture answers with what the client answers.
func askFixture(
	ctx context.Context, s *Server, req mcp.CallToolRequest, method mcp.MCPMethod, params any,
	need *mcpserver.InputRequestBuilder,
) (*mcp.CallToolResult, error) {
	if featuresOf(ctx).modern {
		if r, ok := req.Params.InputResponses["q"]; ok {
			return mcp.NewToolResultText(fmt.Sprintf("The client said: %+v", r)), nil
		}

		return need.ToolResult(), nil
	}

	raw, err := s.askClient(ctx, method, params, defaultPatience)
	if err != nil {
		return mcp.NewToolResultError(err.Error()), nil
	}

	return mcp.NewToolResultText("The client said: " + string(raw)), nil
}

func addResourceFixtures(s *Server) {
	text := func(uri, mime, body string) mcpserver.ResourceHandlerFunc {
		return func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: uri, MIMEType: mime, Text: body}}, nil
		}
	}
	for _, name := range []string{"static-text", "watched-resource"} {
		uri := "test://" + name
		s.mcp.AddResource(mcp.Resource{URI: uri, Name: name, MIMEType: "text/plain", Description: "fixture"},
			text(uri, "text/plain", "This is the content of the static text resource."))
	}
	s.mcp.AddResource(mcp.Resource{URI: "test://static-binary", Name: "static-binary", MIMEType: "image/png",
		Description: "fixture"},
		func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.BlobResourceContents{URI: "test://static-binary", MIMEType: "image/png",
				Blob: smallPNG}}, nil
		})
	s.mcp.AddResourceTemplate(mcp.NewResourceTemplate("test://template/{id}/data", "template",
		mcp.WithTemplateMIMEType("application/json")),
		func(_ context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			id := strings.TrimSuffix(strings.TrimPrefix(req.Params.URI, "test://template/"), "/data")
			content, err := json.Marshal(map[string]any{"id": id, "templateTest": true, "data": "Data for ID: " + id})

			return []mcp.ResourceContents{mcp.TextResourceContents{URI: req.Params.URI, MIMEType: "application/json",
				Text: string(content)}}, err
		})
}

func addPromptFixtures(s *Server) {
	add := func(name string, args []string, render func(map[string]string) []mcp.Content) {
		p := mcp.Prompt{Name: name, Description: "fixture"}
		for _, a := range args {
			p.Arguments = append(p.Arguments, mcp.PromptArgument{Name: a, Required: true})
		}
		s.mcp.AddPrompt(p, func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			r := &mcp.GetPromptResult{Description: "fixture"}
			for _, c := range render(req.Params.Arguments) {
				r.Messages = append(r.Messages, mcp.NewPromptMessage(mcp.RoleUser, c))
			}

			return r, nil
		})
	}
	add("test_simple_prompt", nil, func(map[string]string) []mcp.Content {
		return []mcp.Content{mcp.NewTextContent(fmt.Sprintf(fixture, "simple prompt"))}
	})
	add("test_prompt_with_arguments", []string{"arg1", "arg2"}, func(a map[string]string) []mcp.Content {
		return []mcp.Content{mcp.NewTextContent(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", a["arg1"],
			a["arg2"]))}
	})
	add("test_prompt_with_embedded_resource", []string{"resourceUri"}, func(a map[string]string) []mcp.Content {
		return []mcp.Content{embedded(a["resourceUri"], "text/plain", "Embedded resource content for testing."),
			mcp.NewTextContent("Please process the embedded resource above.")}
	})
	add("test_prompt_with_image", nil, func(map[string]string) []mcp.Content {
		return []mcp.Content{mcp.NewImageContent(smallPNG, "image/png"),
			mcp.NewTextContent("Please analyze the image above.")}
	})
}
