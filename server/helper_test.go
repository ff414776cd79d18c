package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/server"
)

var errClosed = research.Errorf(research.CodeRepository, "start it inside a git repository", "no git repository here")

func closed(context.Context, string, string) (*checkout.Checkout, error) { return nil, errClosed }

// patient is how long a test waits for what must merely happen, however busy
// the machine is. Every such wait ends as soon as it has.
const patient = 2 * time.Minute

// wire is a raw client: what it sends and reads are lines.
type wire struct {
	t     *testing.T
	in    *io.PipeWriter
	lines chan string
	done  chan error
}

// dial starts a server on pipes.
func dial(t *testing.T, o server.Options) *wire {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()

	w := &wire{t: t, in: inW, lines: make(chan string, 1000), done: make(chan error, 1)}
	go func() {
		w.done <- server.New(o).ServeStdio(context.Background(), inR, outW)
		outW.Close()
	}()
	go func() {
		sc := bufio.NewScanner(outR)
		sc.Buffer(nil, 1<<20)

		for sc.Scan() {
			w.lines <- sc.Text()
		}
		close(w.lines)
	}()
	t.Cleanup(func() { w.close() })

	return w
}

func (w *wire) send(lines ...string) {
	for _, l := range lines {
		if _, err := io.WriteString(w.in, l+"\n"); err != nil {
			w.t.Fatal(err)
		}
	}
}

// message is a response or a notification.
type message struct {
	JSONRPC string         `json:"jsonrpc"`
	ID      any            `json:"id"`
	Method  string         `json:"method"`
	Params  map[string]any `json:"params"`
	Result  map[string]any `json:"result"`
	Error   *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// read returns the next message, which must be valid JSON-RPC.
func (w *wire) read() message {
	w.t.Helper()

	select {
	case l, ok := <-w.lines:
		if !ok {
			w.t.Fatal("the server closed its output")
		}

		var m message
		if err := json.Unmarshal([]byte(l), &m); err != nil || m.JSONRPC != "2.0" {
			w.t.Fatalf("no JSON-RPC message on stdout: %q (%v)", l, err)
		}

		return m
	case <-time.After(patient):
		w.t.Fatalf("no message within %v", patient)
	}

	return message{}
}

// answer returns the response with that id, skipping notifications.
func (w *wire) answer(id float64) message {
	w.t.Helper()

	for {
		if m := w.read(); m.ID == id {
			return m
		}
	}
}

// close ends the server's input and returns how long the server took to stop.
func (w *wire) close() time.Duration {
	w.in.Close()
	began := time.Now()

	select {
	case err := <-w.done:
		if err != nil {
			w.t.Errorf("ServeStdio: %v", err)
		}

		w.done <- nil
	case <-time.After(patient):
		w.t.Fatalf("the server didn't stop within %v of the end of its input", patient)
	}

	return time.Since(began)
}

const hello = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"raw","version":"1.2"}}}`
const ready = `{"jsonrpc":"2.0","method":"notifications/initialized"}`

// connect is an mcp-go client of a server on pipes, initialised.
func connect(t *testing.T, o server.Options) *client.Client {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()

	done := make(chan error, 1)
	go func() {
		done <- server.New(o).ServeStdio(context.Background(), inR, outW)
		outW.Close()
	}()
	c := client.NewClient(transport.NewIO(outR, inW, io.NopCloser(&io.LimitedReader{})))

	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	var req mcp.InitializeRequest
	req.Params.ProtocolVersion = mcp.ProtocolVersion20250618

	req.Params.ClientInfo = mcp.Implementation{Name: "test", Version: "0.1"}
	if _, err := c.Initialize(ctx, req); err != nil {
		t.Fatal(err)
	}

	return c
}

// call calls a tool and returns both forms of its answer.
func call(
	t testing.TB, c *client.Client, tool string, args map[string]any,
) (text string, structured map[string]any, isError bool) {
	t.Helper()
	var req mcp.CallToolRequest
	req.Params.Name = tool
	req.Params.Arguments = args

	r, err := c.CallTool(context.Background(), req)
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	structured, _ = r.StructuredContent.(map[string]any)

	tc, ok := r.Content[0].(mcp.TextContent)
	if !ok || structured == nil {
		t.Fatalf("%s: an answer must have text and structured content: %+v", tool, r)
	}

	return tc.Text, structured, r.IsError
}
