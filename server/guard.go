package server

import (
	"net"
	"net/http"
	"net/url"
	"ratchet/internal/render"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

const (
	maxDepth = 64     // levels of a JSON message
	maxParts = 50_000 // values and keys, about
)

// withinJSONLimits says whether a JSON text can be parsed at little cost, whatever
// else is wrong with it.
func withinJSONLimits(text []byte) bool {
	depth, parts := 0, 0
	quoted := false

	for i := 0; i < len(text); i++ {
		c := text[i]

		switch {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			parts++
		case c == '}' || c == ']':
			depth--
		case c == ',' || c == ':':
			parts++
		}

		if depth > maxDepth || parts > maxParts {
			return false
		}
	}

	return true
}

// origins are what a request may say of where it comes from and where it goes:
// a web page must not reach the server through a person's browser, neither
// directly (Origin) nor by a name that leads here (Host).
type origins struct {
	hosts   map[string]bool // besides loopback names
	allowed map[string]bool // whole origins
}

// newOrigins allows the host that the server listens on, and the origins of the
// list. Errors: CodeBadArgument.
func newOrigins(listen string, allow []string) (origins, error) {
	o := origins{hosts: map[string]bool{}, allowed: map[string]bool{}}

	if ip := net.ParseIP(listen); listen != "" && (ip == nil || !ip.IsUnspecified()) {
		o.hosts[strings.ToLower(listen)] = true
	}

	for _, text := range allow {
		u, err := url.Parse(text)
		if err != nil || !isOrigin(u) {
			return o, research.Errorf(research.CodeBadArgument,
				"write it like https://example.org or https://example.org:8443", "%q is not an origin", text)
		}

		o.allowed[strings.ToLower(u.Scheme+"://"+u.Host)] = true
		o.hosts[strings.ToLower(u.Hostname())] = true
	}

	return o, nil
}

// isOrigin says whether a URL is no more than an origin of the web.
func isOrigin(u *url.URL) bool {
	isBare := strings.TrimSuffix(u.Path, "/") == "" && u.RawQuery == "" && u.User == nil

	return isWeb(u) && u.Host != "" && isBare
}

func isWeb(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// checkRequest refuses foreign hosts and origins. For an allowed origin it sets
// the headers of the answer by which a browser lets its page read it.
func (o origins) checkRequest(answer http.Header, request *http.Request) *refusal {
	if host := hostOf(request.Host); !isLoopback(host) && !o.hosts[host] && !isConnectionAddress(request, host) {
		return newRefusal(http.StatusForbidden, "forbidden",
			"serve with --allow-origin if it is a name of this server",
			"the request is for another host, %q", excerpt(request.Host))
	}

	origin := request.Header.Get("Origin")
	if origin == "" {
		return nil
	}

	if !o.isAllowed(origin, request.Host) {
		return newRefusal(http.StatusForbidden, "forbidden",
			"serve with --allow-origin if that page may use this server",
			"the request comes from another origin, %q", excerpt(origin))
	}

	answer.Set("Access-Control-Allow-Origin", origin)
	answer.Set("Access-Control-Expose-Headers", sessionHeader)
	answer.Set("Vary", "Origin")

	return nil
}

// isAllowed says whether a page of that origin may use the server: one of this
// machine, an allowed one, or the server's own at host.
func (o origins) isAllowed(origin, host string) bool {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil || !isWeb(u) {
		return false
	}

	if isLoopback(u.Hostname()) || strings.EqualFold(u.Host, host) {
		return true
	}

	return o.hosts[u.Hostname()] && o.allowed[u.Scheme+"://"+u.Host]
}

// answerPreflight answers a browser's question before a request. It needs no token.
func answerPreflight(out *reply) {
	out.header.Set("Access-Control-Allow-Methods", "POST, DELETE")
	out.header.Set("Access-Control-Allow-Headers",
		"Authorization, Content-Type, Accept, Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name")
	out.header.Set("Access-Control-Max-Age", "600")
	out.WriteHeader(http.StatusNoContent)
}

// hostOf is the host of a Host header, without its port, in lower case.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		header = host
	}

	return strings.ToLower(strings.Trim(header, "[]"))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isConnectionAddress says whether host is the very address that the connection
// came to: no name leads there by mistake.
func isConnectionAddress(r *http.Request, host string) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	ip := net.ParseIP(host)

	return ok && ip != nil && ip.Equal(addr.IP)
}

// isLocalRequest says whether the request was made on this machine, and not
// handed on by a proxy.
func isLocalRequest(request *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if request.Header.Get(name) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(request.RemoteAddr)

	return err == nil && isLoopback(host) && isLoopback(hostOf(request.Host))
}

// excerpt is a text of a client's as errors and logs may have it: no control
// characters, not long.
func excerpt(text string) string { return wording.ClipBytes(render.Clean(text), 200) }

// clipName is a client's name or version as records and logs may have it: one
// line, not long.
func clipName(name string) string {
	name = strings.Join(strings.Fields(render.Clean(name)), " ")
	if len(name) > maxClientName {
		name = strings.ToValidUTF8(name[:maxClientName], "")
	}

	return name
}
