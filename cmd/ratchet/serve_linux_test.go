package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/testform"
)

var loadFor = flag.Duration("serve-load", 0, "how long TestServeLoad lasts (0: skip)")

// served is a `ratchet serve` that runs.
type served struct {
	t     testing.TB
	cmd   *exec.Cmd
	url   string
	token string
	http  *http.Client
	said  *bytes.Buffer // stderr
}

// serve starts a server. The token is the one that it makes, or token.
func (s *site) serve(token string, args ...string) *served {
	s.t.Helper()
	cmd := exec.Command(ratchet, append([]string{"--json", "serve", "--listen", "127.0.0.1:0"}, args...)...)
	said := &bytes.Buffer{}
	cmd.Dir, cmd.Env, cmd.Stderr = s.dir, s.env, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}

	var g struct{ URL, Token string }
	if err := json.NewDecoder(out).Decode(&g); err != nil {
		_ = cmd.Wait()
		s.t.Fatalf("serve says no address: %v\n%s", err, said)
	}

	if g.Token == "" {
		g.Token = token
	}
	v := &served{t: s.t, cmd: cmd, url: g.URL, token: g.Token, said: said,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}
	s.t.Cleanup(func() { v.kill() })

	return v
}

// kill kills the server and its process group, as far as it lives.
func (v *served) kill() {
	if v.cmd.ProcessState == nil {
		_ = syscall.Kill(-v.cmd.Process.Pid, syscall.SIGKILL)
		_ = v.cmd.Wait()
	}
}

// web is a client over HTTP.
type web struct {
	*served
	repo    string
	session string
	next    int
}

func (v *served) connect(repo, name string) *web {
	v.t.Helper()
	w := &web{served: v, repo: repo}
	res, _ := w.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":%q,"version":"1"}}}`, name))
	w.session = res.Header.Get("Mcp-Session-Id")

	return w
}

func (w *web) post(body string) (*http.Response, []byte) {
	w.t.Helper()

	req, err := http.NewRequest("POST", w.url+"?repo="+url.QueryEscape(w.repo), strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")

	if w.session != "" {
		req.Header.Set("Mcp-Session-Id", w.session)
	}

	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()

	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		w.t.Fatalf("%d %s %v", res.StatusCode, b, err)
	}

	return res, b
}

// call calls a tool. Without a wait of its own it is patient: see lasting.
func (w *web) call(tool string, args map[string]any) answer {
	w.t.Helper()
	return lasting(w.once, tool, args)
}

func (w *web) once(tool string, args map[string]any) answer {
	w.t.Helper()

	if args == nil {
		args = map[string]any{}
	}

	w.next++

	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": w.next, "method": "tools/call",
		"params": map[string]any{"name": tool, "arguments": args}})
	if err != nil {
		w.t.Fatal(err)
	}

	_, b := w.post(string(body))
	for line := range strings.Lines(string(b)) { // the answer may come as an event
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			b = []byte(data)
		}
	}
	var m struct {
		Result struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
			Structured json.RawMessage `json:"structuredContent"`
		} `json:"result"`
	}

	var a answer
	if err := json.Unmarshal(b, &m); err != nil || json.Unmarshal(m.Result.Structured, &a) != nil {
		w.t.Fatalf("%s: %v in %s", tool, err, b)
	}
	a.text = m.Result.Content[0].Text

	return a
}

