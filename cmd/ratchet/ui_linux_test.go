package main_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"ratchet/server"
)

// The dashboard for oneself: a token that lives in the process alone and, where
// no person sits at a terminal, steers nothing; it ends with Ctrl-C.
func TestUI(t *testing.T) {
	t.Parallel()

	s := newSite(t)
	c := s.connect()
	c.calibrated()
	c.close()
	agent := strings.TrimSpace(s.sh("sh", "-c",
		ratchet+" --json token add laptop | sed -n 's/.*\"token\": \"\\(.*\\)\",/\\1/p'"))
	cmd := exec.Command(ratchet, "--json", "ui")
	cmd.Dir, cmd.Env = s.dir, s.env

	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}

	if err != nil {
		t.Fatal(err)
	}

	defer func() { _ = cmd.Process.Kill() }()

	var g struct{ URL, Role string }
	if err := json.NewDecoder(out).Decode(&g); err != nil {
		t.Fatal(err)
	}

	link, err := url.Parse(g.URL)
	if err != nil || link.Hostname() != "127.0.0.1" || link.Path != "/ui/" || g.Role != string(server.RoleRead) {
		t.Fatalf("%+v: %v", g, err)
	}

	hash, err := url.ParseQuery(link.Fragment)
	if err != nil || hash.Get("repo") != s.dir || !strings.HasPrefix(hash.Get("token"), "ratchet_") {
		t.Fatalf("the link %s: %v", g.URL, err)
	}

	ask := func(method, path, token string) int {
		req, err := http.NewRequest(method, "http://"+link.Host+path, strings.NewReader(`{"action":"pause"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")

		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()

		return res.StatusCode
	}
	for _, w := range []struct {
		method, path, token string
		status              int
	}{
		{"GET", "/ui/", "", 200}, {"GET", "/ui/api/state?repo=" + url.QueryEscape(s.dir), hash.Get("token"), 200},
		{"GET", "/ui/api/state", hash.Get("token"), 200}, {"GET", "/ui/api/state", agent, 401}, {"POST",
			"/ui/api/steer", hash.Get("token"), 403}, {"POST", "/mcp", hash.Get("token"), 403},
	} {
		if got := ask(w.method, w.path, w.token); got != w.status {
			t.Errorf("%s %s with %.12s…: %d, want %d", w.method, w.path, w.token, got, w.status)
		}
	}

	if strings.Contains(s.sh(ratchet, "token", "list"), "ui ") {
		t.Error("the token is in the file")
	}

	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}

	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}
