package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ratchet/internal/testform"
)

// noise is printed by the setup, the build, the check and the run of this
// test's program: what looks like protocol, what is not text, what has no end; on
// both streams, and on its parent's own, where it can be opened.
const noise = `
fake='{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"NOISE"}]}}'
for out in /dev/stdout /dev/stderr "/proc/$PPID/fd/1" /dev/tty; do
  { echo "$fake"; printf '\000\377\033[2J NOISE %s' "$fake"; } > "$out" 2>/dev/null || true
done
`

// stdoutOf starts a server whose standard output is kept, and whose runtime
// prints all that it can.
func (s *site) stdoutOf() (c *client, out, said *bytes.Buffer) {
	s.t.Helper()
	cmd := exec.Command(ratchet, "mcp")
	out, said = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Dir, cmd.Stderr = s.dir, said
	cmd.Env = append(s.env, "GODEBUG=inittrace=1,gctrace=1,schedtrace=200", "GOTRACEBACK=all", "GOGC=5")

	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}

	pipe, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill() })

	return &client{t: s.t, cmd: cmd, in: in, out: bufio.NewReader(io.TeeReader(pipe, out))}, out, said
}

// Standard output carries protocol and nothing else: not a byte of what runs
// print, of what the Go runtime says, of what is logged, of a crash.
func TestStdoutIsProtocol(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write("noise.sh", noise)
	s.write("bench.sh", ". ./noise.sh\necho METRIC size=$(wc -c < work.txt)\n")
	s.write("program.md", strings.Replace(s.read("program.md"), "run: sh bench.sh",
		"run: sh bench.sh\nsetup: sh noise.sh\nbuild: sh noise.sh\ncheck: sh noise.sh", 1))
	s.sh("git", "add", ".")
	s.sh("git", "commit", "-qm", "noise")
	c, out, said := s.stdoutOf()
	c.request("initialize", map[string]any{"protocolVersion": "2025-06-18", "capabilities": map[string]any{},
		"clientInfo": map[string]any{"name": "test", "version": "1"}})
	c.calibrated()
	s.write("work.txt", "short\n")

	if a := c.call("run_experiment", map[string]any{"hypothesis": "shorter"}); a.Verdict != "improved" {
		t.Fatalf("among the noise: %s", a.text)
	}

	if a := c.call("read_log", map[string]any{"view": "output"}); !strings.Contains(a.text, "NOISE") {
		t.Errorf("the run printed no noise: %s", a.text)
	}

	if _, err := io.WriteString(c.in,
		"no protocol\n\x00\xff\n{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}\n"); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(filepath.Join(s.dir, ".git", "ratchet", "ledger.db"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}

	if a := c.call("keep", nil); a.Error == nil {
		t.Errorf("keep on a broken ledger: %s", a.text)
	}

	_ = c.cmd.Process.Signal(syscall.SIGQUIT) // every goroutine's trace
	if _, err := io.Copy(io.Discard, c.out); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()

	for _, what := range []string{"init ratchet", "gc 1 @", "SCHED ", "SIGQUIT: quit", "goroutine 1 "} {
		if !strings.Contains(said.String(), what) {
			t.Errorf("standard error lacks %q: nothing was tried", what)
		}
	}

	if rest := onlyProtocol(t, out.Bytes()); rest != "" {
		t.Errorf("a message is unfinished: %q", rest)
	}
}

// onlyProtocol fails unless every line is one JSON-RPC message. It returns what
// comes after the last line's end.
func onlyProtocol(t *testing.T, out []byte) string {
	t.Helper()

	lines := bytes.SplitAfter(out, []byte("\n"))
	for _, line := range lines[:len(lines)-1] {
		var m struct{ JSONRPC string }
		if json.Unmarshal(line, &m) != nil || m.JSONRPC != "2.0" || bytes.HasPrefix(line, []byte(" ")) {
			t.Errorf("standard output carries %q", line)
		}
	}

	return string(lines[len(lines)-1])
}

// A server that dies while it answers may leave a message unfinished, since
// nobody can write 25 kB at once, but adds nothing to it.
func TestStdoutOfACrash(t *testing.T) {
	testform.SkipQuick(t, "TestStdoutIsProtocol")
	t.Parallel()

	s := newSite(t)
	for _, sig := range []syscall.Signal{syscall.SIGABRT, syscall.SIGQUIT, syscall.SIGSEGV, syscall.SIGKILL} {
		c, out, _ := s.stdoutOf()
		c.request("initialize", map[string]any{"protocolVersion": "2025-06-18", "capabilities": map[string]any{},
			"clientInfo": map[string]any{"name": "test", "version": "1"}})

		for range 20 {
			c.next++
			c.send(map[string]any{"jsonrpc": "2.0", "id": c.next, "method": "tools/list", "params": map[string]any{}})
		}

		if _, err := c.out.ReadBytes('\n'); err != nil {
			t.Fatal(err)
		}
		_ = c.cmd.Process.Signal(sig)
		_, _ = io.Copy(io.Discard, c.out)
		_ = c.cmd.Wait()

		rest := onlyProtocol(t, out.Bytes())
		if start := `{"jsonrpc":"2.0","id":`; !strings.HasPrefix(rest, start[:min(len(start), len(rest))]) ||
			strings.Contains(rest, "goroutine") {
			t.Errorf("after %s standard output ends with %q", sig, rest)
		}
	}
}