// A server that is killed, or told to end, leaves the run under way alone; the
// next server picks it up, for the same session.
func TestServeEndsInMidRun(t *testing.T) {
	testform.SkipQuick(t, "TestKillServer")
	t.Parallel()

	for name, end := range map[string]func(*served){
		"killed": (*served).kill,
		"terminated": func(v *served) {
			_ = v.cmd.Process.Signal(syscall.SIGTERM)
			if err := v.cmd.Wait(); err != nil {
				t.Errorf("after SIGTERM: %v\n%s", err, v.said)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			g := s.gated()
			v := s.serve("")
			w := v.connect(s.dir, "web")
			w.call("start_campaign", nil)
			w.call("wait_run", nil)
			s.write("work.txt", "slow\n")

			if a := w.call("run_experiment", map[string]any{"hypothesis": "shorter",
				"wait_seconds": 0}); a.Status != "running" {
				t.Fatal(a.text)
			}
			end(v)
			g.open()

			w.served = s.serve(v.token)
			if a := w.call("wait_run", nil); a.Verdict != "improved" {
				t.Fatalf("after the end: %s", a.text)
			}

			if a := w.call("keep", nil); a.Error != nil {
				t.Fatal(a.text)
			}
			s.sh(ratchet, "verify")
		})
	}
}

// Sessions over HTTP and over standard streams share one ledger.
func TestServeBesideStdio(t *testing.T) {
	testform.SkipQuick(t, "server answers over HTTP, TestTwoSessionsInOneCheckout shares a ledger")
	t.Parallel()
	s := newSite(t)
	trees := s.worktrees(3)
	v := s.serve("", "--root", filepath.Dir(s.dir))
	c := s.connect()
	c.calibrated()

	var all sync.WaitGroup
	for i, dir := range trees {
		all.Go(func() {
			w := v.connect(dir, fmt.Sprint("web", i))
			for n := range 5 {
				if a := w.call("share", lesson(i, n)); a.Error != nil {
					t.Error(a.text)
				}
			}
		})
	}

	for n := range 5 {
		if a := c.call("share", lesson(99, n)); a.Error != nil {
			t.Error(a.text)
		}
	}
	all.Wait()
	s.write("work.txt", "short\n")

	if a := c.call("run_experiment", map[string]any{"hypothesis": "shorter"}); a.Verdict != "improved" {
		t.Fatal(a.text)
	}

	w := v.connect(s.dir, "another") // the same checkout by the other way
	if a := w.call("keep", nil); a.Error != nil {
		t.Fatal(a.text)
	}
	c.close()

	if n := v.metric("ratchet_ledger_append_seconds_count"); n < 15 { // one for each lesson
		t.Errorf("%g appends were measured", n)
	}

	lines := s.sh(ratchet, "call", "read_log", `{"view":"sessions","limit":8000}`)
	for _, want := range []string{"web0@default", "web1@default", "web2@default", "another@default"} {
		if !strings.Contains(lines, want) {
			t.Errorf("no session of %s:\n%s", want, lines)
		}
	}
	s.sh(ratchet, "verify")
}

// metric is the value of one of the server's metrics.
func (v *served) metric(name string) (value float64) {
	v.t.Helper()

	res, err := v.http.Get(strings.Replace(v.url, "/mcp", "/metrics", 1))
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)

	_, rest, ok := strings.Cut(string(body), "\n"+name+" ")
	if _, serr := fmt.Sscan(rest, &value); err != nil || serr != nil || !ok {
		v.t.Fatalf("no %s (%v):\n%s", name, err, body)
	}

	return value
}

func lesson(who, n int) map[string]any {
	return map[string]any{"ops": []any{map[string]any{"op": "lesson",
		"lesson": fmt.Sprintf("lesson %d of session %d", n, who)}}}
}

// worktrees are n more checkouts beside the site's.
func (s *site) worktrees(n int) (dirs []string) {
	for i := range n {
		dir := filepath.Join(filepath.Dir(s.dir), fmt.Sprintf("tree%d", i))
		s.sh("git", "worktree", "add", "-q", "-b", fmt.Sprintf("tree%d", i), dir)
		dirs = append(dirs, dir)
	}

	return dirs
}

