package mcpclient_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ratchet/internal/checkout"
	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/mcpclient"
	"ratchet/internal/research"
	"ratchet/server"
	"ratchet/tools"
)

// The test's binary is a server itself where one of these is set: Ratchet's, or one
// that answers the requests it reads with the lines of a script.
const (
	realServer     = "MCPCLIENT_TEST_SERVER"
	scriptedServer = "MCPCLIENT_TEST_SCRIPT"
)

func TestMain(m *testing.M) {
	switch script := os.Getenv(scriptedServer); {
	case os.Getenv(realServer) != "":
		serve()
	case script != "":
		answer(script)
	default:
		checkouttest.Main(m)
	}
}

// serve is Ratchet's server on the standard streams, in no repository.
func serve() {
	s := server.New(server.Options{Version: "1.2.3",
		Open: func(context.Context, string, string) (*checkout.Checkout, error) {
			return nil, research.Errorf(research.CodeRepository, "git init", "there is no repository")
		}})
	if err := s.ServeStdio(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// answer writes a part of the script after each line that it reads, and ends where
// no part is left. What the client said goes to stderr.
func answer(script string) {
	in := bufio.NewReader(os.Stdin)

	for part := range strings.SplitSeq(script, "\n--\n") {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}

		fmt.Fprint(os.Stderr, line)
		fmt.Println(part)
	}
}

// open starts this test's binary as the server that the variable and its value name.
func open(t *testing.T, variable, value string, stderr io.Writer) *mcpclient.Client {
	t.Helper()

	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), variable+"="+value)
	cmd.Stderr = stderr

	client, err := mcpclient.Open(cmd)
	if err != nil {
		t.Fatal(err)
	}

	return client
}

func TestSessionWithTheRealServer(t *testing.T) {
	client := open(t, realServer, "1", os.Stderr)

	version, err := client.Initialize("test")
	if err != nil || version != "1.2.3" {
		t.Fatalf("%v: the server's version is %q", err, version)
	}

	if n, err := client.CountTools(); err != nil || n != len(tools.All()) {
		t.Errorf("%v: %d tools, want %d", err, n, len(tools.All()))
	}

	a, err := client.CallTool("read_log", map[string]any{})
	if err != nil || !a.IsError || !strings.Contains(a.Content[0].Text, "there is no repository") ||
		!strings.Contains(string(a.Structured), `"code":"repository"`) {
		t.Errorf("%v: a refusal comes as %+v %s", err, a, a.Structured)
	}

	if _, err := client.CallTool("no_such_tool", map[string]any{}); err == nil ||
		!strings.HasPrefix(err.Error(), "call tools/call: protocol error -32") {
		t.Errorf("an unknown tool: %v", err)
	}

	if err := client.Close(); err != nil {
		t.Errorf("the server does not end well: %v", err)
	}

	if _, err := client.CountTools(); err == nil {
		t.Error("a closed session answers")
	}
}

func TestKill(t *testing.T) {
	client := open(t, realServer, "1", os.Stderr)
	if _, err := client.Initialize("test"); err != nil {
		t.Fatal(err)
	}

	if err := client.Kill(); err != nil {
		t.Fatal(err)
	}

	if _, err := client.CountTools(); err == nil {
		t.Error("a killed server answers")
	}
}

func TestOpenNothing(t *testing.T) {
	if _, err := mcpclient.Open(exec.Command("/no/such/server")); err == nil ||
		!strings.HasPrefix(err.Error(), "start the server: ") {
		t.Errorf("%v", err)
	}
}

// TestCallPassesOverWhatIsNoAnswer: notifications are skipped, and the server's own
// requests refused, before the answer comes.
func TestCallPassesOverWhatIsNoAnswer(t *testing.T) {
	var said strings.Builder

	client := open(t, scriptedServer, `{"jsonrpc":"2.0","method":"notifications/message","params":{}}
{"jsonrpc":"2.0","id":1,"method":"roots/list"}
--
{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}
{"jsonrpc":"2.0","id":1,"result":{"tools":[{},{}]}}`, &said)
	if n, err := client.CountTools(); err != nil || n != 2 {
		t.Errorf("%v: %d tools", err, n)
	}

	if err := client.Close(); err != nil {
		t.Error(err)
	}

	if want := `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"not supported"}}` + "\n"; !strings.HasSuffix(
		said.String(), want) {
		t.Errorf("the client said\n%s\nwant at the end\n%s", said.String(), want)
	}
}

func TestWrongAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"too busy"}}`: "protocol error -32000: too busy",
		`Listening on port 80`:                                                      "wrote something that is not a message: \"Listening on port 80",
		`{"jsonrpc":"1.0","id":1,"result":{}}`:                                      "wrote something that is not a message",
		`{"jsonrpc":"2.0","id":2,"result":{}}`:                                      "the server has gone away",
		`{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`:                          "lacks its text or its structured content",
		`{"jsonrpc":"2.0","id":1,"result":{"content":[{}],"structuredContent":{}}}`: "lacks its text",
		`{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"ok"}]}}`:             "lacks its text or its structured",
	} {
		client := open(t, scriptedServer, answer, io.Discard)
		if _, err := client.CallTool("keep", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", answer, err, want)
		}

		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

// httpServer is the address of Ratchet's server over HTTP, a checkout that it
// serves, and a token for it.
func httpServer(t *testing.T) (address, folder, token string) {
	t.Helper()

	folder = checkouttest.New(t, checkouttest.Program).Repo.Root()
	tokens := server.OpenTokens("")
	token, err := tokens.Add("test", server.RoleAgent)
	if err != nil {
		t.Fatal(err)
	}

	h, err := server.NewHTTP(server.HTTPOptions{Version: "1.2.3", Tokens: tokens, Roots: []string{folder}})
	if err != nil {
		t.Fatal(err)
	}

	s := httptest.NewServer(h)
	t.Cleanup(s.Close)

	return s.URL, folder, token
}

func TestProbeOfTheRealServer(t *testing.T) {
	address, folder, token := httpServer(t)
	endpoint := address + "/mcp?repo=" + url.QueryEscape(folder)

	version, n, err := mcpclient.ProbeHTTP(t.Context(), endpoint, token, "test")
	if err != nil || version != "1.2.3" || n != len(tools.All()) {
		t.Errorf("%v: version %q, %d tools", err, version, n)
	}

	for _, wrong := range []string{"", token + "x"} {
		if _, _, err := mcpclient.ProbeHTTP(t.Context(), endpoint, wrong, "test"); !errors.Is(err,
			mcpclient.ErrUnauthorized) {
			t.Errorf("with the token %q: %v", wrong, err)
		}
	}

	if _, _, err := mcpclient.ProbeHTTP(t.Context(), address+"/nowhere", token,
		"test"); err == nil || !strings.Contains(err.Error(), "the server answers 404") {
		t.Errorf("of a wrong path: %v", err)
	}
}

func TestProbeOfOthers(t *testing.T) {
	for body, want := range map[string]string{
		"event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n" +
			"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"serverInfo\":{\"version\":\"9\"},\"tools\":[{}]}}\n\n": "",
		"<html>It works!</html>":                      `what answers there is no MCP server: "<html>It works!`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":1}}`: "what answers there is no MCP server",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != "" {
				t.Errorf("an empty token is sent as %q", got)
			}
			io.WriteString(w, body)
		}))

		version, n, err := mcpclient.ProbeHTTP(t.Context(), s.URL, "", "test")
		if want == "" && (err != nil || version != "9" || n != 1) {
			t.Errorf("a stream of events: %v: version %q, %d tools", err, version, n)
		} else if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
		s.Close()

		if _, _, err := mcpclient.ProbeHTTP(t.Context(), s.URL, "", "test"); err == nil ||
			!strings.Contains(err.Error(), "is `ratchet serve` running?") {
			t.Errorf("where nothing listens: %v", err)
		}
	}

	if _, _, err := mcpclient.ProbeHTTP(t.Context(), "http://a b", "", "test"); err == nil ||
		!strings.Contains(err.Error(), "the URL can't be used") {
		t.Errorf("of no URL: %v", err)
	}
}
