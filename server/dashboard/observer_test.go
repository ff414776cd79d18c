package dashboard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"ratchet/server"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// httpServer is a server over HTTP on a loopback port, with one token.
type httpServer struct {
	t      testing.TB
	addr   string
	tokens *server.Tokens
	token  string
	log    *syncBuffer // of accesses
	stop   func()      // tells it to stop
	ended  chan error
}

// syncBuffer is a buffer for several writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.String()
}

// options are for a server with a token file of its own.
func options(t testing.TB, roots ...string) (server.HTTPOptions, string) {
	t.Helper()
	tokens := server.OpenTokens(filepath.Join(t.TempDir(), "tokens.json"))

	token, err := tokens.Add("laptop", server.RoleAgent)
	if err != nil {
		t.Fatal(err)
	}

	return server.HTTPOptions{Version: "1.2.3", Tokens: tokens, Roots: roots, Open: openLab}, token
}

// serve starts a server; change may change its options.
func serve(t testing.TB, change func(*server.HTTPOptions), roots ...string) *httpServer {
	t.Helper()
	o, token := options(t, roots...)
	s := &httpServer{t: t, tokens: o.Tokens, token: token, log: &syncBuffer{}, ended: make(chan error, 1)}

	o.Access = slog.New(slog.NewJSONHandler(s.log, nil))
	if change != nil {
		change(&o)
	}

	h, err := server.NewHTTP(o)
	if err != nil {
		t.Fatal(err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())

	s.stop = cancel
	go func() { s.ended <- h.Serve(ctx, l) }()
	t.Cleanup(s.wait)

	return s
}

// wait stops the server and waits for its end.
func (s *httpServer) wait() {
	s.stop()

	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("Serve: %v", err)
		}

		s.ended <- nil
	case <-time.After(patient):
		s.t.Error("the server did not stop")
	}
}

// answer is one HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
}

// do makes a request with the token; headers are pairs and may override it
// ("" removes one, Host sets the host).
func (s *httpServer) do(method, url, body string, headers ...string) answer {
	s.t.Helper()

	a, err := s.try(method, url, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}

	return a
}

// try is do for a request that may be cut off.
func (s *httpServer) try(method, url, body string, headers ...string) (answer, error) {
	s.t.Helper()

	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")

	for i := 0; i+1 < len(headers); i += 2 {
		switch k, v := headers[i], headers[i+1]; {
		case k == "Host":
			req.Host = v
		case v == "":
			req.Header.Del(k)
		default:
			req.Header.Set(k, v)
		}
	}

	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)

	return answer{res.StatusCode, res.Header, string(b)}, err
}

// observer asks a dashboard for things, with a token of a role.
type observer struct {
	*httpServer
	dir  string
	with string // token
}

// look is a server over a repository, and an observer with a token of the role.
func (c *campaign) look(role server.Role) *observer {
	c.t.Helper()
	s := serve(c.t, nil, c.dir)

	return (&observer{httpServer: s, dir: c.dir}).as(role)
}

// as is the same server for a new token.
func (o *observer) as(role server.Role) *observer {
	o.t.Helper()

	token, err := o.tokens.Add("as-"+string(role), role)
	if err != nil {
		o.t.Fatal(err)
	}

	return &observer{o.httpServer, o.dir, token}
}

// ask makes a request of the API: its path below /ui/api/, with the repository added.
func (o *observer) ask(method, what, body string) answer {
	o.t.Helper()

	sep := "?"
	if strings.Contains(what, "?") {
		sep = "&"
	}

	return o.do(method, "http://"+o.addr+"/ui/api/"+what+sep+"repo="+url.QueryEscape(o.dir), body, "Authorization",
		"Bearer "+o.with)
}

// get is an answer that must be there.
func (o *observer) get(what string) map[string]any {
	o.t.Helper()
	a := o.ask("GET", what, "")

	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != 200 {
		o.t.Fatalf("%s: %d %s", what, a.status, a.body)
	}

	return m
}

// played is a campaign with a kept, a reverted and an undecided experiment.
func played(t *testing.T) *campaign {
	t.Helper()
	c := newCampaign(t)
	c.do("start_campaign", "{}")
	c.done(c.do("wait_run", "{}"))
	c.write("value.txt", "90\n")
	c.done(c.do("run_experiment", `{"hypothesis": "smaller <img src=x onerror=alert(1)>\nsecond line"}`))
	c.do("keep", "{}")
	c.write("value.txt", "95\n")
	c.done(c.do("run_experiment", `{"hypothesis": "larger"}`))
	c.do("revert", `{"lesson": "larger is worse"}`)
	c.do("share", `{"ops": [{"op": "add", "idea": "try seventy"}]}`)
	c.write("value.txt", "91\n")
	c.done(c.do("run_experiment", `{"hypothesis": "a little larger"}`))

	return c
}

// at is a value inside what get gives, by keys and indexes.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()

	for _, p := range path {
		switch k := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				t.Fatalf("%v: no entry %d in %v", path, k, v)
			}
			v = l[k]
		}
	}

	return v
}

func wantAt(t testing.TB, v any, want any, path ...any) {
	t.Helper()

	if diff := cmp.Diff(want, at(t, v, path...)); diff != "" {
		t.Errorf("%v (-want +got):\n%s", path, diff)
	}
}

// wantRefused wants an error as the page reads it.
func (o *observer) wantRefused(a answer, status int, code, what string) {
	o.t.Helper()
	var m struct {
		Error struct{ Code, Message, Next string }
	}

	err := json.Unmarshal([]byte(a.body), &m)
	if err != nil || a.status != status || m.Error.Code != code || m.Error.Message == "" || m.Error.Next == "" {
		o.t.Errorf("%s: %d %s, want %d %s", what, a.status, a.body, status, code)
	}
}