func TestServeWithTLS(t *testing.T) {
	testform.SkipQuick(t, "server answers over HTTP")
	t.Parallel()
	s := newSite(t)
	cert, key := s.certificate()
	v := s.serve("", "--listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", key)

	v.url = strings.Replace(v.url, "THIS-HOST", "localhost", 1)
	if a := v.connect(s.dir, "web").call("read_log", map[string]any{"view": "guide"}); a.Error != nil ||
		!strings.HasPrefix(v.url, "https://") {
		t.Errorf("%s: %s", v.url, a.text)
	}

	if res, err := http.Get(strings.Replace(v.url, "https", "http", 1)); err == nil && res.StatusCode == 200 {
		t.Error("it speaks plain HTTP too")
	}
}

// certificate is a self-signed one for localhost, in two files.
func (s *site) certificate() (cert, key string) {
	s.t.Helper()

	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}

	der, err := x509.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		s.t.Fatal(err)
	}

	raw, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		s.t.Fatal(err)
	}

	cert, key = filepath.Join(filepath.Dir(s.dir), "cert.pem"), filepath.Join(filepath.Dir(s.dir), "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der},
		key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}

	return cert, key
}

// TestServeLoad prints how long an append takes, request included, with 32
// sessions over HTTP and 8 over standard streams that make 5 a second in all,
// and then as many as they can. It asserts that none fails.
func TestServeLoad(t *testing.T) {
	if *loadFor == 0 {
		t.Skip("a long form: go test ./cmd/ratchet -run TestServeLoad -serve-load 30s -v")
	}
	const overHTTP, overStdio, rate = 32, 8, 5
	s := newSite(t)
	trees := s.worktrees(overHTTP + overStdio)
	v := s.serve("", "--root", filepath.Dir(s.dir))
	first := s.connect()
	first.calibrated()

	calls := make([]func(n int) answer, 0, len(trees))
	for i, dir := range trees {
		if i < overHTTP {
			own := *v
			own.token = s.newToken(fmt.Sprint("session", i))
			w := own.connect(dir, fmt.Sprint("web", i))

			calls = append(calls, func(n int) answer { return w.call("share", lesson(i, n)) })

			continue
		}
		at := *s
		at.dir = dir

		c := at.connect()
		defer c.close()

		calls = append(calls, func(n int) answer { return c.call("share", lesson(i, n)) })
	}

	for _, call := range calls { // joins the campaign
		call(0)
	}
	every := time.Duration(len(calls)) * time.Second / rate
	load(t, "5 a second in all", calls, *loadFor, every)
	load(t, "saturated", calls, *loadFor/3, 0)
	first.close()
	s.sh(ratchet, "verify")
}

// newToken adds a token, as a person does while the server runs.
func (s *site) newToken(name string) string {
	s.t.Helper()

	var made struct{ Token string }
	if err := json.Unmarshal([]byte(s.sh(ratchet, "--json", "token", "add", name)), &made); err != nil ||
		made.Token == "" {
		s.t.Fatal(err)
	}

	return made.Token
}

// load calls each of calls in turn with every between its beginnings, for so
// long, and prints percentiles.
func load(t *testing.T, name string, calls []func(int) answer, long, every time.Duration) {
	var mu sync.Mutex
	var took []time.Duration
	counts := make([]int, len(calls))
	var all sync.WaitGroup
	begin := time.Now()

	for i, call := range calls {
		all.Go(func() {
			time.Sleep(every * time.Duration(i) / time.Duration(len(calls)))

			for n := 1; time.Since(begin) < long; n++ {
				at := time.Now()
				a := call(n)
				d := time.Since(at)
				mu.Lock()

				took = append(took, d)
				counts[i]++
				mu.Unlock()

				if a.Error != nil {
					t.Errorf("session %d: %s", i, a.text)
				}
				time.Sleep(every - d)
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	p := func(q float64) float64 { return ms(took[int(q*float64(len(took)-1))]) }
	fmt.Printf("%s: %d appends in %v (%.1f a second), each session %d to %d; p50 %.1f ms, p95 %.1f, p99 %.1f, max %.1f\n", name, len(took), long,
		float64(len(took))/long.Seconds(), slices.Min(counts), slices.Max(counts), p(.5), p(.95), p(.99), p(1))
}
