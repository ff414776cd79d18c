package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/checkout"
	"ratchet/server"
	"ratchet/tools"
)

func TestHTTPCampaignThroughEveryTool(t *testing.T) {
	t.Parallel()
	c := newRepository(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, c.dir)
	c.Client = s.client(c.dir, "test", "")
	c.throughEveryTool()

	m, _ := c.try("read_log", `{"view":"sessions"}`)
	if text := fmt.Sprint(m); !strings.Contains(text, "test@laptop") {
		t.Errorf("the session does not have the token's name: %s", text)
	}
}

// curl is a client that knows nothing but HTTP.
type curl struct {
	*httpServer
	url     string
	session []string
	id      int
}

func (c *curl) call(tool, args string) map[string]any {
	c.t.Helper()
	c.id++

	m := c.do("POST", c.url,
		fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, c.id, tool,
			args), c.session...).message(c.t)
	if m.Error != nil || m.ID != float64(c.id) || m.Result["isError"] == true {
		c.t.Fatalf("%s%s: %+v", tool, args, m)
	}

	return m.Result["structuredContent"].(map[string]any)
}

// done waits until what runs has ended.
func (c *curl) done() {
	c.t.Helper()

	for end := time.Now().Add(patient); c.call("wait_run", `{"wait_seconds":20}`)["status"] == "running"; {
		if time.Now().After(end) {
			c.t.Fatal("still running")
		}
	}
}

func TestHTTPCampaignByHand(t *testing.T) {
	t.Parallel()
	repo := newRepository(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, repo.dir)
	c := &curl{httpServer: s, url: s.url("")} // one root: no need to name it

	a := s.do("POST", c.url, hello)
	if m := a.message(t); m.Error != nil || a.status != 200 {
		t.Fatalf("initialize: %d %+v", a.status, m)
	}

	c.session = []string{"Mcp-Session-Id", a.header.Get("Mcp-Session-Id"), "Mcp-Protocol-Version", "2025-06-18"}
	if a := s.do("POST", c.url, ready, c.session...); a.status != http.StatusAccepted || a.body != "" {
		t.Errorf("initialized: %d %q", a.status, a.body)
	}
	c.call("start_campaign", `{}`)
	c.done()
	repo.write("value.txt", "90\n")

	if m := c.call("run_experiment", `{"hypothesis":"smaller","wait_seconds":20}`); m["verdict"] != "improved" {
		t.Fatalf("%v", m)
	}
	c.call("keep", `{}`)
	// another server, that never saw the session, goes on with it
	other := serve(t, func(o *server.HTTPOptions) { o.Open, o.Tokens = openAny, s.tokens }, repo.dir)
	c.url = other.url(repo.dir)
	repo.write("value.txt", "95\n")

	if m := c.call("run_experiment", `{"hypothesis":"larger","wait_seconds":20}`); m["verdict"] != "regressed" {
		t.Fatalf("%v", m)
	}
	c.call("revert", `{}`)

	if text := fmt.Sprint(c.call("read_log", `{"view":"sessions"}`)); !strings.Contains(text, "raw@laptop") ||
		strings.Contains(text, "unnamed") {
		t.Errorf("the client lost its name: %s", text)
	}
}

func TestTwoRepositoriesInOneServer(t *testing.T) {
	t.Parallel()
	a, b := newRepository(t), newRepository(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, a.dir, b.dir)

	a.Client, b.Client = s.client(a.dir, "one", "2025-11-25"), s.client(b.dir, "two", "2024-11-05")
	for _, c := range []*campaign{a, b} {
		c.do("start_campaign", `{}`)
		c.done(c.do("wait_run", `{"wait_seconds":20}`))
	}
	a.write("value.txt", "90\n")
	b.write("value.txt", "110\n")

	for _, c := range []*campaign{a, b} {
		c.done(c.do("run_experiment", `{"hypothesis":"another number"}`))
	}
	a.want(a.do("wait_run", `{"id":"x1"}`), "verdict", "improved")
	b.want(b.do("wait_run", `{"id":"x1"}`), "verdict", "regressed")

	if got := s.do("POST", s.url(""), ping); got.status != http.StatusBadRequest {
		t.Errorf("two roots and no repo: %d %s", got.status, got.body)
	}
}

