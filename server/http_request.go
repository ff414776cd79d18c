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
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"ratchet/internal/research"
)

const sessionHeader = "Mcp-Session-Id"

// visit is what the access log and the metrics say of a request.
type visit struct {
	caller
	role   Role   // of the token
	method string // of JSON-RPC
	repo   string
}

// ServeHTTP answers one request: /mcp, the dashboard below /ui, /healthz or /metrics.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	out := newReply(w)
	out.arrive(began.Add(h.opt.Limits.Arrival)) // also of a body that nobody reads
	v := &visit{}

	defer func() {
		if p := recover(); p != nil {
			h.opt.Log.Error("panic in a request", "panic", p, "stack", string(debug.Stack()))
			out.refuse(refused(http.StatusInternalServerError, research.CodeInternal,
				"the server's stderr has the details", "internal error"))
		}
		out.finish()
		h.metrics.request(out.status)
		h.access(r, v, out, time.Since(began))
	}()
	out.head.Set("X-Content-Type-Options", "nosniff")
	out.head.Set("Cache-Control", "no-store")

	if bad := h.route(out, r, v); bad != nil {
		out.refuse(bad)
	}
}

func (h *HTTP) access(r *http.Request, v *visit, out *reply, took time.Duration) {
	h.opt.Access.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("remote", r.RemoteAddr), slog.String("method", r.Method), slog.String("path", shown(r.URL.Path)),
		slog.Int("status", out.status), slog.Int64("bytes", out.bytes), slog.Float64("ms",
			float64(took.Microseconds())/1000),
		slog.String("token", v.token), slog.String("client", v.client.name), slog.String("repo", v.repo),
		slog.String("rpc", v.method), slog.String("tool", v.tool), slog.String("code", v.code))
}

func (h *HTTP) route(out *reply, r *http.Request, v *visit) *refusal {
	if bad := h.origins.check(out.head, r); bad != nil {
		return bad
	}

	switch r.URL.Path {
	case "/healthz":
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return notAllowed("GET, HEAD")
		}
		out.head.Set("Content-Type", "text/plain; charset=utf-8")
		out.text(http.StatusOK, "ok\n")

		return nil
	case "/metrics":
		if r.Method != http.MethodGet {
			return notAllowed(http.MethodGet)
		}

		if bad := h.authorise(r, v); bad != nil && !local(r) {
			return bad
		}
		h.metrics.write(out, r)

		return nil
	case "/mcp":
		return h.serveMCP(out, r, v)
	}

	return h.serveUI(out, r, v)
}

func notAllowed(allow string) *refusal {
	bad := refused(http.StatusMethodNotAllowed, research.CodeBadArgument, "use "+allow,
		"this method has no meaning here")
	bad.header = map[string]string{"Allow": allow}

	return bad
}

// authorise finds whose token the request shows.
func (h *HTTP) authorise(r *http.Request, v *visit) *refusal {
	challenge := `Bearer realm="ratchet"`

	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") && token != "" {
		who, ok, err := h.opt.Tokens.Check(strings.TrimSpace(token))
		if err != nil {
			h.opt.Log.Error("tokens can't be read", "err", err)
			return refused(http.StatusServiceUnavailable, research.CodeStorage, "the server's stderr has the details",
				"tokens can't be checked")
		}

		if ok {
			v.token, v.role = who.Name, who.Role
			return nil
		}
		challenge += `, error="invalid_token"`
	}
	bad := refused(http.StatusUnauthorized, "unauthorized",
		"send Authorization: Bearer TOKEN; `ratchet token add NAME` makes one", "a valid token is needed")
	bad.header = map[string]string{"WWW-Authenticate": challenge}

	return bad
}

// admit lets a request of a valid token in, within its rate.
func (h *HTTP) admit(r *http.Request, v *visit) *refusal {
	if bad := h.authorise(r, v); bad != nil {
		return bad
	}

	if !h.allow(v.token) {
		bad := refused(http.StatusTooManyRequests, research.CodeBusy, "wait a second",
			"the token %s makes too many requests", v.token)
		bad.header = map[string]string{"Retry-After": "1"}

		return bad
	}

	return nil
}

// locate finds the checkout that a request names.
func (h *HTTP) locate(r *http.Request, v *visit) *refusal {
	var err error
	if v.checkout, err = h.roots.checkout(r.URL.Query().Get("repo")); err != nil {
		status := http.StatusForbidden
		if research.Describe(err).Code == research.CodeBadArgument {
			status = http.StatusBadRequest
		}

		return &refusal{status: status, err: err}
	}
	v.repo = v.checkout

	return nil
}

// seat takes one of the places, until leave is called; 503 when all are taken.
func seat(place chan struct{}) (leave func(), bad *refusal) {
	select {
	case place <- struct{}{}:
		return func() { <-place }, nil
	default:
		bad = refused(http.StatusServiceUnavailable, research.CodeBusy, "repeat it in a second",
			"too many requests are under way")
		bad.header = map[string]string{"Retry-After": "1"}

		return nil, bad
	}
}

