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
func (h *HTTP) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	began := time.Now()
	info := &requestInfo{}
	out := newReply(response)
	out.setReadDeadline(began.Add(h.opt.Limits.Arrival)) // also of a body that is never read

	defer func() {
		h.recoverPanic(out, recover())
		out.finish()
		h.metrics.countRequest(out.status)
		h.logAccess(request, info, out, time.Since(began))
	}()

	out.header.Set("X-Content-Type-Options", "nosniff")
	out.header.Set("Cache-Control", "no-store")

	if bad := h.routeRequest(out, request, info); bad != nil {
		out.refuse(bad)
	}
}

// recoverPanic answers a request that has panicked.
func (h *HTTP) recoverPanic(out *reply, panicked any) {
	if panicked == nil {
		return
	}

	h.opt.Log.Error("panic in a request", "panic", panicked, "stack", string(debug.Stack()))
	out.refuse(newRefusal(http.StatusInternalServerError, research.CodeInternal,
		"the server's stderr has the details", "internal error"))
}

func (h *HTTP) logAccess(request *http.Request, info *requestInfo, out *reply, took time.Duration) {
	h.opt.Access.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("remote", request.RemoteAddr),
		slog.String("method", request.Method),
		slog.String("path", excerpt(request.URL.Path)),
		slog.Int("status", out.status),
		slog.Int64("bytes", out.bytes),
		slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.String("token", info.token),
		slog.String("client", info.client.name),
		slog.String("repo", info.repo),
		slog.String("rpc", info.method),
		slog.String("tool", info.tool),
		slog.String("code", info.code),
	)
}

func (h *HTTP) routeRequest(out *reply, request *http.Request, info *requestInfo) *refusal {
	if bad := h.origins.checkRequest(out.header, request); bad != nil {
		return bad
	}

	switch request.URL.Path {
	case "/mcp":
		return h.serveMCP(out, request, info)
	case "/healthz":
		return serveHealth(out, request)
	case "/metrics":
		return h.serveMetrics(out, request, info)
	}

	return h.serveDashboard(out, request, info)
}

func serveHealth(out *reply, r *http.Request) *refusal {
	if bad := requireMethod(r, http.MethodGet, http.MethodHead); bad != nil {
		return bad
	}

	out.header.Set("Content-Type", "text/plain; charset=utf-8")
	out.sendText(http.StatusOK, "ok\n")

	return nil
}

// serveMetrics needs no token on this machine.
func (h *HTTP) serveMetrics(out *reply, request *http.Request, info *requestInfo) *refusal {
	if bad := requireMethod(request, http.MethodGet); bad != nil {
		return bad
	}

	if bad := h.authenticate(request, info); bad != nil && !isLocalRequest(request) {
		return bad
	}
	h.metrics.serveMetrics(out, request)

	return nil
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
func (h *HTTP) authenticate(request *http.Request, info *requestInfo) *refusal {
	challenge := `Bearer realm="ratchet"`

	scheme, token, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") && token != "" {
		known, ok, err := h.opt.Tokens.Check(strings.TrimSpace(token))
		if err != nil {
			h.opt.Log.Error("tokens can't be read", "err", err)
			return newRefusal(http.StatusServiceUnavailable, research.CodeStorage,
				"the server's stderr has the details", "tokens can't be checked")
		}

		if ok {
			info.token, info.role = known.Name, known.Role
			return nil
		}
		challenge += `, error="invalid_token"`
	}

	bad := newRefusal(http.StatusUnauthorized, "unauthorized",
		"send Authorization: Bearer TOKEN; `ratchet token add NAME` makes one", "a valid token is needed")
	bad.header = map[string]string{"WWW-Authenticate": challenge}

	return bad
}

// admitToken lets a request of a valid token in, within the token's rate.
func (h *HTTP) admitToken(r *http.Request, info *requestInfo) *refusal {
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
	checkout, err := h.roots.Checkout(r.URL.Query().Get("repo"))
	if err != nil {
		status := http.StatusForbidden
		if research.Describe(err).Code == research.CodeBadArgument {
			status = http.StatusBadRequest
		}

		return &refusal{status: status, err: err}
	}
	info.checkout, info.repo = checkout, checkout

	return nil
}

// acquire takes one of the places, until release is called; 503 when all are taken.
func acquire(places chan struct{}) (release func(), bad *refusal) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
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

// serveMCP lets a request of an agent in, and has its message answered. Requests
// that are refused cost little: the body is read last.
func (h *HTTP) serveMCP(out *reply, request *http.Request, info *requestInfo) *refusal {
	if request.Method == http.MethodOptions && request.Header.Get("Origin") != "" {
		answerPreflight(out)
		return nil
	}

	if bad := h.admitToken(request, info); bad != nil {
		return bad
	}

	if info.role != RoleAgent {
		return newRefusal(http.StatusForbidden, "forbidden", "use a token of an agent: ratchet token add NAME",
			"the token %s is for the dashboard only", info.token)
	}

	if bad := requireMethod(request, http.MethodPost, http.MethodDelete); bad != nil {
		return bad
	}

	if bad := h.resolveCheckout(request, info); bad != nil {
		return bad
	}

	if bad := resumeSession(request, info); bad != nil {
		return bad
	}

	if request.Method == http.MethodDelete {
		return h.deleteSession(out, request, info)
	}

	body, bad := h.readBody(out, request)
	if bad != nil {
		return bad
	}

	var message mcpMessage
	_ = json.Unmarshal(body, &message) // mcp-go says what is wrong with it
	info.method = clipName(message.Method)

	return h.handleMessage(out, request, info, message, body)
}

