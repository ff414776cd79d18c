package server_test

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/checkout"
	"ratchet/internal/testform"
	"ratchet/server"
)

// way is how a client reaches the server.
type way struct{ transport, protocol string }

// inEveryWay runs f over both transports, with the oldest and the newest
// protocol, and the newest one before sessions went. Standard streams have one
// session in a process: those tests run one after the other. With -short each
// protocol comes over one of the transports; in the quick form a test has one way.
func inEveryWay(t *testing.T, f func(t *testing.T, w way)) {
	for i, tr := range []string{"stdio", "http"} {
		for j, p := range []string{"2024-11-05", "2025-11-25", "2026-07-28"} {
			if testing.Short() && (i+j)%2 == 0 { // stdio 2025-11-25; http 2024-11-05 and 2026-07-28
				continue
			}

			if testform.IsQuick() && j == 0 || !testform.HasTurn(t, i, 2) { // make check has the others
				continue
			}

			t.Run(tr+" "+p, func(t *testing.T) { f(t, way{tr, p}) })
		}
	}
}

// bearer shows a token with every request: mcp-go's client leaves the headers it
// is given out of its DELETE.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))

	return http.DefaultTransport.RoundTrip(r)
}

// notifications are what a client was sent.
type notifications struct {
	mu  sync.Mutex
	all []mcp.JSONRPCNotification
}

func (n *notifications) add(m mcp.JSONRPCNotification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, m)
}

// of are those of one method.
func (n *notifications) of(method string) (out []mcp.JSONRPCNotification) {
	n.mu.Lock()
	defer n.mu.Unlock()

	for _, m := range n.all {
		if m.Method == method {
			out = append(out, m)
		}
	}

	return out
}

// connect is a client of a server that works in dir, initialised.
func (w way) connect(
	t *testing.T, dir string, change func(*server.Options), opts ...client.ClientOption,
) (*client.Client, *notifications) {
	t.Helper()

	o := server.Options{Version: "1.2.3",
		Open: func(ctx context.Context, name, version string) (*checkout.Checkout, error) {
			return openLab(ctx, dir, name, version)
		}}
	if change != nil {
		change(&o)
	}
	var tr transport.Interface

	if w.transport == "http" {
		s := serve(t, func(h *server.HTTPOptions) { h.Open, h.Patience = openAny, o.Patience }, dir)
		var err error
		tr, err = transport.NewStreamableHTTP(s.url(dir),
			transport.WithHTTPBasicClient(&http.Client{Transport: bearer(s.token)}))
		must(t, err)
	} else {
		inR, inW := io.Pipe()
		outR, outW := io.Pipe()

		done := make(chan error, 1)
		go func() {
			done <- server.New(o).ServeStdio(context.Background(), inR, outW)
			outW.Close()
		}()
		tr = transport.NewIO(outR, inW, io.NopCloser(strings.NewReader("")))
		t.Cleanup(func() { inW.Close(); <-done })
	}
	c := client.NewClient(tr, opts...)
	n := &notifications{}
	c.OnNotification(n.add)
	ctx := context.Background()
	must(t, c.Start(ctx))
	t.Cleanup(func() { c.Close() })
	var req mcp.InitializeRequest
	req.Params.ProtocolVersion = w.protocol
	req.Params.ClientInfo = mcp.Implementation{Name: "test", Version: "0.1"}
	_, err := c.Initialize(ctx, req)
	must(t, err)

	if got := c.ProtocolVersion(); got != w.protocol {
		t.Fatalf("speaks %s, not %s", cmp.Or(got, "nothing"), w.protocol)
	}

	return c, n
}
