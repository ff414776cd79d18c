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

// logLevels are MCP's, the least severe first.
func logLevels() []mcp.LoggingLevel {
	return []mcp.LoggingLevel{mcp.LoggingLevelDebug, mcp.LoggingLevelInfo, mcp.LoggingLevelNotice,
		mcp.LoggingLevelWarning, mcp.LoggingLevelError, mcp.LoggingLevelCritical, mcp.LoggingLevelAlert,
		mcp.LoggingLevelEmergency}
}

// setLevel notes from which level on a session wants to be told. An unknown
// one is mcp-go's to refuse.
func (s *Server) setLevel(ctx context.Context, level mcp.LoggingLevel) {
	session, ok := subscriber(ctx)
	if !ok || !slices.Contains(logLevels(), level) {
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
	from := slices.Index(logLevels(), least)

	return from >= 0 && slices.Index(logLevels(), level) >= from
}

// logEvent is what a log message says, from the structured answer of a call.
type logEvent struct {
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

// logOutcome sends a log message of what a call has brought about: a verdict, a
// certificate, a keep, a revert, something that failed inside.
func (s *Server) logOutcome(ctx context.Context, tool string, a tools.Answer, err error) {
	level, h, status := mcp.LoggingLevelInfo, logEvent{}, ""
	if err == nil {
		level, h, status = eventOf(tool, a.Structured)
	} else if research.Describe(err).Code == research.CodeInternal {
		level, h = mcp.LoggingLevelError, logEvent{Event: "failed", Tool: tool}
	}

	if h.Event == "" || status == "running" || !s.wantsLevel(ctx, level) {
		return
	}
	s.logUnsent(notifyCaller(ctx, "notifications/message", map[string]any{"level": level, "logger": "ratchet", "data": h}))
}

// eventOf is what an answer says of what happened; no event if nothing did.
func eventOf(tool string, answer json.RawMessage) (mcp.LoggingLevel, logEvent, string) {
	var in struct {
		logEvent
		Status string `json:"status"`
	}
	if json.Unmarshal(answer, &in) != nil {
		return "", logEvent{}, ""
	}

	level, h := mcp.LoggingLevelInfo, in.logEvent
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
