package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"ratchet/internal/clients"
	"ratchet/internal/research"
)

// answerWithin is how long a client's entry may take to answer, on a busy machine too.
const answerWithin = 30 * time.Second

// checkedClient is one configuration file that may name Ratchet.
type checkedClient struct {
	Client    string        `json:"client"`
	Scope     clients.Scope `json:"scope"`
	File      string        `json:"file"`
	Found     bool          `json:"found"` // the client itself, on this machine
	Installed bool          `json:"installed"`
	Disabled  bool          `json:"disabled,omitempty"` // switched off in the client
	Runs      string        `json:"runs,omitempty"`     // the command, or the URL
	Version   string        `json:"version,omitempty"`  // that answered
	Tools     int           `json:"tools,omitempty"`    // that it has
	Loop      []checkedLoop `json:"loop,omitempty"`     // what keeps its agent going
	Problem   string        `json:"problem,omitempty"`
}

// broken says whether something is wrong that a person should mend.
func (k checkedClient) broken() bool {
	return k.Problem != "" || slices.ContainsFunc(k.Loop, func(l checkedLoop) bool { return l.Problem != "" })
}

// doctorClients lists where Ratchet is installed, and whether it answers there.
func (a *app) doctorClients(ctx context.Context) error {
	m, err := thisMachine()
	if err != nil {
		return err
	}
	top := repositoryTop(a.Dir)
	var out []checkedClient

	for _, c := range clients.Table() {
		for _, scope := range c.Scopes() {
			if scope == clients.Project && top == "" {
				continue
			}

			k, err := a.checkClient(ctx, c, m, scope, top)
			if err != nil {
				return err
			}

			out = append(out, k)
		}
	}

	err = a.emit(out, func(w io.Writer) { printCheckedClients(w, out, a.Version) })
	if err == nil && slices.ContainsFunc(out, checkedClient.broken) {
		err = silent(exitFailed)
	}

	return err
}

func (a *app) checkClient(
	ctx context.Context, c clients.Client, m clients.Machine, scope clients.Scope, top string,
) (checkedClient, error) {
	k := checkedClient{Client: c.ID, Scope: scope, Found: c.Found(m, exec.LookPath) != ""}

	var err error
	if k.File, err = c.File(m, scope, top); err != nil {
		return k, err
	}

	e, ok, err := c.Read(k.File)
	if err == nil { // one file that can't be read is told once
		k.Loop = checkLoop(c, m, scope, top, exec.LookPath)
	}

	if err != nil {
		k.Problem = research.Describe(err).Msg
		return k, nil
	}

	if k.Installed = ok; !ok {
		return k, nil
	}

	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()

	k.Disabled, k.Runs = e.Disabled, e.URL
	if e.URL != "" {
		k.Version, k.Tools, err = askURL(ctx, e.URL, e.Token(os.Getenv))
	} else {
		k.Runs = strings.Join(append([]string{e.Command}, e.Args...), " ")
		k.Version, k.Tools, err = askCommand(ctx, e, top)
	}

	if err != nil {
		k.Problem = err.Error()
	}

	return k, nil
}

func printCheckedClients(w io.Writer, all []checkedClient, own string) {
	for _, k := range all {
		if !k.Installed && k.Problem == "" && len(k.Loop) == 0 && (!k.Found || k.Scope == clients.Project) {
			continue
		}

		state := "not installed"
		if k.Installed {
			state = fmt.Sprintf("answers: version %s, %d tools", k.Version, k.Tools)
			if k.Version != own {
				state += ", while this is " + own
			}
		}

		if k.Problem != "" {
			state = "PROBLEM: " + k.Problem
		}

		if k.Disabled {
			state += "; switched off in the client"
		}
		fmt.Fprintf(w, "%-12s %-8s %s\n             %s\n", k.Client, k.Scope, k.File, state)

		if k.Runs != "" {
			fmt.Fprintf(w, "             %s\n", k.Runs)
		}
		printCheckedLoop(w, k.Loop, own)
	}
	fmt.Fprintln(w,
		"files without Ratchet are left out for clients that are not on this machine, and for projects; `ratchet install` lists all clients")
}

