package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/testform"
)

// The bounds of design section 4, in bytes of the text and of the structured
// content alike.
const (
	answerLimit = 2048
	cycleLimit  = 1200
)

// wireAnswer is a tool's answer as it came over the wire.
type wireAnswer struct {
	answer
	structured string
	took       time.Duration
}

// check fails when an answer breaks the rules for all answers.
func (a wireAnswer) check(t *testing.T, what string) {
	t.Helper()

	if len(a.text) > answerLimit || len(a.structured) > answerLimit {
		t.Errorf("%s: %d bytes of text and %d of structured content, at most %d of each are allowed", what, len(a.text),
			len(a.structured), answerLimit)
	}

	next := a.Next
	if a.Error != nil {
		var e struct{ Error struct{ Next string } }
		_ = json.Unmarshal([]byte(a.structured), &e)
		next = e.Error.Next
	}

	if next == "" || !strings.Contains(a.text, "next: "+next) {
		t.Errorf("%s: the next step %q is missing, or not in the text:\n%s", what, next, a.text)
	}

	if a.Verdict != "" && !strings.Contains(a.text, a.Verdict) || a.Reason != "" && !strings.Contains(a.text,
		a.Reason) {
		t.Errorf("%s: the text lacks what the structured content says:\n%s\n%s", what, a.text, a.structured)
	}
}

// wire speaks MCP and checks every line.
type wire struct {
	t      *testing.T
	in     io.WriteCloser
	lines  chan []byte
	next   int
	notes  []json.RawMessage // notifications so far
	orphan map[int]json.RawMessage
}

// dial starts a server in the site. Everything that it prints is a JSON-RPC message.
func dial(t *testing.T, s *site) *wire {
	t.Helper()
	cmd := exec.Command(ratchet, "mcp")
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = s.dir, s.env, &stderr

	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}

	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	w := &wire{t: t, in: in, lines: make(chan []byte, 1000), orphan: map[int]json.RawMessage{}}
	go func() {
		defer close(w.lines)

		for rest, buf := []byte{}, make([]byte, 64<<10); ; {
			n, err := out.Read(buf)

			rest = append(rest, buf[:n]...)
			for i := bytes.IndexByte(rest, '\n'); i >= 0; i = bytes.IndexByte(rest, '\n') {
				w.lines <- bytes.Clone(rest[:i])
				rest = rest[i+1:]
			}

			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		in.Close()

		for range w.lines {
		}

		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("the server ended with %v and said %q", err, stderr.String())
		}
	})
	w.await(w.send("initialize", map[string]any{"protocolVersion": "2025-06-18", "capabilities": map[string]any{},
		"clientInfo": map[string]any{"name": "wire", "version": "1"}}))
	w.notify("notifications/initialized", map[string]any{})

	return w
}