// message is what has to be known of a JSON-RPC message before mcp-go sees it.
type message struct {
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

func (h *HTTP) serveMCP(out *reply, r *http.Request, v *visit) *refusal {
	if r.Method == http.MethodOptions && r.Header.Get("Origin") != "" {
		preflight(out)
		return nil
	}

	if bad := h.admit(r, v); bad != nil {
		return bad
	}

	if v.role != RoleAgent {
		return refused(http.StatusForbidden, "forbidden", "use a token of an agent: ratchet token add NAME",
			"the token %s is for the dashboard only", v.token)
	}

	if r.Method != http.MethodPost && r.Method != http.MethodDelete {
		return notAllowed("POST, DELETE")
	}

	if bad := h.locate(r, v); bad != nil {
		return bad
	}

	if v.session = r.Header.Get(sessionHeader); v.session != "" {
		var ok bool
		if v.client, v.forms, ok = sessionClient(v.session); !ok {
			return refused(http.StatusNotFound, research.CodeNotFound, "initialize again", "there is no such session")
		}
	}

	if r.Method == http.MethodDelete {
		if v.session == "" {
			return refused(http.StatusBadRequest, research.CodeBadArgument, "say which by the header "+sessionHeader,
				"no session is named")
		}
		h.end(r.Context(), v.token, v.session)
		out.WriteHeader(http.StatusNoContent)

		return nil
	}

	body, bad := h.read(out, r)
	if bad != nil {
		return bad
	}
	var m message
	_ = json.Unmarshal(body, &m) // mcp-go says what is wrong with it
	v.method = clip(m.Method)

	return h.pass(out, r, v, m, body)
}

// read reads a JSON body within the limits.
func (h *HTTP) read(out *reply, r *http.Request) ([]byte, *refusal) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" ||
		r.Header.Get("Content-Encoding") != "" {
		return nil, refused(http.StatusUnsupportedMediaType, research.CodeBadArgument,
			"send plain Content-Type: application/json", "the body is of another kind")
	}

	large := refused(http.StatusRequestEntityTooLarge, research.CodeBadArgument, "send less",
		"a request may have %d bytes", h.opt.Limits.Body)
	if r.ContentLength > h.opt.Limits.Body {
		return nil, large
	}

	body, err := io.ReadAll(http.MaxBytesReader(out.w, r.Body, h.opt.Limits.Body))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, large
	}

	if err != nil {
		return nil, refused(http.StatusRequestTimeout, research.CodeBadArgument, "send it faster",
			"the request's body did not arrive")
	}
	out.arrive(time.Time{}) // it has: the call may take long

	if !modest(body) {
		return nil, refused(http.StatusBadRequest, research.CodeBadArgument, "send a simpler message",
			"a message may be %d levels deep and have %d parts", maxDepth, maxParts)
	}

	return body, nil
}

// pass hands a message to mcp-go and its answer to out.
func (h *HTTP) pass(out *reply, r *http.Request, v *visit, m message, body []byte) *refusal {
	ctx, cancel := context.WithCancel(withStream(withCaller(r.Context(), &v.caller), out))
	defer cancel()

	if m.Method == "" && len(m.ID) > 0 && h.core.questions.answered(who(ctx), m.ID, body) {
		out.WriteHeader(http.StatusAccepted)
		return nil
	}
	place, header := h.calls, r.Header.Clone()

	switch mcp.MCPMethod(m.Method) {
	case mcp.MethodSubscriptionsListen:
		place = h.streams
		defer h.core.unlisten(&v.caller)
		defer onClose(h.stopping, cancel)()
		defer h.watchFor(ctx, v)()
	case mcp.MethodInitialize:
		v.client = mcpClient{clip(m.Params.ClientInfo.Name), clip(m.Params.ClientInfo.Version)}
		v.forms = fillsForms(m.Params.Capabilities.Elicitation)
		v.session = newSession(v.client, v.forms)
		out.head.Set(sessionHeader, v.session)
		h.metrics.sessions.Inc()
	}

	leave, bad := seat(place)
	if bad != nil {
		return bad
	}
	defer leave()

	if v.session != "" {
		h.sessions.add(v.session, struct{}{})
	}
	header.Del(sessionHeader) // it is ours; mcp-go's sessions live as long as a request
	header.Del("Authorization")
	out.begin(accepts(r, eventStream))
	h.mcp.Handle(out, &mcpserver.HTTPRequest{Method: http.MethodPost, URL: r.URL, Header: header, Body: body,
		Context: ctx})

	return nil
}

// accepts says whether the client takes answers of this kind; one that says
// nothing takes all.
func accepts(r *http.Request, kind string) bool {
	all := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.TrimSpace(all) == "" || strings.Contains(all, kind) || strings.Contains(all, "*/*")
}
