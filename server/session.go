package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

// caller is who makes an HTTP request, and on which checkout. It travels in
// the request's context.
type caller struct {
	token    string // the token's name
	checkout string // a folder of a checkout inside an allowed root, symlinks resolved
	session  string // the session's id, "" without one
	client   mcpClient
	forms    bool // the client can show its person a form

	// What the access log says of a call: written by recordCall, read when the
	// request has been answered.
	tool string
	code string
}

type callerKey struct{}

func withCaller(ctx context.Context, c *caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf is nil on standard streams.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

const (
	sessionPrefix = "ratchet."
	sessionRandom = 16 // bytes
	maxSessionID  = 512
	canForms      = "forms" // in the id: caller.forms
	maxClientName = 64      // bytes of a client's name, and of its version
)

// newSessionID is the id of a new session. It says whose it is, so that a server
// has nothing to remember and the session goes on with the next one. It grants
// nothing: every request shows its token too.
func newSessionID(client mcpClient, forms bool) string {
	random := make([]byte, sessionRandom)
	_, _ = rand.Read(random) // never fails

	text := clipName(client.name) + "\n" + clipName(client.version)
	if forms {
		text += "\n" + canForms
	}
	enc := base64.RawURLEncoding

	return sessionPrefix + enc.EncodeToString(random) + "." + enc.EncodeToString([]byte(text))
}

// parseSessionID is the client that a session's id speaks of; ok is false for an
// id that newSessionID can't have made.
func parseSessionID(id string) (client mcpClient, forms, ok bool) {
	rest, ok := strings.CutPrefix(id, sessionPrefix)
	if !ok || len(id) > maxSessionID {
		return client, false, false
	}
	encodedRandom, encodedText, _ := strings.Cut(rest, ".")

	random, err := base64.RawURLEncoding.DecodeString(encodedRandom)
	if err != nil || len(random) != sessionRandom {
		return client, false, false
	}

	text, err := base64.RawURLEncoding.DecodeString(encodedText)
	if err != nil {
		return client, false, false
	}

	name, rest, ok := strings.Cut(string(text), "\n")
	version, features, _ := strings.Cut(rest, "\n")

	return mcpClient{clipName(name), clipName(version)}, features == canForms, ok
}

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
