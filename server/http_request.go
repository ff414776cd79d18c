package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/research"
)

const sessionHeader = "Mcp-Session-Id"

// requestInfo is what the access log and the metrics say of a request.
type requestInfo struct {
	caller
	role   Role   // of the token
	method string // of JSON-RPC
	repo   string
}

// ServeHTTP answers one request: /mcp, the dashboard below /ui, /healthz or /metrics.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	out := newReply(w)
	out.setReadDeadline(began.Add(h.opt.Limits.Arrival)) // also of a body that nobody reads
	info := &requestInfo{}

	defer func() {
		if p := recover(); p != nil {
			h.opt.Log.Error("panic in a request", "panic", p, "stack", string(debug.Stack()))
			out.refuse(newRefusal(http.StatusInternalServerError, research.CodeInternal,
				"the server's stderr has the details", "internal error"))
		}
		out.finish()
		h.metrics.countRequest(out.status)
		h.logAccess(r, info, out, time.Since(began))
	}()
	out.header.Set("X-Content-Type-Options", "nosniff")
	out.header.Set("Cache-Control", "no-store")

	if bad := h.route(out, r, info); bad != nil {
		out.refuse(bad)
	}
}

func (h *HTTP) logAccess(r *http.Request, info *requestInfo, out *reply, took time.Duration) {
	h.opt.Access.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("remote", r.RemoteAddr), slog.String("method", r.Method), slog.String("path", excerpt(r.URL.Path)),
		slog.Int("status", out.status), slog.Int64("bytes", out.bytes), slog.Float64("ms",
			float64(took.Microseconds())/1000),
		slog.String("token", info.token), slog.String("client", info.client.name), slog.String("repo", info.repo),
		slog.String("rpc", info.method), slog.String("tool", info.tool), slog.String("code", info.code))
}

func (h *HTTP) route(out *reply, r *http.Request, info *requestInfo) *refusal {
	if bad := h.origins.checkRequest(out.header, r); bad != nil {
		return bad
	}

	switch r.URL.Path {
	case "/healthz":
		if bad := requireMethod(r, http.MethodGet, http.MethodHead); bad != nil {
			return bad
		}
		out.header.Set("Content-Type", "text/plain; charset=utf-8")
		out.sendText(http.StatusOK, "ok\n")

		return nil
	case "/metrics":
		if bad := requireMethod(r, http.MethodGet); bad != nil {
			return bad
		}

		if bad := h.authenticate(r, info); bad != nil && !isLocalRequest(r) {
			return bad
		}
		h.metrics.serve(out, r)

		return nil
	case "/mcp":
		return h.serveMCP(out, r, info)
	}

	return h.serveDashboard(out, r, info)
}

// requireMethod refuses a request of another method than those.
func requireMethod(r *http.Request, methods ...string) *refusal {
	if slices.Contains(methods, r.Method) {
		return nil
	}
	allow := strings.Join(methods, ", ")

	bad := newRefusal(http.StatusMethodNotAllowed, research.CodeBadArgument, "use "+allow,
		"this method has no meaning here")
	bad.header = map[string]string{"Allow": allow}

	return bad
}

// authenticate finds whose token the request shows.
func (h *HTTP) authenticate(r *http.Request, info *requestInfo) *refusal {
	challenge := `Bearer realm="ratchet"`

	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") && token != "" {
		who, ok, err := h.opt.Tokens.Check(strings.TrimSpace(token))
		if err != nil {
			h.opt.Log.Error("tokens can't be read", "err", err)
			return newRefusal(http.StatusServiceUnavailable, research.CodeStorage, "the server's stderr has the details",
				"tokens can't be checked")
		}

		if ok {
			info.token, info.role = who.Name, who.Role
			return nil
		}
		challenge += `, error="invalid_token"`
	}
	bad := newRefusal(http.StatusUnauthorized, "unauthorized",
		"send Authorization: Bearer TOKEN; `ratchet token add NAME` makes one", "a valid token is needed")
	bad.header = map[string]string{"WWW-Authenticate": challenge}

	return bad
}

// admit lets a request of a valid token in, within its rate.
func (h *HTTP) admit(r *http.Request, info *requestInfo) *refusal {
	if bad := h.authenticate(r, info); bad != nil {
		return bad
	}

	if !h.allowRequest(info.token) {
		bad := newRefusal(http.StatusTooManyRequests, research.CodeBusy, "wait a second",
			"the token %s makes too many requests", info.token)
		bad.header = map[string]string{"Retry-After": "1"}

		return bad
	}

	return nil
}

// resolveCheckout finds the checkout that a request names.
func (h *HTTP) resolveCheckout(r *http.Request, info *requestInfo) *refusal {
	var err error
	if info.checkout, err = h.roots.Checkout(r.URL.Query().Get("repo")); err != nil {
		status := http.StatusForbidden
		if research.Describe(err).Code == research.CodeBadArgument {
			status = http.StatusBadRequest
		}

		return &refusal{status: status, err: err}
	}
	info.repo = info.checkout

	return nil
}

// acquire takes one of the places, until release is called; 503 when all are taken.
func acquire(place chan struct{}) (release func(), bad *refusal) {
	select {
	case place <- struct{}{}:
		return func() { <-place }, nil
	default:
		bad = newRefusal(http.StatusServiceUnavailable, research.CodeBusy, "repeat it in a second",
			"too many requests are under way")
		bad.header = map[string]string{"Retry-After": "1"}

		return nil, bad
	}
}

