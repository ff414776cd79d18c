// Package dashboard answers for the dashboard: the page (files.go), which the
// binary carries, and below /ui/api/ the JSON that the page asks for. Reading is
// for every token, steering (steer.go) for a person's.
//
// Package server stands in front: it checks the token, its rate and role, the
// method and the checkout, reads the body within limits, and turns errors into
// statuses. An endpoint here answers, or returns an error and has sent nothing.
package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"ratchet/internal/checkout"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/server/lru"
)

// Options are what the dashboard needs to know of its server. All are required.
type Options struct {
	// Version is Ratchet's, as the page shows it.
	Version string
	// Open opens the laboratory of a checkout. Several calls may run at once.
	Open func(ctx context.Context, checkout, clientName, clientVersion string) (*checkout.Checkout, error)
	// Roots say which checkouts may be shown and worked in.
	Roots Roots
	// Stopping is closed when the server stops: streams end.
	Stopping <-chan struct{}
	// MaxLabs is how many laboratories are kept open; Idle is how long one, or a
	// campaign's progress, is kept after its last use.
	MaxLabs int
	Idle    time.Duration
	Log     *slog.Logger
}

// Roots are the folders below which checkouts may be shown.
type Roots interface {
	// Checkout resolves the path of a checkout, or of a folder in one, and
	// refuses what reaches outside the roots. Errors: CodeBadArgument,
	// CodeRepository.
	Checkout(path string) (string, error)
	// Contain says whether path, absolute and without symlinks, is a root or
	// lies below one.
	Contain(path string) bool
	// Campaigns lists the checkouts that are roots, and those below roots that
	// have a ledger.
	Campaigns() []string
}

// Handler answers the requests of the dashboard's API. Its methods may be called
// from several goroutines.
type Handler struct {
	opt      Options
	labs     *lru.Cache[string, *checkout.Checkout] // by checkout
	progress *lru.Cache[progressKey, *progress]
}

// New makes a handler. Nothing is opened or started.
func New(o Options) *Handler {
	return &Handler{
		opt:      o,
		labs:     lru.New[string, *checkout.Checkout](o.MaxLabs, o.Idle, nil),
		progress: lru.New[progressKey, *progress](maxProgress, o.Idle, nil),
	}
}

// RemoveExpired forgets what was not used for Options.Idle.
func (h *Handler) RemoveExpired() {
	h.labs.RemoveExpired()
	h.progress.RemoveExpired()
}

// Endpoint is one path of the API, and what the server has to see to before a
// request is served.
type Endpoint struct {
	Method  string
	General bool // it concerns no checkout
	Streams bool // it takes a place among the streams
	Steers  bool // it is for a person's token only

	// answer returns what is sent as JSON, nil if it has sent something itself.
	answer func(context.Context, *call) (any, error)
}

// FindEndpoint finds an endpoint by its path below /ui/api/.
func FindEndpoint(name string) (endpoint Endpoint, ok bool) {
	endpoint.Method = http.MethodGet

	switch parent, part, _ := strings.Cut(name, "/"); {
	case name == "repos":
		endpoint.answer, endpoint.General = listRepositories, true
	case name == "state":
		endpoint.answer = showState
	case name == "progress":
		endpoint.answer = showProgress
	case name == "experiments":
		endpoint.answer = listExperiments
	case parent == "experiments" && part != "":
		endpoint.answer = func(ctx context.Context, c *call) (any, error) { return showExperiment(ctx, c, part) }
	case name == "output":
		endpoint.answer = showOutput
	case name == "program":
		endpoint.answer = showProgram
	case name == "plot":
		endpoint.answer = showPlot
	case name == "steer":
		endpoint.Method, endpoint.answer, endpoint.Steers = http.MethodPost, steer, true
	case name == "events":
		endpoint.answer, endpoint.Streams = streamEvents, true
	default:
		return endpoint, false
	}

	return endpoint, true
}

// Request is a request that the server has let in.
type Request struct {
	HTTP     *http.Request
	Role     string // of the token
	Checkout string // resolved; "" where the endpoint is general
	Body     []byte // of a POST
	Action   string // set while it is served: what a person wants done
}

// call is a request in the hands of its endpoint.
type call struct {
	*Request
	handler *Handler
	w       http.ResponseWriter
	query   url.Values
	lab     *checkout.Checkout // nil where the endpoint is general
}

// Serve answers a request of an endpoint. If it returns an error, nothing has
// been sent.
func (h *Handler) Serve(response http.ResponseWriter, endpoint Endpoint, r *Request) error {
	ctx := r.HTTP.Context()
	c := &call{Request: r, handler: h, w: response, query: r.HTTP.URL.Query()}

	if !endpoint.General {
		co, err := h.openLab(ctx, r.Checkout)
		if err != nil {
			return err
		}

		if c.lab, err = co.AsPerson(ctx, c.query.Get("campaign")); err != nil {
			return err
		}
	}

	answer, err := endpoint.answer(ctx, c)
	if err != nil || answer == nil {
		return err
	}

	return sendJSON(response, answer)
}

// openLab is the dashboard's laboratory in a checkout, which it does not mark as
// worked in.
func (h *Handler) openLab(ctx context.Context, checkout string) (*checkout.Checkout, error) {
	if l, ok := h.labs.Get(checkout); ok {
		return l, nil
	}

	co, err := h.opt.Open(ctx, checkout, "dashboard", h.opt.Version)
	if err != nil {
		return nil, err
	}

	if !h.opt.Roots.Contain(co.Root()) { // by git's core.worktree
		return nil, research.Errorf(research.CodeRepository, "serve that folder too, with --root",
			"the checkout's files lie outside the allowed folders")
	}

	return h.labs.GetOrAdd(checkout, co), nil
}

func sendJSON(response http.ResponseWriter, answer any) error {
	var body bytes.Buffer

	if encoded, ok := answer.(json.RawMessage); ok { // as it is: Encode would check and compact it
		body.Write(encoded)
	} else if err := json.NewEncoder(&body).Encode(answer); err != nil {
		return err
	}

	response.Header().Set("Content-Type", "application/json; charset=utf-8")
	response.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = response.Write(body.Bytes())

	return nil
}
