package server_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/testform"
	"ratchet/server"
)

func TestOnlyValidTokensPass(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	s := serve(t, nil, dir)

	other, err := server.OpenTokens(s.tokens.Path()).Add("other",
		server.RoleAgent) // by another process, while it serves
	if err != nil {
		t.Fatal(err)
	}

	with := func(authorization string) answer {
		return s.do("POST", s.url(dir), ping, "Authorization", authorization)
	}
	for _, ok := range []string{"Bearer " + s.token, "bearer " + other, "Bearer  " + other} {
		if a := with(ok); a.status != 200 {
			t.Errorf("%q: %d %s", ok, a.status, a.body)
		}
	}

	wrong := []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + s.token, s.token, "Bearer " + s.token + "x",
		"Bearer " + s.token[:len(s.token)-1], "Bearer " + strings.ToUpper(s.token), "Bearer " + strings.Repeat("x",
			10_000)}
	for _, bad := range wrong {
		a := with(bad)
		if a.status != http.StatusUnauthorized || !strings.HasPrefix(a.header.Get("WWW-Authenticate"),
			`Bearer realm="ratchet"`) || a.message(t).Error == nil {
			t.Errorf("%q: %d %v %s", bad, a.status, a.header, a.body)
		}
	}

	if err := server.OpenTokens(s.tokens.Path()).Revoke("other"); err != nil {
		t.Fatal(err)
	}

	if a := with("Bearer " + other); a.status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", a.status)
	}

	if a := s.do("GET", "http://"+s.addr+"/healthz", "", "Authorization", ""); a.status != 200 || a.body != "ok\n" {
		t.Errorf("healthz: %d %q", a.status, a.body)
	}

	if err := os.WriteFile(s.tokens.Path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}

	if a := with("Bearer " + s.token); a.status != http.StatusServiceUnavailable {
		t.Errorf("with a damaged file of tokens: %d", a.status)
	}
}

func TestTokensAtRest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ratchet", "tokens.json")

	tokens := server.OpenTokens(path)
	if list, err := tokens.List(); err != nil || len(list) != 0 {
		t.Errorf("no file: %v, %v", list, err)
	}
	const n = 20

	errs := make(chan error, n)
	for i := range n { // as many processes at once
		go func() {
			_, err := server.OpenTokens(path).Add(fmt.Sprintf("t%d", i), server.RoleAgent)
			errs <- err
		}()
	}

	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}

	if list, err := tokens.List(); err != nil || len(list) != n {
		t.Errorf("%d of %d tokens were kept: %v", len(list), n, err)
	}

	token, err := tokens.Add("secret", server.RoleAgent)
	if err != nil || len(token) < 43 {
		t.Fatal(token, err)
	}

	data, _ := os.ReadFile(path)
	if strings.Contains(string(data), strings.TrimPrefix(token, "ratchet_")) {
		t.Error("the file holds the token itself")
	}

	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}

	for name, want := range map[string]research.Code{"secret": research.CodeConflict, "": research.CodeBadArgument,
		"a b": research.CodeBadArgument, strings.Repeat("x", 33): research.CodeBadArgument} {
		if _, err := tokens.Add(name, server.RoleAgent); research.Describe(err).Code != want {
			t.Errorf("add %q: %v", name, err)
		}
	}

	if err := tokens.Revoke("nobody"); research.Describe(err).Code != research.CodeNotFound {
		t.Errorf("revoke nobody: %v", err)
	}

	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}

	if _, ok, err := server.OpenTokens(path).Check(token); ok || err == nil {
		t.Errorf("a file that others may write: %v, %v", ok, err)
	}

	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestForeignOriginAndHost(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	s := serve(t, func(o *server.HTTPOptions) {
		o.Listen, o.Origins = "build.lan", []string{"https://lab.example.org:8443"}
	}, dir)

	tests := []struct {
		host, origin string
		status       int
	}{
		{"", "", 200},
		{"localhost:7447", "", 200},
		{"[::1]:7447", "", 200},
		{"build.lan:7447", "", 200},
		{"LAB.example.org", "", 200},
		{"evil.example", "", 403},
		{"localhost.evil.example", "", 403},
		{"127.0.0.1.evil.example:7447", "", 403},
		{"192.0.2.7", "", 403},
		{"", "http://localhost:3000", 200},
		{"", "https://lab.example.org:8443", 200},
		{"", "https://lab.example.org", 403},
		{"", "http://lab.example.org:8443", 403},
		{"", "https://evil.example", 403},
		{"", "http://localhost.evil.example", 403},
		{"", "null", 403},
		{"", "file://", 403},
		{"evil.example", "http://evil.example", 403}, // a rebound name
	}
	for _, tt := range tests {
		a := s.do("POST", s.url(dir), ping, "Host", tt.host, "Origin", tt.origin)
		if a.status != tt.status {
			t.Errorf("Host %q, Origin %q: %d %s", tt.host, tt.origin, a.status, a.body)
		}

		if cors := a.header.Get("Access-Control-Allow-Origin"); tt.origin != "" && (cors != "") != (tt.status == 200) {
			t.Errorf("Origin %q: allowed %q", tt.origin, cors)
		}

		a = s.do("OPTIONS", s.url(dir), "", "Host", tt.host, "Origin", tt.origin, "Authorization", "")
		if want := map[bool]int{true: 204, false: 403}[tt.status == 200]; tt.origin != "" && a.status != want {
			t.Errorf("preflight, Origin %q: %d", tt.origin, a.status)
		}
	}

	for _, bad := range []string{"lab.example.org", "ftp://x", "https://x/path", "https://u@x", "*"} {
		o, _ := options(t, dir)

		o.Origins = []string{bad}
		if _, err := server.NewHTTP(o); research.Describe(err).Code != research.CodeBadArgument {
			t.Errorf("%q as an origin: %v", bad, err)
		}
	}
}