func TestHTTPEveryProtocolVersion(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	var who []string

	s := serve(t, func(o *server.HTTPOptions) {
		o.Open = func(_ context.Context, checkout, name, version string) (*checkout.Checkout, error) {
			who = append(who, name+" "+version+" "+checkout)
			return nil, errClosed
		}
	}, dir)
	for _, version := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"} {
		a := s.do("POST", s.url(dir), strings.Replace(hello, "2025-06-18", version, 1))
		if m := a.message(t); m.Result["protocolVersion"] != version {
			t.Errorf("%s: %+v", version, m)
		}

		a = s.do("POST", s.url(dir), tool(1, "keep", `{}`), "Mcp-Session-Id", a.header.Get("Mcp-Session-Id"),
			"Mcp-Protocol-Version", version)
		if m := a.message(t); m.Result["isError"] != true {
			t.Errorf("%s: %+v", version, m)
		}
	}
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"modern","version":"9"}}`
	modern := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "keep"}

	a := s.do("POST", s.url(dir),
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"keep","arguments":{},`+meta+`}}`, modern...)
	if m := a.message(t); m.Error != nil || m.Result["isError"] != true {
		t.Errorf("2026-07-28: %d %+v", a.status, m)
	}

	if len(who) != 5 || who[0] != "raw@laptop 1.2 "+dir || who[4] != "modern@laptop 9 "+dir {
		t.Errorf("opened for %q", who)
	}

	for _, method := range []string{"GET", "PUT"} {
		if a := s.do(method, s.url(dir), ""); a.status != http.StatusMethodNotAllowed ||
			a.header.Get("Allow") != "POST, DELETE" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}

	if a := s.do("POST", s.url(dir), ping, "Mcp-Session-Id", "mcp-session-0"); a.status != http.StatusNotFound {
		t.Errorf("an unknown session: %d", a.status)
	}
}

// A client that listens hears of what others change in its checkout, and only there.
func TestListenersHearOfChanges(t *testing.T) {
	t.Parallel()
	a, b := newRepository(t).dir, newRepository(t).dir
	s := serve(t, func(o *server.HTTPOptions) { o.Limits.Drain = time.Minute }, a, b)
	const listen = `{"jsonrpc":"2.0","id":"L","method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["ratchet://brief"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"modern","version":"9"}}}}`

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	req, _ := http.NewRequestWithContext(ctx, "POST", s.url(a), strings.NewReader(listen))
	for k, v := range map[string]string{"Authorization": "Bearer " + s.token, "Content-Type": "application/json",
		"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2026-07-28",
		"Mcp-Method": "subscriptions/listen"} {
		req.Header.Set(k, v)
	}

	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	sc := bufio.NewScanner(res.Body)

	next := func() (m message) {
		for sc.Scan() {
			if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &m); err != nil {
					t.Fatal(err)
				}

				return m
			}
		}
		t.Fatalf("the stream ended: %v", sc.Err())

		return m
	}
	if m := next(); m.Method != "notifications/subscriptions/acknowledged" {
		t.Fatalf("first: %+v", m)
	}
	s.do("POST", s.url(b), tool(1, "keep", `{}`)) // another repository
	s.do("POST", s.url(a), tool(1, "read_log", `{}`))
	s.do("POST", s.url(a), tool(1, "keep", `{}`))

	if m := next(); m.Method != "notifications/resources/updated" || m.Params["uri"] != "ratchet://brief" {
		t.Errorf("after a change: %+v", m)
	}
	s.stop() // ends the stream at once

	for sc.Scan() {
		if strings.Contains(sc.Text(), `"notifications/resources/updated"`) {
			t.Errorf("unasked: %s", sc.Text())
		}
	}
}