func (w *wire) put(v any) {
	w.t.Helper()

	b, err := json.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}

	if _, err := w.in.Write(append(b, '\n')); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) notify(method string, params any) {
	w.put(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

func (w *wire) send(method string, params any) int {
	w.next++
	w.put(map[string]any{"jsonrpc": "2.0", "id": w.next, "method": method, "params": params})

	return w.next
}

// await is the result of request id; answers of others are put aside.
func (w *wire) await(id int) json.RawMessage {
	w.t.Helper()

	for {
		if r, ok := w.orphan[id]; ok {
			delete(w.orphan, id)
			return r
		}
		w.read(fmt.Sprintf("answer to request %d", id))
	}
}

// read takes the server's next message, which is an answer or a notification.
func (w *wire) read(what string) {
	w.t.Helper()

	var line []byte
	select {
	case line = <-w.lines:
	case <-time.After(patience):
		w.t.Fatalf("no %s within %v", what, patience)
	}

	var m struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      *int            `json:"id"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params"`
		Result  json.RawMessage `json:"result"`
		Error   json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(line, &m); err != nil || m.JSONRPC != "2.0" {
		w.t.Fatalf("standard output carries JSON-RPC only, but got %q", line)
	}

	switch {
	case m.ID == nil:
		w.notes = append(w.notes, line)
	case m.Error != nil:
		w.orphan[*m.ID] = m.Error
	default:
		w.orphan[*m.ID] = m.Result
	}
}

// call calls a tool. A run that a busy machine makes longer than one call waits
// is waited for.
func (w *wire) call(tool string, args map[string]any) wireAnswer {
	w.t.Helper()
	begin := time.Now()
	a := w.answer(tool, w.await(w.send("tools/call", map[string]any{"name": tool, "arguments": args})))

	a.took = time.Since(begin)
	if _, own := args["wait_seconds"]; !own && a.Status == "running" &&
		(tool == "run_experiment" || tool == "wait_run") {
		return w.call("wait_run", map[string]any{"id": a.ID})
	}

	return a
}

func (w *wire) answer(tool string, raw json.RawMessage) wireAnswer {
	w.t.Helper()

	var r struct {
		Content []struct {
			Type, Text string
		}
		StructuredContent json.RawMessage
		IsError           bool
	}
	if err := json.Unmarshal(raw, &r); err != nil || len(r.Content) == 0 || r.Content[0].Type != "text" {
		w.t.Fatalf("%s: no text in %s", tool, raw)
	}

	a := wireAnswer{structured: string(r.StructuredContent)}
	if err := json.Unmarshal(r.StructuredContent, &a.answer); err != nil {
		w.t.Fatalf("%s: no structured content in %s", tool, raw)
	}

	if r.IsError != (a.Error != nil) {
		w.t.Errorf("%s: isError is %t in %s", tool, r.IsError, raw)
	}
	a.text = r.Content[0].Text
	a.check(w.t, tool)

	return a
}

// A campaign of ten experiments as an agent sees it: bounded answers, each
// complete in both forms, each with the next step.
func TestWireCampaign(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := dial(t, s)
	a := w.call("start_campaign", nil)
	w.call("wait_run", map[string]any{"id": a.ID})
	long := strings.Repeat("because it is so, and for many more reasons; ", 40)
	kept := 0

	texts := []string{
		"the quick brown fox jumps over the lazy dog\nand then some more\n", "crash\n",
		"the quick brown fox jumps over the lazy dog\n", strings.Repeat("long ", 50), "cheat\n",
		"the quick brown fox\n", "fox\n"}
	if !testing.Short() {
		texts = slices.Insert(texts, 2, "silent\n", "nan\n", "plant\n")
	}

	for i, text := range texts {
		s.write("work.txt", text)

		run := w.call("run_experiment", map[string]any{"hypothesis": fmt.Sprintf("%d %s", i, long),
			"expect": "it gets shorter"})
		if run.Status != "done" || run.Experiment != i+1 {
			t.Fatalf("experiment %d: %s", i+1, run.text)
		}

		var end wireAnswer
		if run.Verdict == "improved" {
			end = w.call("keep", map[string]any{"note": long})
			kept++
		} else {
			end = w.call("revert", map[string]any{"lesson": long})
		}

		for form, n := range map[string]int{"text": len(run.text) + len(end.text),
			"structured": len(run.structured) + len(end.structured)} {
			if n > cycleLimit {
				t.Errorf("experiment %d: the %s answers of the cycle are %d bytes, at most %d are allowed:\n%s\n%s",
					i+1, form, n, cycleLimit, run.text, end.text)
			}
		}
	}

	if kept != 4 {
		t.Errorf("%d of the edits were kept, want 4", kept)
	}
	w.call("share", map[string]any{"ops": []any{map[string]any{"op": "add", "idea": long},
		map[string]any{"op": "lesson", "lesson": long}}})

	for _, view := range []string{"", "brief", "table", "ideas", "sessions", "program", "guide", "output"} {
		w.call("read_log", map[string]any{"view": view})
	}

	for n := range texts {
		w.call("read_log", map[string]any{"view": "experiment", "query": n + 1})
	}
	w.call("plot", map[string]any{"kind": "progress"})
	pairs := 20
	if testing.Short() {
		pairs = 5
	}

	w.call("measure_metric", map[string]any{"target": "incumbent", "paired_with": "start", "runs": pairs})
	w.call("stop_run", nil)

	if again := w.call("keep", nil); again.Error != nil || again.Experiment != len(texts) {
		t.Errorf("keep a second time does not answer as the first: %s", again.text)
	}

	for tool, args := range map[string]map[string]any{
		"keep": {"id": "x1"}, "run_experiment": {"hypothesis": "nothing changed"}, "revert": {"lessons": "x"},
		"wait_run": {"id": "x99"}, "read_log": {"view": "nonsense"}} {
		if a := w.call(tool, args); a.Error == nil {
			t.Errorf("%s with %v is not refused: %s", tool, args, a.text)
		}
	}
}

// wait_seconds bounds a call. A cancelled wait stops nothing, and another call
// is answered meanwhile. The run ends when this test says so.
func TestWireWaits(t *testing.T) {
	testform.SkipQuick(t, "server: TestWaitsDontBlockOtherCalls")
	t.Parallel()
	s := newSite(t)
	g := s.gated()
	w := dial(t, s)
	w.call("wait_run", map[string]any{"id": w.call("start_campaign", nil).ID})
	s.write("work.txt", "slow, but short\n")

	if a := w.call("run_experiment", map[string]any{"hypothesis": "slow", "wait_seconds": 0}); a.Status != "running" {
		t.Errorf("wait_seconds 0: %s", a.text)
	}

	const byDefault = 45 * time.Second
	if a := w.call("wait_run", map[string]any{"wait_seconds": 1}); a.Status != "running" ||
		a.took < 900*time.Millisecond || a.took >= byDefault {
		t.Errorf("wait_seconds 1 took %s: %s", a.took, a.text)
	}

	id := w.send("tools/call", map[string]any{"name": "wait_run", "arguments": map[string]any{}})
	if a := w.call("read_log", nil); a.Error != nil {
		t.Errorf("a call beside a waiting one: %s", a.text)
	}

	if _, over := w.orphan[id]; over {
		t.Error("a call beside a waiting one was answered after it")
	}
	w.notify("notifications/cancelled", map[string]any{"requestId": id, "reason": "the user pressed escape"})
	g.open()

	if a := w.call("wait_run", nil); a.Status != "done" || a.Verdict != "improved" {
		t.Errorf("after a cancelled wait: %s", a.text)
	}

	if a := w.call("keep", nil); a.Error != nil {
		t.Errorf("keep: %s", a.text)
	}
}

// A client that asks for progress hears of a run while it waits, more than once.
func TestWireProgress(t *testing.T) {
	testform.SkipQuick(t, "server: TestProgressFromTheFirstSecond")
	t.Parallel()
	s := newSite(t)
	g := s.gated()
	w := dial(t, s)
	w.call("wait_run", map[string]any{"id": w.call("start_campaign", nil).ID})
	s.write("work.txt", "slow\n")

	id := w.send("tools/call", map[string]any{"name": "run_experiment",
		"arguments": map[string]any{"hypothesis": "it lasts"}, "_meta": map[string]any{"progressToken": "token-7"}})
	for beats, last := 0, -1.0; beats < 2; {
		was := len(w.notes)
		if w.read("progress"); len(w.notes) == was {
			t.Fatalf("the call was answered after %d notifications of progress, want 2", beats)
		}

		var n struct {
			Method string
			Params struct {
				ProgressToken string
				Progress      float64
				Message       string
			}
		}
		if err := json.Unmarshal(w.notes[was], &n); err != nil || n.Method != "notifications/progress" {
			continue
		}

		beats++

		if n.Params.ProgressToken != "token-7" || n.Params.Progress <= last || n.Params.Message == "" {
			t.Errorf("a progress notification with another token, without a message or that goes back: %s",
				w.notes[was])
		}
		last = n.Params.Progress
	}
	g.open()

	a := w.answer("run_experiment", w.await(id))
	if a.Status == "running" { // the call's time was up
		a = w.call("wait_run", nil)
	}

	if a.Verdict != "improved" {
		t.Error(a.text)
	}
}
