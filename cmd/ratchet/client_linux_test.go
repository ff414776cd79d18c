package main_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/research"
)

// site is a repository in a temporary folder, in an isolated home.
type site struct {
	t   testing.TB
	dir string
	env []string

	project string              // what clients say of themselves to their hooks
	other   string              // the binary, where it is not that of users
	as      *syscall.Credential // who runs its commands; nil: who runs the test
}

// binary is what the site's servers and commands are.
func (s *site) binary() string { return cmp.Or(s.other, ratchet) }

// alone makes the site's runs count as made on a quiet machine; see quiet.
func (s *site) alone() {
	s.t.Helper()

	bin, err := faulty()
	if err != nil {
		s.t.Fatal(err)
	}

	s.other, s.env = bin, append(s.env, "RATCHET_FAULT="+quiet)
}

func newSite(t testing.TB) *site {
	t.Helper()
	base := t.TempDir()
	s := &site{t: t, dir: filepath.Join(base, "repo"),
		env: append(os.Environ(), isolated(filepath.Join(base, "home"))...)}

	get := func(k string) string {
		for _, kv := range isolated(filepath.Join(base, "home")) {
			if v, ok := strings.CutPrefix(kv, k+"="); ok {
				return v
			}
		}

		return ""
	}
	if err := makeRepo(s.dir, get); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.vacate)

	return s
}

// vacate waits for the site's last processes, and then kills them: a folder that
// somebody still writes to can't be removed.
func (s *site) vacate() {
	for _, pid := range s.idleWorkers() {
		if n, err := strconv.Atoi(pid); err == nil {
			_ = syscall.Kill(n, syscall.SIGTERM)
		}
	}

	begin := time.Now()
	for left := s.processes(); len(left) > 0 && time.Since(begin) < patience; left = s.processes() {
		for _, line := range left {
			var pid int
			if _, err := fmt.Sscan(line, &pid); err == nil && time.Since(begin) > 2*time.Second {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *site) write(name, text string) {
	s.t.Helper()

	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o666); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) read(name string) string {
	s.t.Helper()

	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}

	return string(b)
}

// sh runs a command in the repository; it must succeed.
func (s *site) sh(name string, args ...string) string {
	s.t.Helper()

	out, err := s.try(name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}

	return out
}

var stillRuns = regexp.MustCompile(`^([a-z]\d+) running`)

// try runs a command. A call that names no wait_seconds is patient: see lasting.
func (s *site) try(name string, args ...string) (string, error) {
	out, err := s.once(name, args...)
	for range 10 {
		m := stillRuns.FindStringSubmatch(out)
		if m == nil || args[0] != "call" || strings.Contains(args[len(args)-1], "wait_seconds") {
			break
		}
		out, err = s.once(name, "call", "wait_run", fmt.Sprintf(`{"id": %q, "wait_seconds": 50}`, m[1]))
	}

	return out, err
}

func (s *site) once(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir, s.env, &syscall.SysProcAttr{Credential: s.as}
	out, err := cmd.CombinedOutput()

	return string(out), err
}

// worker is the process that holds a job, 0 when there is none.
func (s *site) worker(job string) int {
	b, err := os.ReadFile(filepath.Join(s.dir, ".git", "ratchet", "jobs", "shrink."+job))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first)

	return pid
}

// client is a small MCP client on a server's standard streams.
type client struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	next int
}

func (s *site) connect() *client {
	s.t.Helper()
	cmd := exec.Command(s.binary(), "mcp")
	cmd.Dir, cmd.Env = s.dir, s.env

	return s.talk(cmd)
}

// talk starts cmd, which is a server, and connects to it.
func (s *site) talk(cmd *exec.Cmd) *client {
	s.t.Helper()
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.as}

	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}

	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	c := &client{t: s.t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	c.request("initialize", map[string]any{"protocolVersion": "2025-06-18", "capabilities": map[string]any{},
		"clientInfo": map[string]any{"name": "test", "version": "1"}})
	c.send(map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})

	return c
}

