package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ratchet/internal/checkout"
	"ratchet/server"
)

func tool(id int, name, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, name,
		args)
}

func TestEveryProtocolVersion(t *testing.T) {
	for asked, want := range map[string]string{"2024-11-05": "2024-11-05", "2025-03-26": "2025-03-26",
		"2025-06-18": "2025-06-18", "2025-11-25": "2025-11-25", "2026-07-28": "2025-11-25",
		"1999-01-01": "2025-11-25"} {
		w := dial(t, server.Options{Version: "1.2.3", Open: closed})
		w.send(strings.Replace(hello, "2025-06-18", asked, 1), ready)

		m := w.answer(0)
		if m.Result["protocolVersion"] != want {
			t.Errorf("%s: answered %v, want %s", asked, m.Result["protocolVersion"], want)
		}

		if s, _ := m.Result["instructions"].(string); !strings.Contains(s, "run_experiment") {
			t.Errorf("%s: no instructions", asked)
		}
		w.close()
	}
	w := dial(t, server.Options{Version: "1.2.3", Open: closed})
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"modern","version":"9"}}`
	w.send(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{`+meta+`}}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{`+meta+`}}`,
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"read_log","arguments":{},`+meta+`}}`)

	for range 3 {
		if m := w.read(); m.Error != nil {
			t.Errorf("2026-07-28: %+v", m)
		}
	}
}

func TestRawMistakes(t *testing.T) {
	w := dial(t, server.Options{Open: closed})

	tests := []struct {
		line string
		code int
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"no/such"}`, -32601},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"no_such"}}`, -32602},
		{`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"ratchet://nothing"}}`, -32002},
		{`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"nothing"}}`, -32602},
		{`{"jsonrpc":"1.0","id":1,"method":"ping"}`, -32600},
		{`{"jsonrpc":`, -32700},
		{`[]`, -32700},
		{"\n\n" + `{"jsonrpc":"2.0","id":1,"method":"ping"}`, 0}, // blank lines are nothing
		{`{"jsonrpc":"2.0","method":"notifications/no_such"}` + "\n" + `{"jsonrpc":"2.0","id":1,"method":"ping"}`, 0},
	}
	for _, tt := range tests {
		w.send(tt.line)
		m := w.read()

		got := 0
		if m.Error != nil {
			got = m.Error.Code
		}

		if got != tt.code {
			t.Errorf("%s: %+v, want code %d", tt.line, m, tt.code)
		}
	}
	w.send(tool(2, "share", `"text"`))

	if m := w.answer(2); m.Result["isError"] != true {
		t.Errorf("arguments that are no object: %+v", m)
	}
}

// TestEndOfInputLosesNoAnswer: mcp-go alone drops calls that it has read but
// not begun, and a last line without newline. Together they may take longer than
// one call is waited for.
func TestEndOfInputLosesNoAnswer(t *testing.T) {
	t.Parallel()
	const n = 140 // more than there are workers: they come in five turns

	for _, takes := range []time.Duration{0, 400 * time.Millisecond} {
		w := dial(t, server.Options{Open: func(ctx context.Context, _, _ string) (*checkout.Checkout, error) {
			select {
			case <-time.After(takes):
				return nil, errClosed
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}})
		w.send(hello, ready)

		for i := 1; i < n; i++ {
			w.send(tool(i, "read_log", `{}`))
		}

		if _, err := w.in.Write([]byte(tool(n, "keep", `{}`))); err != nil {
			t.Fatal(err)
		}
		w.close()
		seen := map[any]bool{}

		for range n + 1 {
			m := w.read()

			seen[m.ID] = true
			if strings.Contains(fmt.Sprint(m.Result), "cancelled") {
				t.Fatalf("a call that would have ended was not waited for: %+v", m)
			}
		}

		if len(seen) != n+1 {
			t.Errorf("%d of %d requests were answered", len(seen), n+1)
		}
	}
}

// inTime wants something that takes less than limit on an idle machine to do so
// once: a busy one may hold it up several times, but not always.
func inTime(t *testing.T, what string, limit time.Duration, do func() time.Duration) {
	t.Helper()

	took := do()
	for n := 1; took > limit && n < 20; n++ {
		took = do()
	}

	if took > limit {
		t.Errorf("%s takes %v", what, took)
	}
}

// A server that owes nothing stops at once, not after the time it would wait.
func TestEndOfInputIsTheEnd(t *testing.T) {
	t.Parallel()
	inTime(t, "to stop", 900*time.Millisecond, func() time.Duration {
		w := dial(t, server.Options{Open: closed})
		w.send(hello, ready, tool(1, "read_log", `{}`))

		return w.close()
	})
}

// TestClientIsKnownWithoutWaiting: a script may send everything at once.
func TestClientIsKnownWithoutWaiting(t *testing.T) {
	for range 20 {
		who := make(chan string, 1)
		w := dial(t, server.Options{Open: func(_ context.Context, name, version string) (*checkout.Checkout, error) {
			who <- name + " " + version
			return nil, errClosed
		}})
		w.send(hello, ready, tool(1, "keep", `{}`))

		if got := <-who; got != "raw 1.2" {
			t.Errorf("opened for %q", got)
		}
		w.close()
	}
}

// blocking is a laboratory whose opening takes as long as the call lives.
func blocking(entered chan<- string) server.Options {
	return server.Options{Open: func(ctx context.Context, _, _ string) (*checkout.Checkout, error) {
		entered <- "in"
		<-ctx.Done()

		entered <- "out"

		return nil, ctx.Err()
	}}
}

func TestEndOfInputEndsWaits(t *testing.T) {
	t.Parallel()
	entered := make(chan string, 10)
	w := dial(t, blocking(entered))
	w.send(hello, ready, `{"jsonrpc":"2.0","id":5,"method":"resources/subscribe","params":{"uri":"ratchet://brief"}}`,
		tool(1, "wait_run", `{}`))
	<-entered

	if d := w.close(); d < 900*time.Millisecond {
		t.Errorf("stopped %v after the end of its input: a call may yet be answered", d)
	}
	<-entered

	if m := w.answer(1); m.Result["isError"] != true {
		t.Errorf("the wait's answer is %+v", m)
	}
}

func TestCancelledCallEnds(t *testing.T) {
	entered := make(chan string, 10)
	w := dial(t, blocking(entered))
	w.send(hello, ready, tool(1, "wait_run", `{}`))
	<-entered
	w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	<-entered
	m := w.answer(1)
	body, _ := m.Result["structuredContent"].(map[string]any)

	e, _ := body["error"].(map[string]any)
	if e["code"] != "cancelled" {
		t.Errorf("a cancelled call answers %+v", m)
	}
}

func TestWaitsDontBlockOtherCalls(t *testing.T) {
	t.Parallel()
	entered := make(chan string, 100)
	w := dial(t, blocking(entered))
	w.send(hello, ready)

	for i := 1; i <= 20; i++ {
		w.send(tool(i, "wait_run", `{}`))
	}

	for range 20 {
		<-entered
	}
	w.send(tool(100, "read_log", `{"view":"guide"}`))

	if m := w.answer(100); m.Result["isError"] != nil {
		t.Errorf("%+v", m)
	}
}

func TestProgressFromTheFirstSecond(t *testing.T) {
	t.Parallel()
	inTime(t, "progress", 2*time.Second, func() time.Duration {
		entered := make(chan string, 10)
		w := dial(t, blocking(entered))
		w.send(hello, ready,
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait_run","arguments":{},"_meta":{"progressToken":"tok"}}}`,
			tool(2, "wait_run", `{}`)) // without a token: silent
		w.answer(0)
		began := time.Now()
		m := w.read()

		took := time.Since(began)
		if m.Method != "notifications/progress" || m.Params["progressToken"] != "tok" ||
			m.Params["message"] != "starting" || m.Params["progress"].(float64) <= 0 {
			t.Errorf("after %v: %+v", took, m)
		}

		select {
		case l := <-w.lines:
			if !strings.Contains(l, `"progressToken":"tok"`) { // its next one, where this process was kept from looking
				t.Errorf("unasked: %s", l)
			}
		case <-time.After(200 * time.Millisecond):
		}
		w.close()

		return took
	})
}

func TestSubscribersHearOfChanges(t *testing.T) {
	w := dial(t, server.Options{Open: closed})
	w.send(hello, ready, `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"ratchet://brief"}}`)
	w.answer(1)
	w.send(tool(2, "read_log", `{}`)) // changes nothing

	if m := w.read(); m.ID != 2.0 {
		t.Errorf("a reading call sent %+v", m)
	}
	w.send(tool(3, "keep", `{}`))

	a, b := w.read(), w.read()
	if a.Method == "" {
		a, b = b, a
	}

	if a.Method != "notifications/resources/updated" || a.Params["uri"] != "ratchet://brief" || b.ID != 3.0 {
		t.Errorf("keep sent %+v and %+v", a, b)
	}
	w.send(`{"jsonrpc":"2.0","id":4,"method":"resources/unsubscribe","params":{"uri":"ratchet://brief"}}`)
	w.answer(4)
	w.send(tool(5, "keep", `{}`))

	if m := w.read(); m.ID != 5.0 {
		t.Errorf("after unsubscribing: %+v", m)
	}
}