func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	s := serve(t, nil, dir)
	deep := func(open, shut string, n int) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"keep","arguments":{"id":` +
			strings.Repeat(open, n) + "1" + strings.Repeat(shut, n) + `}}}`
	}

	tests := []struct {
		name, body string
		headers    []string
		status     int
	}{
		{"10 MB", `{"x":"` + strings.Repeat("x", 10<<20) + `"}`, nil, 413},
		{"a bomb of lists", strings.Repeat("[", 1<<20), nil, 400},
		{"a deep call", deep("[", "]", 1000), nil, 400},
		{"a deep call of objects", deep(`{"a":`, "}", 1000), nil, 400},
		{"a wide call", deep("[1", "]", 0)[:60] + strings.Repeat("0,", 100_000), nil, 400},
		{"brackets in a text", tool(1, "keep", `{"note":"`+strings.Repeat("[{,", 600)+`\"[["}`), nil, 200},
		{"a batch", "[" + ping + "," + ping + "]", nil, 400},
		{"no JSON", "hello", nil, 400},
		{"nothing", "", nil, 400},
		{"half", ping[:20], nil, 400},
		{"another type", ping, []string{"Content-Type", "text/plain"}, 415},
		{"a form", ping, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"compressed", ping, []string{"Content-Encoding", "gzip"}, 415},
		{"a long header", ping, []string{"X-Long", strings.Repeat("x", 100<<10)}, 431},
		{"a long session", ping, []string{"Mcp-Session-Id", "ratchet." + strings.Repeat("x", 1000)}, 404},
		{"a version of the future", ping, []string{"Mcp-Protocol-Version", "2099-01-01"}, 400},
		{"text arguments", tool(1, "share", `"text"`), nil, 200},
		{"the same key often", tool(1, "keep", `{`+strings.Repeat(`"id":"x1",`, 5000)+`"id":"x1"}`), nil, 200},
		{"a large number", tool(1, "wait_run", `{"wait_seconds":1e999999}`), nil, 200},
	}
	for _, tt := range tests {
		a, err := s.try("POST", s.url(dir), tt.body, tt.headers...)
		for n := 0; err != nil && n < 20; n++ { // on a busy machine it may be cut off while it still sends
			a, err = s.try("POST", s.url(dir), tt.body, tt.headers...)
		}

		if a.status != tt.status || err != nil {
			t.Errorf("%s: %d %.300s %v", tt.name, a.status, a.body, err)
		}

		if tt.status == 200 && a.message(t).Error == nil && a.message(t).Result["isError"] != true {
			t.Errorf("%s: %s", tt.name, a.body)
		}
	}
	// chunked, without a length
	req, _ := http.NewRequest("POST", s.url(dir), io.LimitReader(endless{}, 10<<20))
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")

	if res, err := http.DefaultClient.Do(req); err == nil { // or the connection was cut while it still sent
		res.Body.Close()

		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("10 MB in chunks: %d", res.StatusCode)
		}
	}

	if a := s.do("POST", s.url(dir), ping); a.status != 200 {
		t.Errorf("afterwards: %d", a.status)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}

	return len(p), nil
}

// Clients that open connections and hardly speak are cut off, and others are served meanwhile.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	s := serve(t, func(o *server.HTTPOptions) {
		o.Limits.Arrival, o.Limits.Idle, o.Limits.Conns = 300*time.Millisecond, 300*time.Millisecond, 40
	}, dir)
	head := "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + s.token +
		"\r\nContent-Type: application/json\r\n"
	var slow []net.Conn

	for i := range 60 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c,
			[]string{"", "POST /mcp HT", head + "Content-Length: 100\r\n\r\n{", head + "X-A: b\r\n"}[i%4])
		slow = append(slow, c)
	}

	for end := time.Now().Add(patient); ; { // on a busy machine it may be slow too
		a, err := s.try("POST", s.url(dir), ping)
		if err == nil && a.status == 200 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("an honest client among slow ones: %d, %v", a.status, err)
		}
	}

	for i, c := range slow {
		must(t, c.SetReadDeadline(time.Now().Add(patient)))

		if _, err := io.ReadAll(c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("slow client %d was never cut off", i)
		}
	}
}

func TestTooMuchAtOnce(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	s := serve(t, func(o *server.HTTPOptions) {
		o.Open, o.Limits.Calls, o.Limits.Rate, o.Limits.Burst = stuck(entered, leave), 4, 0.001, 40
	}, dir)
	done := make(chan int)

	for i := range 4 {
		go func() { done <- s.do("POST", s.url(dir), tool(i, "wait_run", `{}`)).status }()
		<-entered
	}

	if a := s.do("POST", s.url(dir), ping); a.status != http.StatusServiceUnavailable ||
		a.header.Get("Retry-After") == "" {
		t.Errorf("a fifth call: %d %v", a.status, a.header)
	}
	close(leave)

	for range 4 {
		if status := <-done; status != 200 {
			t.Errorf("a call under way: %d", status)
		}
	}

	last := 0
	for range 40 {
		last = s.do("POST", s.url(dir), ping).status
	}

	if last != http.StatusTooManyRequests {
		t.Errorf("beyond the rate: %d", last)
	}
	other, err := s.tokens.Add("other", server.RoleAgent)
	must(t, err)

	if a := s.do("POST", s.url(dir), ping, "Authorization", "Bearer "+other); a.status != 200 {
		t.Errorf("another token: %d", a.status)
	}
}

var sessions = flag.Int("sessions", 0,
	"how many more sessions TestSessionsLeftBehind opens (0: 1000, or 200 with -short)")

// Sessions that are opened, used once and left cost nothing that stays, be it
// that each tenth works in the checkout.
func TestSessionsLeftBehind(t *testing.T) {
	testform.SkipQuick(t, "TestClaimsOfThoseWhoLeft")
	dir := newRepository(t).dir
	o, token := options(t, dir)
	o.Open, o.Limits.Labs, o.Limits.Rate, o.Limits.Burst = openAny, 64, 1e9, 1e9
	h, err := server.NewHTTP(o)
	must(t, err)
	post := func(body, session string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(context.Background(), "POST", "http://localhost/mcp?repo="+dir,
			strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")

		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)

		return w
	}
	open := func(n int) {
		for i := range n {
			w := post(strings.Replace(hello, "raw", fmt.Sprint("raw", i), 1), "")
			id := w.Header().Get("Mcp-Session-Id")

			w = post(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"ratchet://brief"}}`, id)
			if i%10 == 0 && w.Code == 200 {
				w = post(tool(2, "read_log", `{}`), id)
			}

			if w.Code != 200 {
				t.Fatalf("session %d: %d %s", i, w.Code, w.Body)
			}
		}
	}
	more := *sessions
	if more == 0 {
		more = 1000
		if testing.Short() {
			more = 200
		}
	}
	open(1100) // more than are remembered
	before, running, files := heap(), runtime.NumGoroutine(), openFiles()
	open(more)
	grown := heap() - before
	t.Logf("heap: %d bytes; %d more sessions: %+d bytes", before, more, grown)

	if grown > 256<<10 { // 8 kB each would be 8 MB
		t.Errorf("%d more sessions keep %d bytes", more, grown)
	}
	r := httptest.NewRequest("GET", "http://localhost/metrics", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	for _, want := range []string{"\nratchet_sessions 1024\n", "\nratchet_laboratories 64\n"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the server remembers another number than in %q:\n%s", want, w.Body)
		}
	}

	if n := openFiles(); n > files+10 {
		t.Errorf("%d open files became %d", files, n)
	}

	if n := runtime.NumGoroutine(); n > running+100 { // other tests run too
		t.Errorf("%d goroutines became %d", running, n)
	}
}

// openFiles is how many files this process has open, 0 where that can't be told.
func openFiles() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)

	return int64(m.HeapAlloc)
}
