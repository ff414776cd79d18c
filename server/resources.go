package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"ratchet/internal/render"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/view"
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
	add := func(uri, name, mediaType, about string, read func(context.Context) (string, error)) {
		s.mcp.AddResource(mcp.Resource{URI: uri, Name: name, MIMEType: mediaType, Description: about},
			s.textResource(mediaType, read))
	}
	add(programURI, "program", "text/markdown", "program.md: the contract and the research direction", s.readProgram)
	add(briefURI, "brief", "text/plain", "What a session needs to go on", s.readLogView(`{"view":"brief"}`))
	add(logURI, "log.tsv", "text/tab-separated-values", "The newest experiments, one a line", s.readTSV)

	template := mcp.NewResourceTemplate(experimentsURI+"{n}", "experiment", mcp.WithTemplateMIMEType("text/plain"),
		mcp.WithTemplateDescription("One experiment with its runs and diff"))
	s.mcp.AddResourceTemplate(template, s.readExperiment)
}

// readExperiment answers for the template of experiments.
func (s *Server) readExperiment(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	args, err := json.Marshal(map[string]any{
		"view":  "experiment",
		"query": strings.TrimPrefix(req.Params.URI, experimentsURI),
		"limit": 16 << 10,
	})
	if err != nil {
		return nil, err
	}

	return s.textResource("text/plain", s.readLogView(string(args)))(ctx, req)
}

// textResource makes a resource of a text. Errors carry code, sentence and next
// step; a panic is an error.
func (s *Server) textResource(
	mediaType string, read func(context.Context) (string, error),
) mcpserver.ResourceHandlerFunc {
	return func(ctx context.Context, req mcp.ReadResourceRequest) (contents []mcp.ResourceContents, err error) {
		defer func() {
			if r := recover(); r != nil {
				s.opt.Log.Error("panic in a resource", "uri", req.Params.URI, "panic", r)
				err = errors.New(render.Refusal(errors.New("panic")).Text)
			}
		}()

		text, err := read(ctx)
		if err != nil {
			return nil, errors.New(render.Refusal(err).Text)
		}

		return []mcp.ResourceContents{
			mcp.TextResourceContents{URI: req.Params.URI, MIMEType: mediaType, Text: text},
		}, nil
	}
}

func (s *Server) readProgram(ctx context.Context) (string, error) {
	co, err := s.openLab(ctx)
	if err != nil {
		return "", err
	}
	text, err := view.ReadProgramText(ctx, co)

	return render.Clean(text), err
}

func (s *Server) readTSV(ctx context.Context) (string, error) {
	co, err := s.openLab(ctx)
	if err != nil {
		return "", err
	}
	var tsv bytes.Buffer
	err = tools.WriteTSV(ctx, co, &tsv, logRows)

	return tsv.String(), err
}

// readLogView is the text of a read_log call.
func (s *Server) readLogView(args string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		readLog, _ := tools.Get("read_log")
		answer, err := readLog.Call(ctx, tools.Env{Open: s.openLab, Looking: true}, json.RawMessage(args))

		return answer.Text, err
	}
}
