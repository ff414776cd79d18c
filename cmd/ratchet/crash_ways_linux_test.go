package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// reply is what tools/call gives.
type reply struct {
	ID     *int `json:"id"`
	Result struct {
		Structured json.RawMessage `json:"structuredContent"`
	} `json:"result"`
}

func (r reply) answer() (a answer, err error) {
	err = json.Unmarshal(r.Result.Structured, &a)
	a.text = string(r.Result.Structured)

	return a, err
}

const hello = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"crash","version":"1"}}}`

func toolCall(id int, tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, tool,
		args)
}

// stdioServer starts a server when none lives.
type stdioServer struct {
	*round
	dir  string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	gone func()
	next int
}

func (w *stdioServer) start() (err error) {
	w.cmd = exec.Command(ratchet, "mcp")

	w.cmd.Dir, w.cmd.Env, w.cmd.SysProcAttr = w.dir, w.env, &syscall.SysProcAttr{Setpgid: true}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return err
	}

	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return err
	}

	w.out = bufio.NewReader(out)
	if err = w.cmd.Start(); err != nil {
		return err
	}
	w.gone = w.living("stdio server", -w.cmd.Process.Pid)
	_, err = io.WriteString(w.in, hello+"\n"+`{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n")

	return err
}

func (w *stdioServer) call(tool, args string) (answer, error) {
	if w.cmd == nil {
		if err := w.start(); err != nil {
			w.close()
			return answer{}, err
		}
	}

	w.next++

	_, err := io.WriteString(w.in, toolCall(w.next, tool, args)+"\n")
	for err == nil {
		var line []byte
		if line, err = w.out.ReadBytes('\n'); err != nil {
			break
		}

		var m reply
		if err = json.Unmarshal(line, &m); err == nil && m.ID != nil && *m.ID == w.next {
			return m.answer()
		}
	}
	w.close()

	return answer{}, err
}

func (w *stdioServer) close() {
	if w.cmd == nil || w.cmd.Process == nil {
		return
	}
	w.gone()
	w.in.Close()
	_ = w.cmd.Wait()
	w.cmd = nil
}

// webServer is the one HTTP server of a round; it starts one when none lives.
type webServer struct {
	*round
	mu    sync.Mutex
	url   string
	token string
	cmd   *exec.Cmd
	gone  func()
}

// ensure gives the address of a living server.
func (w *webServer) ensure() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if w.url != "" {
		return w.url, nil
	}
	w.cmd = exec.Command(ratchet, "--json", "serve", "--listen", "127.0.0.1:0", "--root", filepath.Dir(w.dir))
	w.cmd.Dir, w.cmd.Env, w.cmd.SysProcAttr = w.dir, w.env, &syscall.SysProcAttr{Setpgid: true}

	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return "", err
	}

	if err := w.cmd.Start(); err != nil {
		return "", err
	}
	gone := w.living("HTTP server", -w.cmd.Process.Pid)
	w.gone = gone

	var g struct{ URL string }
	if err := json.NewDecoder(out).Decode(&g); err != nil { // killed as it came up
		gone()
		_ = w.cmd.Wait()

		return "", err
	}
	w.url = g.URL

	return w.url, nil
}

// lost forgets the server at that address.
func (w *webServer) lost(at string) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if w.url == at && at != "" {
		w.gone()
		w.url = ""
		_ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL)
		_ = w.cmd.Wait()
	}
}

type webSession struct {
	*webServer
	dir string
	id  string
}

func (w *webSession) call(tool, args string) (answer, error) {
	at, err := w.ensure()
	if err != nil {
		return answer{}, err
	}

	if w.id == "" {
		if _, w.id, err = w.post(at, hello); err != nil {
			w.lost(at)
			return answer{}, err
		}
	}

	body, _, err := w.post(at, toolCall(1, tool, args))
	if err != nil {
		w.lost(at)
		return answer{}, err
	}

	for line := range strings.Lines(string(body)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			body = []byte(data)
		}
	}

	var m reply
	if err := json.Unmarshal(body, &m); err != nil {
		return answer{}, fmt.Errorf("%w in %q", err, body)
	}

	return m.answer()
}

func (w *webSession) post(at, body string) ([]byte, string, error) {
	req, err := http.NewRequest("POST", at+"?repo="+url.QueryEscape(w.dir), strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")

	if w.id != "" {
		req.Header.Set("Mcp-Session-Id", w.id)
	}

	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()

	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", res.StatusCode, b)
		w.t.Error(err)
	}

	return b, res.Header.Get("Mcp-Session-Id"), err
}

func (w *webSession) close() { w.lost(w.url) }

// commandLine makes every call in a process of its own, and looks around between them.
type commandLine struct {
	*round
	dir string
	n   int
}

func (w *commandLine) call(tool, args string) (answer, error) {
	if w.n++; w.n%2 == 0 {
		look := [][]string{{"status"}, {"verify"}, {"log"}, {"verify", "--recompute"}}[w.n/2%4]
		if _, said, err := w.run(look...); err != nil && !killed(err) && !strings.Contains(said, "context canceled") {
			w.t.Errorf("%v: %v: %s", look, err, said)
		}
	}
	out, said, err := w.run("call", "--json", tool, args)

	var a answer
	if jerr := json.Unmarshal(out, &a); jerr != nil {
		if err != nil && !killed(err) {
			w.t.Errorf("%s: %v: %s", tool, err, said)
		}

		return a, fmt.Errorf("%s: %w: %s", tool, errors.Join(err, jerr), said)
	}
	a.text = string(out)

	return a, nil
}

func (w *commandLine) run(args ...string) (out []byte, said string, err error) {
	cmd := exec.Command(ratchet, args...)
	var stdout, stderr bytes.Buffer

	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env, &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	gone := w.living("command line", cmd.Process.Pid)
	err = cmd.Wait()
	gone()

	return stdout.Bytes(), stderr.String(), err
}

func (w *commandLine) close() {}

// killed says that a process was ended by the killer.
func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)

	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
