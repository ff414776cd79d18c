package mcpclient

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// Client is a session over the standard input and output of a server: one JSON
// value a line. One call at a time; notifications are skipped.
type Client struct {
	in   io.WriteCloser
	out  *bufio.Reader
	last int
	cmd  *exec.Cmd // nil when the other end is not a process of ours
}

type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *protocolError  `json:"error,omitempty"`
}

type protocolError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// ToolAnswer is the result of tools/call.
type ToolAnswer struct {
	IsError    bool            `json:"isError"`
	Structured json.RawMessage `json:"structuredContent"`
	Content    []struct {
		Text string `json:"text"`
	} `json:"content"`
}

// Open starts a server, whose input and output become the client's.
func Open(cmd *exec.Cmd) (*Client, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}

	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}

	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}

	return &Client{in: in, out: bufio.NewReader(out), cmd: cmd}, nil
}

// Initialize makes the handshake under the client's name, and returns the
// server's version.
func (c *Client) Initialize(name string) (version string, err error) {
	var hello serverHello
	if err := c.callMethod("initialize", handshake(name), &hello); err != nil {
		return "", err
	}

	return hello.Server.Version, c.sendMessage(message{Method: "notifications/initialized"})
}

// CountTools asks for the server's tools, and returns how many there are.
func (c *Client) CountTools() (int, error) {
	var list toolList
	err := c.callMethod("tools/list", map[string]any{}, &list)

	return len(list.Tools), err
}

// CallTool calls a tool. A refusal is an answer with IsError, not an error.
func (c *Client) CallTool(name string, args map[string]any) (ToolAnswer, error) {
	var a ToolAnswer

	err := c.callMethod("tools/call", map[string]any{"name": name, "arguments": args}, &a)
	if err == nil && (len(a.Content) == 0 || a.Content[0].Text == "" || len(a.Structured) == 0) {
		err = fmt.Errorf("call %s: the answer lacks its text or its structured content", name)
	}

	return a, err
}

// callMethod sends a request and reads until its response; result may be nil.
func (c *Client) callMethod(method string, params, result any) error {
	c.last++

	id := json.RawMessage(fmt.Sprint(c.last))
	if err := c.sendMessage(message{ID: id, Method: method, Params: params}); err != nil {
		return err
	}

	for {
		m, err := c.receive()
		switch {
		case err != nil:
			return fmt.Errorf("call %s: %w", method, err)
		case m.Method != "" && len(m.ID) > 0: // a request of the server: none of them is supported
			err := c.sendMessage(message{ID: m.ID, Error: &protocolError{Code: -32601, Message: "not supported"}})
			if err != nil {
				return err
			}
		case string(m.ID) != string(id): // a notification
		case m.Error != nil:
			return fmt.Errorf("call %s: protocol error %d: %s", method, m.Error.Code, m.Error.Message)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(m.Result, result)
		}
	}
}

func (c *Client) sendMessage(m message) error {
	m.Version = "2.0"

	line, err := json.Marshal(m)
	if err != nil {
		return err
	}

	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write to the server: %w", err)
	}

	return nil
}

func (c *Client) receive() (message, error) {
	var m message

	line, err := c.out.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return m, errors.New("the server has gone away")
	}

	if err != nil {
		return m, err
	}

	if err := json.Unmarshal(line, &m); err != nil || m.Version != "2.0" {
		return m, fmt.Errorf("the server wrote something that is not a message: %.80q", line)
	}

	return m, nil
}

// Close ends the session as a client does, by closing the server's input, and
// waits for its end.
func (c *Client) Close() error {
	err := c.in.Close()
	if c.cmd == nil {
		return err
	}

	return errors.Join(err, c.cmd.Wait())
}

// Kill ends the server as a crash does.
func (c *Client) Kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	c.in.Close()
	_ = c.cmd.Wait() // says that it was killed

	return nil
}
