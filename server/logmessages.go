package server

import (
	"context"
	"encoding/json"
	"ratchet/internal/render"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/research"
)

// logLevels are MCP's, the least severe first.
func logLevels() []mcp.LoggingLevel {
	return []mcp.LoggingLevel{mcp.LoggingLevelDebug, mcp.LoggingLevelInfo, mcp.LoggingLevelNotice,
		mcp.LoggingLevelWarning, mcp.LoggingLevelError, mcp.LoggingLevelCritical, mcp.LoggingLevelAlert,
		mcp.LoggingLevelEmergency}
}

// setLevel sets from which level on ctx's session wants log messages. An unknown
// level is ignored here: mcp-go refuses it.
func (s *subscriptions) setLevel(ctx context.Context, level mcp.LoggingLevel) {
	session, ok := subscriberOf(ctx)
	if !ok || !slices.Contains(logLevels(), level) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.levels[session] = level
}

// leastLevel is the least severe level that the client of ctx wants: what it says
// in the request (2026-07-28), or said last. It is "" for a client that never
// said, which wants no messages.
func (s *subscriptions) leastLevel(ctx context.Context) mcp.LoggingLevel {
	if info := mcpserver.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		return info.LogLevel
	}

	session, ok := subscriberOf(ctx)
	if !ok {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.levels[session]
}

// wantsLevel says whether the client of ctx wants messages of a level.
func (s *subscriptions) wantsLevel(ctx context.Context, level mcp.LoggingLevel) bool {
	least := slices.Index(logLevels(), s.leastLevel(ctx))

	return least >= 0 && slices.Index(logLevels(), level) >= least
}

// logEvent is what a log message says of a call, from its structured answer.
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
func (s *Server) logOutcome(ctx context.Context, tool string, answer render.Answer, err error) {
	level, event := mcp.LoggingLevelInfo, logEvent{}

	switch {
	case err == nil:
		level, event = eventOf(tool, answer.Structured)
	case research.Describe(err).Code == research.CodeInternal:
		level, event = mcp.LoggingLevelError, logEvent{Event: "failed", Tool: tool}
	}

	if event.Event == "" || !s.subs.wantsLevel(ctx, level) {
		return
	}
	s.logUnsent(notifyClient(ctx, "notifications/message",
		map[string]any{"level": level, "logger": "ratchet", "data": event}))
}

// eventOf is what an answer says of what happened; its Event is "" if nothing
// did, or if what the call began still runs.
func eventOf(tool string, answer json.RawMessage) (mcp.LoggingLevel, logEvent) {
	var decoded struct {
		logEvent
		Status string `json:"status"`
	}
	if json.Unmarshal(answer, &decoded) != nil || decoded.Status == "running" {
		return "", logEvent{}
	}

	event := decoded.logEvent
	switch {
	case tool == "keep":
		event.Event = "kept"
	case tool == "revert" && event.Experiment > 0:
		event.Event = "reverted"
	case tool == "stop_run" && event.ID != "":
		event.Event = "stopped"
	case event.Verdict != "":
		event.Event = "judged"
	case event.Certificate != "":
		event.Event = "certificate"
	}

	level := mcp.LoggingLevelInfo
	if event.Verdict == string(research.Invalid) {
		level = mcp.LoggingLevelWarning
	}

	return level, event
}
