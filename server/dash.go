package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/server/dashboard"
)

// The dashboard: a page that the binary carries (/ui/), and what it asks for
// (/ui/api/). The page needs no token, everything that it asks for does. There
// are no cookies: a browser sends nothing by itself. Reading is for every token,
// steering for a person's.

const (
	pagePath  = "/ui/"
	assetPath = "/ui/assets/"
	apiPath   = "/ui/api/"

	// pagePolicy lets the page load its own files and ask its own server, nothing else.
	pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// serveUI answers what belongs to the dashboard, and 404 for the rest.
func (h *HTTP) serveUI(out *reply, r *http.Request, v *visit) *refusal {
	switch at := r.URL.Path; {
	case at == "/" || at == "/ui":
		if bad := reads(r); bad != nil {
			return bad
		}
		out.head.Set("Location", "ui/") // relative: a proxy may serve it below a path of its own
		out.WriteHeader(http.StatusFound)

		return nil
	case at == pagePath:
		return sendFile(out, r, "index.html")
	case strings.HasPrefix(at, assetPath):
		return sendFile(out, r, "assets/"+strings.TrimPrefix(at, assetPath))
	case strings.HasPrefix(at, apiPath):
		out.plain = true
		return h.serveAPI(out, r, v, strings.TrimPrefix(at, apiPath))
	}

	return refused(http.StatusNotFound, research.CodeNotFound, "clients use /mcp?repo=ABSOLUTE-PATH, people /ui/",
		"nothing is here")
}

// reads refuses a method that changes something.
func reads(r *http.Request) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return notAllowed("GET, HEAD")
	}

	return nil
}

// sendFile sends a file that the binary carries.
func sendFile(out *reply, r *http.Request, name string) *refusal {
	if bad := reads(r); bad != nil {
		return bad
	}
	kind := kindOf(name)

	data, err := fs.ReadFile(dashboard.Files, name)
	if err != nil || kind == "" {
		return refused(http.StatusNotFound, research.CodeNotFound, "open "+pagePath, "the dashboard has no such file")
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	out.head.Set("Content-Security-Policy", pagePolicy)
	out.head.Set("Referrer-Policy", "no-referrer")
	out.head.Set("Cache-Control", "no-cache") // ask again: a newer binary has newer files
	out.head.Set("ETag", tag)

	for _, known := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == tag {
			out.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	out.head.Set("Content-Type", kind)
	out.head.Set("Content-Length", strconv.Itoa(len(data)))
	out.WriteHeader(http.StatusOK)

	if r.Method == http.MethodGet {
		_, _ = out.Write(data)
	}

	return nil
}

// kindOf is a file's media type by its name, "" for one that the page never loads.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".txt", ".md":
		return "text/plain; charset=utf-8"
	}

	return ""
}

// board is one request of the dashboard, for a campaign of a checkout.
type board struct {
	h    *HTTP
	out  *reply
	r    *http.Request
	v    *visit
	q    url.Values
	lab  *checkout.Checkout // nil for endpoints of no campaign
	body []byte             // of a POST
}

// endpoint answers a request; what it returns is sent as JSON, nil if it has
// answered itself.
type endpoint struct {
	method  string
	answer  func(context.Context, *board) (any, error)
	general bool // of no campaign
	streams bool // takes a place among the streams
	person  bool // steers: a person's alone
}

// endpointOf is what stands below /ui/api/.
func endpointOf(name string) (e endpoint, ok bool) {
	e.method = http.MethodGet

	switch n, part, _ := strings.Cut(name, "/"); {
	case name == "repos":
		e.answer, e.general = listRepos, true
	case name == "state":
		e.answer = showState
	case name == "progress":
		e.answer = showProgress
	case name == "experiments":
		e.answer = listExperiments
	case n == "experiments" && part != "":
		e.answer = func(ctx context.Context, b *board) (any, error) { return showExperiment(ctx, b, part) }
	case name == "output":
		e.answer = showOutput
	case name == "program":
		e.answer = showProgram
	case name == "plot":
		e.answer = showPlot
	case name == "steer":
		e.method, e.answer, e.person = http.MethodPost, steer, true
	case name == "events":
		e.answer, e.streams = streamEvents, true
	default:
		return e, false
	}

	return e, true
}

// serveAPI lets the request in, finds its campaign, and answers.
func (h *HTTP) serveAPI(out *reply, r *http.Request, v *visit, name string) *refusal {
	if bad := h.admit(r, v); bad != nil {
		return bad
	}

	e, ok := endpointOf(name)
	if !ok {
		return refused(http.StatusNotFound, research.CodeNotFound, "docs/http.md lists them", "the dashboard has no %s",
			shown(name))
	}
	v.tool = "ui " + strings.SplitN(name, "/", 2)[0]

	if r.Method != e.method {
		return notAllowed(e.method)
	}

	if e.person && v.role != RolePerson {
		return refused(http.StatusForbidden, "forbidden", "use a person's token: ratchet token add NAME --role person",
			"the token %s may look on, not steer", v.token)
	}

	place := h.calls
	if e.streams {
		place = h.streams
	}

	leave, bad := seat(place)
	if bad != nil {
		return bad
	}
	defer leave()

	b, bad := h.newBoard(out, r, v, e)
	if bad != nil {
		return bad
	}

	answer, err := e.answer(r.Context(), b)
	if err != nil {
		return h.failed(v, err)
	}

	if answer == nil {
		return nil
	}

	return h.sendJSON(out, v, answer)
}

