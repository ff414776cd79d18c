package server_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/checkout"
	"ratchet/server"
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

func openAny(ctx context.Context, checkout, name, version string) (*checkout.Checkout, error) {
	return openLab(ctx, checkout, name, version)
}

func noLab(context.Context, string, string, string) (*checkout.Checkout, error) {
	return nil, errClosed
}

// options are for a server with a token file of its own.
func options(t testing.TB, roots ...string) (server.HTTPOptions, string) {
	t.Helper()
	tokens := server.OpenTokens(filepath.Join(t.TempDir(), "tokens.json"))

	token, err := tokens.Add("laptop", server.RoleAgent)
	if err != nil {
		t.Fatal(err)
	}

	return server.HTTPOptions{Version: "1.2.3", Tokens: tokens, Roots: roots, Open: noLab}, token
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

// url is the endpoint of a checkout.
func (s *httpServer) url(repo string) string {
	u := "http://" + s.addr + "/mcp"
	if repo != "" {
		u += "?repo=" + url.QueryEscape(repo)
	}

	return u
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

// message is the JSON-RPC answer in a body: JSON, or the last event of a stream.
func (a answer) message(t testing.TB) message {
	t.Helper()

	text := a.body
	if strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		for line := range strings.Lines(a.body) {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				text = data
			}
		}
	}

	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil || m.JSONRPC != "2.0" {
		t.Fatalf("%d: no JSON-RPC message: %q (%v)", a.status, a.body, err)
	}

	return m
}

// client is an mcp-go client of a checkout, initialised. protocol "" is its newest.
func (s *httpServer) client(repo, name, protocol string) *client.Client {
	s.t.Helper()

	c, err := client.NewStreamableHttpClient(s.url(repo),
		transport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + s.token}))
	if err != nil {
		s.t.Fatal(err)
	}

	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	var req mcp.InitializeRequest
	req.Params.ProtocolVersion = cmp.Or(protocol, mcp.LATEST_PROTOCOL_VERSION)

	req.Params.ClientInfo = mcp.Implementation{Name: name, Version: "0.1"}
	if _, err := c.Initialize(ctx, req); err != nil {
		s.t.Fatal(err)
	}

	return c
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
