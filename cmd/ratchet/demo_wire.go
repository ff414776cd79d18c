package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// wire is a client of the Model Context Protocol over standard input and
// output: one JSON value a line. It is written against the specification and
// shares no code with the server, whose second reader it is. One call at a
// time; notifications are skipped.
type wire struct {
	in   io.WriteCloser
	out  *bufio.Reader
	last int
	cmd  *exec.Cmd // nil when the other end is no process of ours
}

type wireMessage struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *wireError      `json:"error,omitempty"`
}

type wireError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// toolAnswer is the result of tools/call.
type toolAnswer struct {
	IsError    bool            `json:"isError"`
	Structured json.RawMessage `json:"structuredContent"`
	Content    []struct {
		Text string `json:"text"`
	} `json:"content"`
}

// startWire starts a server and makes the handshake.
func startWire(cmd *exec.Cmd) (*wire, error) {
	w, err := openWire(cmd)
	if err != nil {
		return nil, err
	}

	return w, w.initialize()
}

// openWire starts a server, whose input and output become the wire's.
func openWire(cmd *exec.Cmd) (*wire, error) {
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

	return &wire{in: in, out: bufio.NewReader(out), cmd: cmd}, nil
}

// initialize is the handshake.
func (w *wire) initialize() error {
	err := w.call("initialize", map[string]any{
		"protocolVersion": "2025-06-18", "capabilities": map[string]any{},
		"clientInfo": map[string]string{"name": "ratchet demo", "version": "1"},
	}, nil)
	if err != nil {
		return err
	}

	return w.send(wireMessage{Method: "notifications/initialized"})
}

// tool calls a tool. A refusal is an answer with IsError, not an error.
func (w *wire) tool(name string, args map[string]any) (toolAnswer, error) {
	var a toolAnswer

	err := w.call("tools/call", map[string]any{"name": name, "arguments": args}, &a)
	if err == nil && (len(a.Content) == 0 || a.Content[0].Text == "" || len(a.Structured) == 0) {
		err = fmt.Errorf("call %s: the answer lacks its text or its structured content", name)
	}

	return a, err
}

// call sends a request and reads until its response; result may be nil.
func (w *wire) call(method string, params, result any) error {
	w.last++

	id := json.RawMessage(fmt.Sprint(w.last))
	if err := w.send(wireMessage{ID: id, Method: method, Params: params}); err != nil {
		return err
	}

	for {
		m, err := w.receive()
		switch {
		case err != nil:
			return fmt.Errorf("call %s: %w", method, err)
		case m.Method != "" && len(m.ID) > 0: // a request of the server: none of them is supported
			err := w.send(wireMessage{ID: m.ID, Error: &wireError{Code: -32601, Message: "not supported"}})
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

func (w *wire) send(m wireMessage) error {
	m.Version = "2.0"

	line, err := json.Marshal(m)
	if err != nil {
		return err
	}

	if _, err := w.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write to the server: %w", err)
	}

	return nil
}

func (w *wire) receive() (wireMessage, error) {
	var m wireMessage

	line, err := w.out.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return m, errors.New("the server has gone away")
	}

	if err != nil {
		return m, err
	}

	if err := json.Unmarshal(line, &m); err != nil || m.Version != "2.0" {
		return m, fmt.Errorf("the server wrote something that is no message: %.80q", line)
	}

	return m, nil
}

// close ends the session as a client does, by closing the server's input, and
// waits for its end.
func (w *wire) close() error {
	err := w.in.Close()
	if w.cmd == nil {
		return err
	}

	return errors.Join(err, w.cmd.Wait())
}

// kill ends the server as a crash does.
func (w *wire) kill() error {
	if err := w.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	w.in.Close()
	_ = w.cmd.Wait() // says that it was killed

	return nil
}
