package server

import (
	"net/http"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/server/dashboard"
)

// The dashboard: a page (/ui/) that needs no token, and what it asks for
// (/ui/api/), which does. There are no cookies: a browser sends nothing by
// itself. This file lets requests in; package dashboard answers them.

const (
	pagePath  = "/ui/"
	assetPath = "/ui/assets/"
	apiPath   = "/ui/api/"
)

// serveDashboard answers what belongs to the dashboard, and 404 for the rest.
func (h *HTTP) serveDashboard(out *reply, request *http.Request, info *requestInfo) *refusal {
	switch path := request.URL.Path; {
	case path == "/" || path == "/ui":
		if bad := requireMethod(request, http.MethodGet, http.MethodHead); bad != nil {
			return bad
		}
		out.header.Set("Location", "ui/") // relative: a proxy may serve it below a path of its own
		out.WriteHeader(http.StatusFound)

		return nil
	case path == pagePath:
		return servePage(out, request, "index.html")
	case strings.HasPrefix(path, assetPath):
		return servePage(out, request, "assets/"+strings.TrimPrefix(path, assetPath))
	case strings.HasPrefix(path, apiPath):
		out.plainErrors = true

		return h.serveDashboardAPI(out, request, info, strings.TrimPrefix(path, apiPath))
	}

	return newRefusal(http.StatusNotFound, research.CodeNotFound, "clients use /mcp?repo=ABSOLUTE-PATH, people /ui/",
		"nothing is here")
}

func servePage(out *reply, request *http.Request, name string) *refusal {
	if bad := requireMethod(request, http.MethodGet, http.MethodHead); bad != nil {
		return bad
	}

	if err := dashboard.ServeFile(out, request, name); err != nil {
		return &refusal{status: statusOf(research.Describe(err).Code), err: err}
	}

	return nil
}

// serveDashboardAPI lets the request in, resolves its checkout, and has it answered.
func (h *HTTP) serveDashboardAPI(out *reply, r *http.Request, info *requestInfo, name string) *refusal {
	if bad := h.admitToken(r, info); bad != nil {
		return bad
	}

	endpoint, ok := dashboard.FindEndpoint(name)
	if !ok {
		return newRefusal(http.StatusNotFound, research.CodeNotFound, "docs/http.md lists them",
			"the dashboard has no %s", excerpt(name))
	}
	resource, _, _ := strings.Cut(name, "/")
	info.tool = "ui " + resource

	if bad := requireMethod(r, endpoint.Method); bad != nil {
		return bad
	}

	if endpoint.Steers && info.role != RolePerson {
		return newRefusal(http.StatusForbidden, "forbidden",
			"use a person's token: ratchet token add NAME --role person",
			"the token %s may read, not steer", info.token)
	}

	places := h.calls
	if endpoint.Streams {
		places = h.streams
	}

	release, bad := acquire(places)
	if bad != nil {
		return bad
	}
	defer release()

	if !endpoint.General {
		if bad := h.resolveCheckout(r, info); bad != nil {
			return bad
		}
	}

	var body []byte
	if endpoint.Method == http.MethodGet {
		out.setReadDeadline(time.Time{}) // nothing more is expected of the client
	} else if body, bad = h.readBody(out, r); bad != nil {
		return bad
	}

	request := &dashboard.Request{HTTP: r, Role: string(info.role), Checkout: info.checkout, Body: body}
	err := h.dashboard.Serve(out, endpoint, request)

	if request.Action != "" {
		info.tool += " " + request.Action
	}

	if err != nil {
		return h.refuseFailed(info, err)
	}
	info.code = "ok"

	return nil
}

// refuseFailed is the refusal of a request that failed with err, which it logs
// if it is a defect.
func (h *HTTP) refuseFailed(info *requestInfo, err error) *refusal {
	code := research.Describe(err).Code

	info.code = string(code)
	if code == research.CodeInternal {
		h.opt.Log.Error("the dashboard failed", "what", info.tool, "err", err)
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