// resumeSession reads what the session's id says of its client. A request without
// a session is let through.
func resumeSession(r *http.Request, info *requestInfo) *refusal {
	info.session = r.Header.Get(sessionHeader)
	if info.session == "" {
		return nil
	}

	client, forms, ok := parseSessionID(info.session)
	if !ok {
		return newRefusal(http.StatusNotFound, research.CodeNotFound, "initialize again", "there is no such session")
	}
	info.client, info.forms = client, forms

	return nil
}

func (h *HTTP) deleteSession(out *reply, request *http.Request, info *requestInfo) *refusal {
	if info.session == "" {
		return newRefusal(http.StatusBadRequest, research.CodeBadArgument, "say which by the header "+sessionHeader,
			"no session is named")
	}

	h.closeSession(request.Context(), info.token, info.session)
	out.WriteHeader(http.StatusNoContent)

	return nil
}

// readBody reads a JSON body within the limits.
func (h *HTTP) readBody(out *reply, request *http.Request) ([]byte, *refusal) {
	mediaType, _, err := mime.ParseMediaType(request.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || request.Header.Get("Content-Encoding") != "" {
		return nil, newRefusal(http.StatusUnsupportedMediaType, research.CodeBadArgument,
			"send plain Content-Type: application/json", "the body is of another kind")
	}

	tooLarge := newRefusal(http.StatusRequestEntityTooLarge, research.CodeBadArgument, "send less",
		"a request may have %d bytes", h.opt.Limits.Body)
	if request.ContentLength > h.opt.Limits.Body {
		return nil, tooLarge
	}

	body, err := io.ReadAll(http.MaxBytesReader(out.w, request.Body, h.opt.Limits.Body))
	if limit := (*http.MaxBytesError)(nil); errors.As(err, &limit) {
		return nil, tooLarge
	}

	if err != nil {
		return nil, newRefusal(http.StatusRequestTimeout, research.CodeBadArgument, "send it faster",
			"the request's body did not arrive")
	}
	out.setReadDeadline(time.Time{}) // the body has arrived: the call may take long

	if !withinJSONLimits(body) {
		return nil, newRefusal(http.StatusBadRequest, research.CodeBadArgument, "send a simpler message",
			"a message may be %d levels deep and have %d parts", maxDepth, maxParts)
	}

	return body, nil
}

// handleMessage hands a message to mcp-go and its answer to out. An answer of the
// client's to one of our questions goes to the call that asked.
func (h *HTTP) handleMessage(
	out *reply, request *http.Request, info *requestInfo, message mcpMessage, body []byte,
) *refusal {
	ctx, cancel := context.WithCancel(withStream(withCaller(request.Context(), &info.caller), out))
	defer cancel()

	if message.Method == "" && len(message.ID) > 0 &&
		h.core.questions.deliver(sessionKeyOf(ctx), message.ID, body) {
		out.WriteHeader(http.StatusAccepted)
		return nil
	}

	places := h.calls

	switch mcp.MCPMethod(message.Method) {
	case mcp.MethodSubscriptionsListen:
		places = h.streams

		defer h.core.subs.removeListener(&info.caller)
		defer afterClose(h.stopping, cancel)()
		defer h.watchForStream(ctx, info)()
	case mcp.MethodInitialize:
		h.beginSession(out, info, message)
	}

	release, bad := acquire(places)
	if bad != nil {
		return bad
	}
	defer release()

	if info.session != "" {
		h.sessions.GetOrAdd(info.session, struct{}{})
	}

	header := request.Header.Clone()
	header.Del(sessionHeader) // it is ours; mcp-go's sessions live as long as a request
	header.Del("Authorization")

	out.startKeepAlive(acceptsType(request, eventStream))
	h.mcp.Handle(out, &mcpserver.HTTPRequest{
		Method:  http.MethodPost,
		URL:     request.URL,
		Header:  header,
		Body:    body,
		Context: ctx,
	})

	return nil
}

// beginSession gives the client that initialises a session.
func (h *HTTP) beginSession(out *reply, info *requestInfo, message mcpMessage) {
	client := message.Params.ClientInfo
	info.client = mcpClient{clipName(client.Name), clipName(client.Version)}
	info.forms = canShowForm(message.Params.Capabilities.Elicitation)
	info.session = newSessionID(info.client, info.forms)

	out.header.Set(sessionHeader, info.session)
	h.metrics.sessions.Inc()
}

// acceptsType says whether the client accepts answers of a media type. A client
// that names none accepts all.
func acceptsType(r *http.Request, mediaType string) bool {
	accepted := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	if strings.TrimSpace(accepted) == "" {
		return true
	}

	return strings.Contains(accepted, mediaType) || strings.Contains(accepted, "*/*")
}
