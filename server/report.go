package server

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/research"
	"ratchet/tools"
)

// levels are MCP's, the least severe first.
func levels() []mcp.LoggingLevel {
	return []mcp.LoggingLevel{mcp.LoggingLevelDebug, mcp.LoggingLevelInfo, mcp.LoggingLevelNotice,
		mcp.LoggingLevelWarning, mcp.LoggingLevelError, mcp.LoggingLevelCritical, mcp.LoggingLevelAlert,
		mcp.LoggingLevelEmergency}
}

// setLevel notes from which level on a session wants to be told. An unknown
// one is mcp-go's to refuse.
func (s *Server) setLevel(ctx context.Context, level mcp.LoggingLevel) {
	session, ok := subscriber(ctx)
	if !ok || !slices.Contains(levels(), level) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.levels[session] = level
}

// wantsLevel says whether the call's client wants messages of a level: what it
// says in the request (2026-07-28), or said last; none, if it never said anything.
func (s *Server) wantsLevel(ctx context.Context, level mcp.LoggingLevel) bool {
	least := mcp.LoggingLevel("")
	if info := mcpserver.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		least = info.LogLevel
	} else if session, ok := subscriber(ctx); ok {
		s.mu.Lock()
		least = s.levels[session]
		s.mu.Unlock()
	}
	from := slices.Index(levels(), least)

	return from >= 0 && slices.Index(levels(), level) >= from
}

// happened is what a log message says, from the structured answer of a call.
type happened struct {
	Event       string `json:"event"`
	ID          string `json:"id,omitempty"`
	Experiment  int    `json:"experiment,omitempty"`
	Verdict     string `json:"verdict,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	Commit      string `json:"commit,omitempty"`
	Finding     string `json:"finding,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Tool        string `json:"tool,omitempty"`
}

// report sends a log message of what a call has brought about: a verdict, a
// certificate, a keep, a revert, something that failed inside.
func (s *Server) report(ctx context.Context, tool string, a tools.Answer, err error) {
	level, h, status := mcp.LoggingLevelInfo, happened{}, ""
	if err == nil {
		level, h, status = read(tool, a.Structured)
	} else if research.Describe(err).Code == research.CodeInternal {
		level, h = mcp.LoggingLevelError, happened{Event: "failed", Tool: tool}
	}

	if h.Event == "" || status == "running" || !s.wantsLevel(ctx, level) {
		return
	}
	s.unsent(notifyClient(ctx, "notifications/message", map[string]any{"level": level, "logger": "ratchet", "data": h}))
}

// read is what an answer says of what happened; no event if nothing did.
func read(tool string, answer json.RawMessage) (mcp.LoggingLevel, happened, string) {
	var in struct {
		happened
		Status string `json:"status"`
	}
	if json.Unmarshal(answer, &in) != nil {
		return "", happened{}, ""
	}

	level, h := mcp.LoggingLevelInfo, in.happened
	switch {
	case tool == "keep":
		h.Event = "kept"
	case tool == "revert" && h.Experiment > 0:
		h.Event = "reverted"
	case tool == "stop_run" && h.ID != "":
		h.Event = "stopped"
	case h.Verdict != "":
		h.Event = "judged"
	case h.Certificate != "":
		h.Event = "certificate"
	}

	if h.Verdict == string(research.Invalid) {
		level = mcp.LoggingLevelWarning
	}

	return level, h, in.Status
}