// mcpMessage is what has to be known of a JSON-RPC message before mcp-go sees it.
type mcpMessage struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Capabilities struct {
			Elicitation *mcp.ElicitationCapability `json:"elicitation"`
		} `json:"capabilities"`
		ClientInfo struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"clientInfo"`
	} `json:"params"`
}

func (h *HTTP) serveMCP(out *reply, r *http.Request, info *requestInfo) *refusal {
	if r.Method == http.MethodOptions && r.Header.Get("Origin") != "" {
		answerPreflight(out)
		return nil
	}

	if bad := h.admit(r, info); bad != nil {
		return bad
	}

	if info.role != RoleAgent {
		return newRefusal(http.StatusForbidden, "forbidden", "use a token of an agent: ratchet token add NAME",
			"the token %s is for the dashboard only", info.token)
	}

	if bad := requireMethod(r, http.MethodPost, http.MethodDelete); bad != nil {
		return bad
	}

	if bad := h.resolveCheckout(r, info); bad != nil {
		return bad
	}

	if info.session = r.Header.Get(sessionHeader); info.session != "" {
		var ok bool
		if info.client, info.forms, ok = parseSessionID(info.session); !ok {
			return newRefusal(http.StatusNotFound, research.CodeNotFound, "initialize again", "there is no such session")
		}
	}

	if r.Method == http.MethodDelete {
		if info.session == "" {
			return newRefusal(http.StatusBadRequest, research.CodeBadArgument, "say which by the header "+sessionHeader,
				"no session is named")
		}
		h.closeSession(r.Context(), info.token, info.session)
		out.WriteHeader(http.StatusNoContent)

		return nil
	}

	body, bad := h.readBody(out, r)
	if bad != nil {
		return bad
	}
	var m mcpMessage
	_ = json.Unmarshal(body, &m) // mcp-go says what is wrong with it
	info.method = clipName(m.Method)

	return h.handleMessage(out, r, info, m, body)
}

// readBody reads a JSON body within the limits.
func (h *HTTP) readBody(out *reply, r *http.Request) ([]byte, *refusal) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" ||
		r.Header.Get("Content-Encoding") != "" {
		return nil, newRefusal(http.StatusUnsupportedMediaType, research.CodeBadArgument,
			"send plain Content-Type: application/json", "the body is of another kind")
	}

	large := newRefusal(http.StatusRequestEntityTooLarge, research.CodeBadArgument, "send less",
		"a request may have %d bytes", h.opt.Limits.Body)
	if r.ContentLength > h.opt.Limits.Body {
		return nil, large
	}

	body, err := io.ReadAll(http.MaxBytesReader(out.w, r.Body, h.opt.Limits.Body))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, large
	}

	if err != nil {
		return nil, newRefusal(http.StatusRequestTimeout, research.CodeBadArgument, "send it faster",
			"the request's body did not arrive")
	}
	out.setReadDeadline(time.Time{}) // it has: the call may take long

	if !withinJSONLimits(body) {
		return nil, newRefusal(http.StatusBadRequest, research.CodeBadArgument, "send a simpler message",
			"a message may be %d levels deep and have %d parts", maxDepth, maxParts)
	}

	return body, nil
}

// handleMessage hands a message to mcp-go and its answer to out.
func (h *HTTP) handleMessage(out *reply, r *http.Request, info *requestInfo, m mcpMessage, body []byte) *refusal {
	ctx, cancel := context.WithCancel(withStream(withCaller(r.Context(), &info.caller), out))
	defer cancel()

	if m.Method == "" && len(m.ID) > 0 && h.core.questions.deliver(sessionKeyOf(ctx), m.ID, body) {
		out.WriteHeader(http.StatusAccepted)
		return nil
	}
	place, header := h.calls, r.Header.Clone()

	switch mcp.MCPMethod(m.Method) {
	case mcp.MethodSubscriptionsListen:
		place = h.streams
		defer h.core.subs.removeListener(&info.caller)
		defer afterClose(h.stopping, cancel)()
		defer h.watchForStream(ctx, info)()
	case mcp.MethodInitialize:
		info.client = mcpClient{clipName(m.Params.ClientInfo.Name), clipName(m.Params.ClientInfo.Version)}
		info.forms = canShowForm(m.Params.Capabilities.Elicitation)
		info.session = newSessionID(info.client, info.forms)
		out.header.Set(sessionHeader, info.session)
		h.metrics.sessions.Inc()
	}

	release, bad := acquire(place)
	if bad != nil {
		return bad
	}
	defer release()

	if info.session != "" {
		h.sessions.GetOrAdd(info.session, struct{}{})
	}
	header.Del(sessionHeader) // it is ours; mcp-go's sessions live as long as a request
	header.Del("Authorization")
	out.startKeepAlive(acceptsType(r, eventStream))
	h.mcp.Handle(out, &mcpserver.HTTPRequest{Method: http.MethodPost, URL: r.URL, Header: header, Body: body,
		Context: ctx})

	return nil
}

// acceptsType says whether the client takes answers of this kind; one that says
// nothing takes all.
func acceptsType(r *http.Request, kind string) bool {
	all := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.TrimSpace(all) == "" || strings.Contains(all, kind) || strings.Contains(all, "*/*")
}
