package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/tools"
)

const (
	programURI     = "ratchet://program"
	briefURI       = "ratchet://brief"
	logURI         = "ratchet://log.tsv"
	experimentsURI = "ratchet://experiments/"
	logRows        = 1000 // newest experiments in log.tsv
)

func (s *Server) addResources() {
	s.mcp.AddResource(mcp.Resource{URI: programURI, Name: "program", MIMEType: "text/markdown",
		Description: "program.md: the contract and the research direction"}, s.textResource("text/markdown", s.readProgram))
	s.mcp.AddResource(mcp.Resource{URI: briefURI, Name: "brief", MIMEType: "text/plain",
		Description: "What a session needs to go on"}, s.textResource("text/plain", s.readLogView(`{"view":"brief"}`)))
	s.mcp.AddResource(mcp.Resource{URI: logURI, Name: "log.tsv", MIMEType: "text/tab-separated-values",
		Description: "The newest experiments, one a line"}, s.textResource("text/tab-separated-values", s.readTSV))
	template := mcp.NewResourceTemplate(experimentsURI+"{n}", "experiment", mcp.WithTemplateMIMEType("text/plain"),
		mcp.WithTemplateDescription("One experiment with its runs and diff"))
	s.mcp.AddResourceTemplate(template,
		func(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			args, err := json.Marshal(map[string]any{"view": "experiment",
				"query": strings.TrimPrefix(req.Params.URI, experimentsURI), "limit": 16 << 10})
			if err != nil {
				return nil, err
			}

			return s.textResource("text/plain", s.readLogView(string(args)))(ctx, req)
		})
}

// textResource makes a resource of a text. Errors carry code, sentence and next step.
func (s *Server) textResource(mime string, text func(context.Context) (string, error)) mcpserver.ResourceHandlerFunc {
	return func(ctx context.Context, req mcp.ReadResourceRequest) (_ []mcp.ResourceContents, err error) {
		defer func() {
			if r := recover(); r != nil {
				s.opt.Log.Error("panic in a resource", "uri", req.Params.URI, "panic", r)
				err = errors.New(tools.Refusal(errors.New("panic")).Text)
			}
		}()

		t, err := text(ctx)
		if err != nil {
			return nil, errors.New(tools.Refusal(err).Text)
		}

		return []mcp.ResourceContents{mcp.TextResourceContents{URI: req.Params.URI, MIMEType: mime, Text: t}}, nil
	}
}

func (s *Server) readProgram(ctx context.Context) (string, error) {
	l, err := s.openLab(ctx)
	if err != nil {
		return "", err
	}
	text, err := l.ReadProgramText(ctx)

	return tools.Clean(text), err
}

func (s *Server) readTSV(ctx context.Context) (string, error) {
	l, err := s.openLab(ctx)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = tools.WriteTSV(ctx, l, &b, logRows)

	return b.String(), err
}

// readLogView is the text of a read_log call.
func (s *Server) readLogView(args string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		t, _ := tools.Get("read_log")
		a, err := t.Call(ctx, tools.Env{Open: s.openLab, Looking: true}, json.RawMessage(args))

		return a.Text, err
	}
}