// hello is what a server says of itself.
type hello struct {
	Server struct {
		Version string `json:"version"`
	} `json:"serverInfo"`
}

// toolList is a server's answer to tools/list.
type toolList struct {
	Tools []struct{} `json:"tools"`
}

func initializeParams() map[string]any {
	return map[string]any{"protocolVersion": "2025-06-18", "capabilities": map[string]any{},
		"clientInfo": map[string]string{"name": "ratchet doctor", "version": "1"}}
}

// askCommand starts the entry's command as the client would, with the
// repository open, and asks for its tools.
func askCommand(ctx context.Context, e clients.Entry, top string) (version string, tools int, err error) {
	if e.Command == "" {
		return "", 0, errors.New("the entry has neither a command nor a URL")
	}

	at, err := exec.LookPath(e.Command)
	if err != nil {
		return "", 0, fmt.Errorf("the command can't be run: %w", err)
	}

	here := top
	if here == "" {
		if here, err = os.Getwd(); err != nil {
			return "", 0, fmt.Errorf("find the current folder: %w", err)
		}
	}

	var args []string
	for _, arg := range e.Args {
		args = append(args, strings.ReplaceAll(arg, "${workspaceFolder}", here))
	}
	cmd := exec.CommandContext(ctx, at, args...)

	cmd.Dir, cmd.Env, cmd.WaitDelay = here, os.Environ(), time.Second
	for k, v := range e.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}

	w, err := openWire(cmd)
	if err != nil {
		return "", 0, err
	}
	var h hello
	var l toolList

	err = w.call("initialize", initializeParams(), &h)
	if err == nil {
		err = w.send(wireMessage{Method: "notifications/initialized"})
	}

	if err == nil {
		err = w.call("tools/list", map[string]any{}, &l)
	}
	_ = w.close() // it has answered, or it was killed at the deadline

	if ctx.Err() != nil {
		err = fmt.Errorf("no answer within %s", answerWithin)
	}

	if err != nil {
		return "", 0, fmt.Errorf("the command does not answer as an MCP server: %w", err)
	}

	return h.Server.Version, len(l.Tools), nil
}

// askURL asks a server over HTTP.
func askURL(ctx context.Context, at, token string) (version string, tools int, err error) {
	var h hello
	var l toolList

	if err := post(ctx, at, token, "initialize", initializeParams(), &h); err != nil {
		return "", 0, err
	}
	err = post(ctx, at, token, "tools/list", map[string]any{}, &l)

	return h.Server.Version, len(l.Tools), err
}

func post(ctx context.Context, at, token, method string, params, result any) error {
	body, err := json.Marshal(wireMessage{Version: "2.0", ID: json.RawMessage("1"), Method: method, Params: params})
	if err != nil {
		return err
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the URL can't be used: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")

	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}

	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("nothing answers there, is `ratchet serve` running? %w", err)
	}
	defer resp.Body.Close()

	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case resp.StatusCode == http.StatusUnauthorized && token == "":
		return fmt.Errorf("the server wants a token, and %s is not set here", clients.TokenVariable)
	case resp.StatusCode == http.StatusUnauthorized:
		return errors.New("the server does not know the token")
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the server answers %s", resp.Status)
	}

	for line := range bytes.Lines(text) { // a stream's event, or the answer itself
		line = bytes.TrimPrefix(bytes.TrimSpace(line), []byte("data: "))

		var m wireMessage
		if json.Unmarshal(line, &m) == nil && len(m.Result) > 0 {
			return json.Unmarshal(m.Result, result)
		}
	}

	return fmt.Errorf("what answers there is no MCP server: %.80q", text)
}