// newBoard reads what the request says.
func (h *HTTP) newBoard(out *reply, r *http.Request, v *visit, e endpoint) (b *board, bad *refusal) {
	b = &board{h: h, out: out, r: r, v: v, q: r.URL.Query()}
	if !e.general {
		if bad := h.locate(r, v); bad != nil {
			return nil, bad
		}
	}

	if e.method == http.MethodGet {
		out.arrive(time.Time{}) // nothing more is expected of the client
	} else if b.body, bad = h.read(out, r); bad != nil {
		return nil, bad
	}

	if e.general {
		return b, nil
	}

	var err error
	if b.lab, err = h.boardLab(r.Context(), v.checkout, b.q.Get("campaign")); err != nil {
		return nil, h.failed(v, err)
	}

	return b, nil
}

// boardLab is the laboratory of a person for a campaign of a checkout.
func (h *HTTP) boardLab(ctx context.Context, checkout, campaign string) (*checkout.Checkout, error) {
	l, err := h.boardOpen(ctx, checkout)
	if err != nil {
		return nil, err
	}

	return l.AsPerson(ctx, campaign)
}

// boardOpen is the dashboard's laboratory in a checkout, which is not marked as
// worked in.
func (h *HTTP) boardOpen(ctx context.Context, checkout string) (*checkout.Checkout, error) {
	if l, ok := h.boards.get(checkout); ok {
		return l, nil
	}

	l, err := h.opt.Open(ctx, checkout, "dashboard", h.opt.Version)
	if err != nil {
		return nil, err
	}

	if !h.roots.hold(l.Root()) { // core.worktree
		return nil, forbidden("serve that folder too, with --root",
			"the checkout's files lie outside the allowed folders")
	}

	return h.boards.add(checkout, l), nil
}

// rawJSON is an answer that is JSON already.
type rawJSON []byte

func (h *HTTP) sendJSON(out *reply, v *visit, answer any) *refusal {
	var b bytes.Buffer
	if raw, ok := answer.(rawJSON); ok {
		b.Write(raw)
	} else if err := json.NewEncoder(&b).Encode(answer); err != nil {
		return h.failed(v, err)
	}
	v.code = "ok"
	out.head.Set("Content-Type", "application/json; charset=utf-8")
	out.head.Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = out.Write(b.Bytes())

	return nil
}

// failed is the refusal that an error makes.
func (h *HTTP) failed(v *visit, err error) *refusal {
	code := research.Describe(err).Code

	v.code = string(code)
	if code == research.CodeInternal {
		h.opt.Log.Error("the dashboard failed", "what", v.tool, "err", err)
	}

	return &refusal{status: statusOf(code), err: err}
}

// statusOf is the HTTP status of an error's code: 409 says that the campaign's
// state stands against it.
func statusOf(code research.Code) int {
	switch code {
	case research.CodeBadArgument:
		return http.StatusBadRequest
	case research.CodeNotFound, research.CodeNoCampaign:
		return http.StatusNotFound
	case research.CodeUnsupported:
		return http.StatusNotImplemented
	case research.CodeCancelled:
		return http.StatusServiceUnavailable
	case research.CodeLedger, research.CodeStorage, research.CodeInternal:
		return http.StatusInternalServerError
	case "forbidden":
		return http.StatusForbidden
	}

	return http.StatusConflict
}

// number reads a number of the query: from 1 to most, otherwise if it is left out.
func (b *board) number(name string, otherwise, most int) (int, error) {
	text := b.q.Get(name)
	if text == "" {
		return otherwise, nil
	}

	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, research.Errorf(research.CodeBadArgument, "give a whole number from 1 to "+strconv.Itoa(most),
			"%s is %q", name, shown(text))
	}

	return min(n, most), nil
}

// text reads a text of the query, which must not be longer than most bytes.
func (b *board) text(name string, most int) (string, error) {
	text := b.q.Get(name)
	if len(text) > most {
		return "", research.Errorf(research.CodeBadArgument, "give at most "+strconv.Itoa(most)+" bytes",
			"%s has %d bytes", name, len(text))
	}

	return text, nil
}

// oneOf reads a word of the query: one of words, the first if it is left out.
func (b *board) oneOf(name string, words ...string) (string, error) {
	text := cmp.Or(b.q.Get(name), words[0])
	for _, w := range words {
		if text == w {
			return text, nil
		}
	}

	return "", research.Errorf(research.CodeBadArgument, "use "+strings.TrimPrefix(strings.Join(words, ", "), ", "),
		"%s is %q", name, shown(text))
}