// stuck is a laboratory that opens on request, or when the call ends.
func stuck(
	entered chan<- struct{}, leave <-chan struct{},
) func(context.Context, string, string, string) (*checkout.Checkout, error) {
	return func(ctx context.Context, _, _, _ string) (*checkout.Checkout, error) {
		entered <- struct{}{}

		select {
		case <-leave:
			return nil, errClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Clients that wait for a header give up after a minute: it comes early, with
// a sign of life, while the call goes on; with or without a progress token.
func TestEarlyHeader(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	entered, leave := make(chan struct{}, 10), make(chan struct{})

	s := serve(t, func(o *server.HTTPOptions) { o.Open = stuck(entered, leave) }, dir)
	for _, meta := range []string{"", `,"_meta":{"progressToken":"tok"}`} {
		req, _ := http.NewRequest("POST", s.url(dir),
			strings.NewReader(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"wait_run","arguments":{}`+meta+`}}`))
		req.Header.Set("Authorization", "Bearer "+s.token)
		req.Header.Set("Content-Type", "application/json")

		res, err := http.DefaultClient.Do(req) // returns with the header: the call is still stuck
		if err != nil {
			t.Fatal(err)
		}
		<-entered

		if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
			t.Errorf("%q", kind)
		}

		lines := bufio.NewScanner(res.Body)
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), ":") {
			t.Errorf("first line: %q", lines.Text())
		}

		if meta != "" {
			for lines.Scan() && !strings.Contains(lines.Text(), `"progressToken":"tok"`) {
			}
		}

		leave <- struct{}{}
		var last string

		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				last = data
			}
		}
		res.Body.Close()

		var m message
		if err := json.Unmarshal([]byte(last), &m); err != nil || m.ID != 7.0 || m.Result["isError"] != true {
			t.Errorf("the answer after the sign: %q (%v)", last, err)
		}
	}
	// a client without event streams gets JSON, however long it takes
	go func() { <-entered; leave <- struct{}{} }()

	if a := s.do("POST", s.url(dir), tool(1, "wait_run", `{}`), "Accept",
		"application/json"); a.header.Get("Content-Type") != "application/json" || a.message(t).ID != 1.0 {
		t.Errorf("%v %s", a.header, a.body)
	}
}

// A server that has to stop answers what is under way, and says that what
// runs goes on.
func TestOrderlyEnd(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	entered := make(chan struct{}, 10)
	s := serve(t, func(o *server.HTTPOptions) { o.Open, o.Limits.Drain = stuck(entered, nil), 8*time.Second }, dir)

	got := make(chan answer)
	go func() { got <- s.do("POST", s.url(dir), tool(1, "wait_run", `{}`)) }()
	<-entered
	s.wait()

	a := <-got
	if text := fmt.Sprint(a.message(t).Result); !strings.Contains(text, "cancelled") || !strings.Contains(text,
		"what runs goes on") {
		t.Errorf("%d %s", a.status, a.body)
	}
	// The port may be another server's by now, which does not know the token.
	if a, err := s.try("POST", s.url(dir), ping); err == nil && a.status != http.StatusUnauthorized {
		t.Errorf("it still accepts connections: %d %s", a.status, a.body)
	}
}

func TestMetricsAndAccessLog(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	s := serve(t, nil, dir)
	s.do("POST", s.url(dir), hello)
	s.do("POST", s.url(dir), tool(1, "run_experiment", `{"hypothesis":"sesame"}`))
	s.do("POST", s.url(dir), tool(1, "run_experiment", `{"wrong":"sesame"}`))
	s.do("POST", s.url(dir), ping, "Authorization", "Bearer sesame")

	a := s.do("GET", "http://"+s.addr+"/metrics", "", "Authorization", "")
	for _, want := range []string{`ratchet_tool_calls_total{code="repository",tool="run_experiment"} 1`,
		`ratchet_tool_calls_total{code="bad_argument",tool="run_experiment"} 1`,
		`ratchet_http_requests_total{status="401"} 1`, `ratchet_sessions 1`, `ratchet_sessions_opened_total 1`,
		`ratchet_tool_call_seconds_count{tool="run_experiment"} 2`, `ratchet_requests_in_flight 0`} {
		if !strings.Contains(a.body, want+"\n") {
			t.Errorf("metrics lack %s\n%s", want, a.body)
		}
	}

	if a := s.do("GET", "http://"+s.addr+"/metrics", "", "Authorization", "", "X-Forwarded-For",
		"192.0.2.1"); a.status != http.StatusUnauthorized {
		t.Errorf("metrics through a proxy without a token: %d", a.status)
	}
	s.wait()

	log := s.log.String()
	if strings.Contains(log, "sesame") || strings.Contains(log, s.token) {
		t.Errorf("the log tells arguments or tokens:\n%s", log)
	}
	var calls int

	for line := range strings.Lines(log) {
		var e struct {
			Status                       int
			Token, Rpc, Tool, Code, Repo string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("no JSON line: %q", line)
		}

		if e.Tool == "run_experiment" && e.Token == "laptop" && e.Rpc == "tools/call" && e.Status == 200 &&
			e.Repo == dir && e.Code != "" {
			calls++
		}
	}

	if calls != 2 {
		t.Errorf("%d calls in the log:\n%s", calls, log)
	}
}

func TestHTTPListsAllTools(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	s := serve(t, nil, dir)

	list, err := s.client(dir, "lists", "").ListTools(context.Background(), mcp.ListToolsRequest{})
	if err != nil || len(list.Tools) != len(tools.All()) {
		t.Errorf("%v, %v", list, err)
	}
}