func (c *client) send(v any) {
	c.t.Helper()

	b, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}

	if _, err := c.in.Write(append(b, '\n')); err != nil {
		c.t.Fatalf("write to the server: %v", err)
	}
}

// request sends a request and returns its result.
func (c *client) request(method string, params any) json.RawMessage {
	c.t.Helper()
	c.next++
	c.send(map[string]any{"jsonrpc": "2.0", "id": c.next, "method": method, "params": params})

	for {
		line, err := c.out.ReadBytes('\n')
		if err != nil {
			c.t.Fatalf("%s: read from the server: %v", method, err)
		}

		var m struct {
			ID     *int            `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(line, &m); err != nil {
			c.t.Fatalf("%s: stdout carries protocol only, but got %q", method, line)
		}

		if m.ID == nil || *m.ID != c.next {
			continue
		}

		if m.Error != nil {
			c.t.Fatalf("%s: %s", method, m.Error)
		}

		return m.Result
	}
}

// answer is a tool's structured answer.
type answer struct {
	Status     string   `json:"status"`
	ID         string   `json:"id"`
	Experiment int      `json:"experiment"`
	Verdict    string   `json:"verdict"`
	Value      *float64 `json:"value"`

	Gain    *research.Interval `json:"gain"` // positive is better
	Reason  string             `json:"reason"`
	SavedAs string             `json:"saved_as"`
	Commit  string             `json:"commit"`
	Next    string             `json:"next"`
	Error   *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	text string
	size int // of the structured content
}

// call calls a tool. Without a wait of its own it is patient: see lasting.
func (c *client) call(tool string, args map[string]any) answer {
	c.t.Helper()
	return lasting(c.once, tool, args)
}

// lasting calls a tool and, where the call names no wait_seconds, waits on while
// its job runs: on a busy machine one call's time may be too short.
func lasting(once func(tool string, args map[string]any) answer, tool string, args map[string]any) answer {
	a := once(tool, args)
	if _, own := args["wait_seconds"]; own || !slices.Contains([]string{"run_experiment", "wait_run", "measure_metric"},
		tool) {
		return a
	}

	for range 10 {
		if a.Status != "running" {
			break
		}
		a = once("wait_run", map[string]any{"id": a.ID, "wait_seconds": 50})
	}

	return a
}

func (c *client) once(tool string, args map[string]any) answer {
	c.t.Helper()

	if args == nil {
		args = map[string]any{}
	}
	raw := c.request("tools/call", map[string]any{"name": tool, "arguments": args})

	var r struct {
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
		Structured json.RawMessage `json:"structuredContent"`
		IsError    bool            `json:"isError"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		c.t.Fatalf("%s: %v in %s", tool, err, raw)
	}

	var a answer
	if err := json.Unmarshal(r.Structured, &a); err != nil {
		c.t.Fatalf("%s: %v in %s", tool, err, raw)
	}

	if r.IsError != (a.Error != nil) {
		c.t.Fatalf("%s: isError is %t but the answer is %s", tool, r.IsError, r.Structured)
	}
	a.text, a.size = r.Content[0].Text, len(r.Structured)

	return a
}

// calibrated starts the campaign and waits for its calibration.
func (c *client) calibrated() {
	c.t.Helper()

	a := c.call("start_campaign", nil)
	if a.ID != "" {
		c.call("wait_run", map[string]any{"id": a.ID})
	}
}

func (c *client) close() {
	c.in.Close()

	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the server ended with %v", err)
	}
}

// kill kills the server and everything in its process group, as clients do.
func (c *client) kill() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	_ = c.cmd.Wait()
}

// alive are the processes whose command line contains mark.
func alive(mark string) (pids []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, d := range dirs {
		if b, err := os.ReadFile(d); err == nil && strings.Contains(strings.ReplaceAll(string(b), "\x00", " "), mark) {
			pids = append(pids, fmt.Sprintf("%s: %q", filepath.Base(filepath.Dir(d)), b))
		}
	}

	return pids
}
