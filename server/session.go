package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// caller is who makes an HTTP request, and on which checkout. It travels in
// the request's context.
type caller struct {
	token    string // the token's name
	checkout string // a folder of a checkout inside an allowed root, symlinks resolved
	session  string // the session's id, "" without one
	client   mcpClient
	forms    bool   // the client can show its person a form
	tool     string // what the access log says of a call: written by called,
	code     string // read when the request has been answered
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
	sessionRandom = 16
	canForms      = "forms"
	maxClientName = 64 // bytes of a client's name, and of its version
)

// newSessionID is the id of a new session. It says whose it is, so that a server
// has nothing to remember and the session goes on with the next one. It opens
// no door: every request shows its token too.
func newSessionID(c mcpClient, forms bool) string {
	random := make([]byte, sessionRandom)
	_, _ = rand.Read(random) // never fails

	enc, who := base64.RawURLEncoding, clipName(c.name)+"\n"+clipName(c.version)
	if forms {
		who += "\n" + canForms
	}

	return sessionPrefix + enc.EncodeToString(random) + "." + enc.EncodeToString([]byte(who))
}

// parseSessionID is the client that a session's id speaks of.
func parseSessionID(id string) (c mcpClient, forms, ok bool) {
	rest, ok := strings.CutPrefix(id, sessionPrefix)
	if !ok || len(id) > 512 {
		return c, false, false
	}
	random, who, _ := strings.Cut(rest, ".")
	r, err := base64.RawURLEncoding.DecodeString(random)

	b, werr := base64.RawURLEncoding.DecodeString(who)
	if err != nil || werr != nil || len(r) != sessionRandom {
		return c, false, false
	}
	name, version, ok := strings.Cut(string(b), "\n")
	version, can, _ := strings.Cut(version, "\n")

	return mcpClient{clipName(name), clipName(version)}, can == canForms, ok
}
