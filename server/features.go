package server

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

// clientFeatures are what a call's client can be asked for, and how.
type clientFeatures struct {
	modern       bool // of 2026-07-28: an answer says what is needed, and the client calls again
	capabilities mcp.ClientCapabilities
}

// featuresOf is what the client of ctx said of itself: in this request, at the
// beginning of the session, or in the id of an HTTP session.
func featuresOf(ctx context.Context) clientFeatures {
	if info := mcpserver.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		features := clientFeatures{modern: true}
		if info.ClientCapabilities != nil {
			features.capabilities = *info.ClientCapabilities
		}

		return features
	}

	if c := callerOf(ctx); c != nil {
		var features clientFeatures
		if c.forms {
			features.capabilities.Elicitation = &mcp.ElicitationCapability{}
		}

		return features
	}

	if session, ok := mcpserver.ClientSessionFromContext(ctx).(mcpserver.SessionWithClientInfo); ok {
		return clientFeatures{capabilities: session.GetClientCapabilities()}
	}

	return clientFeatures{}
}

// canShowForm says whether the client can show its person a form. A client that
// names no kind of elicitation can.
func canShowForm(e *mcp.ElicitationCapability) bool {
	return e != nil && (e.Form != nil || e.URL == nil)
}
