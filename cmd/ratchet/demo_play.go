package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/examples"
)

// demo is one play of an example's script.
type demo struct {
	view    *demoView
	self    string // the binary
	top     string // temporary folder
	dir     string // the repository in it
	example *examples.Example
	began   time.Time
	log     *os.File // the servers' stderr
	server  *wire
	wrong   []string // what was not as it must be
	judged  int      // experiments
	refused int      // proposals that cost nothing
	gains   int      // real gains that were proven
	missed  int      // real gains that noise hid
}

// provenGains is how many of a script's real gains must be proven: a busy
// machine may hide some of them, and no rule that refuses noise can help that.
const provenGains = 2

// outcome is what the demo reads of a tool's structured answer.
type outcome struct {
	Status   string   `json:"status"`
	ID       string   `json:"id"`
	Number   int      `json:"experiment"`
	Verdict  string   `json:"verdict"`
	Value    *float64 `json:"value"`
	Unit     string   `json:"unit"`
	Finding  string   `json:"finding"`
	Reason   string   `json:"reason"`
	Phase    string   `json:"phase"`
	Branch   string   `json:"branch"`
	Campaign string   `json:"campaign"`
	Next     string   `json:"next"`
	Error    *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// play is the demo from beginning to end.
func (d *demo) play(ctx context.Context) (err error) {
	if err := makeRepository(ctx, d.example, d.dir); err != nil {
		return err
	}

	if d.log, err = os.Create(filepath.Join(d.top, "server.log")); err != nil {
		return fmt.Errorf("make the server's log: %w", err)
	}

	if err := d.connect(ctx); err != nil {
		return err
	}

	started, err := d.begin()
	if err != nil {
		return err
	}
	d.view.columns()

	for i := range d.example.Edits {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stop the demo: %w", err)
		}

		if err := d.step(ctx, &d.example.Edits[i]); err != nil {
			return err
		}
	}

	if err := d.finish(ctx, started); err != nil {
		return err
	}

	if d.gains < min(provenGains, d.gains+d.missed) {
		d.wrong = append(d.wrong, fmt.Sprintf("only %d of %d real gains were proven; is the machine busy?", d.gains,
			d.gains+d.missed))
	}

	if len(d.wrong) > 0 {
		return fmt.Errorf("%d of the demo's %d answers are not the right ones:\n  %s",
			len(d.wrong), len(d.example.Edits), strings.Join(d.wrong, "\n  "))
	}

	return nil
}

// close ends the server, if one runs. After a failure it first stops the
// experiment that may be running, which would outlive the server.
func (d *demo) close(ctx context.Context, failed bool) error {
	if d.server == nil {
		return nil
	}
	err := errors.Join(d.server.close(), d.log.Close())

	if failed {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		_, stopped := output(d.command(ctx, "stop"))
		err = errors.Join(err, stopped)
	}

	return err
}

func (d *demo) connect(ctx context.Context) (err error) {
	cmd := d.command(ctx, "mcp")
	cmd.Stderr = d.log
	d.server, err = startWire(cmd)

	return err
}

// command is this binary in the demo's repository. Its caches lie in the
// temporary folder, so that the demo leaves nothing behind.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.self, args...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(d.top, "cache"))

	return cmd
}

// call calls a tool; a refusal comes back in the outcome's Error.
func (d *demo) call(name string, args map[string]any) (outcome, string, error) {
	var o outcome

	a, err := d.server.tool(name, args)
	if err != nil {
		return o, "", err
	}

	if err := json.Unmarshal(a.Structured, &o); err != nil {
		return o, "", fmt.Errorf("read the answer of %s: %w", name, err)
	}

	if a.IsError != (o.Error != nil) {
		return o, "", fmt.Errorf("the answer of %s is at odds with itself: isError %t: %s", name, a.IsError,
			a.Structured)
	}

	return o, a.Content[0].Text, nil
}

// must is call where a refusal is a failure.
func (d *demo) must(name string, args map[string]any) (outcome, string, error) {
	o, text, err := d.call(name, args)
	if err == nil && o.Error != nil {
		err = fmt.Errorf("%s is refused: %s: %s", name, o.Error.Code, o.Error.Message)
	}

	return o, text, err
}

// begin starts the campaign and waits for the calibration.
func (d *demo) begin() (outcome, error) {
	started, _, err := d.must("start_campaign", map[string]any{})
	if err != nil {
		return started, err
	}
	d.view.line("campaign %s on branch %s, in %s", started.Campaign, started.Branch, d.dir)

	if started.ID == "" {
		return started, nil
	}

	o, err := d.wait("the start version, to learn its noise", outcome{Status: "running", ID: started.ID})
	if err != nil {
		return started, err
	}

	if o.Reason != "" {
		return started, fmt.Errorf("the start version gives no number: %s", o.Reason)
	}
	d.view.line("%s (%.0f s since the start)", strings.TrimSpace(o.Finding), time.Since(d.began).Seconds())

	return started, nil
}

// wait asks until the job is done, showing what it does meanwhile.
func (d *demo) wait(what string, o outcome) (outcome, error) {
	since := time.Now()
	for o.Error == nil && o.Status == "running" {
		d.view.now("%s (%.0f s): %s", o.Phase, time.Since(since).Seconds(), what)

		var err error
		if o, _, err = d.must("wait_run", map[string]any{"id": o.ID, "wait_seconds": 1}); err != nil {
			return o, err
		}
	}

	return o, nil
}

// step plays one edit and holds the answer against what it must be. An answer
// that is not right is noted; only what makes going on pointless is an error.
func (d *demo) step(ctx context.Context, e *examples.Edit) error {
	since := time.Now()

	before, err := d.files(e)
	if err != nil {
		return err
	}

	if err := e.Apply(d.dir); errors.Is(err, examples.ErrNoPlace) && d.missed > 0 {
		d.view.step(stepLine{hypothesis: e.Hypothesis, then: "skipped", words: "it builds on a gain that noise hid",
			right: true})
		return nil
	} else if err != nil {
		return err
	}

	o, err := d.propose(ctx, e)
	if err != nil {
		return fmt.Errorf("play %s: %w", e.Name, err)
	}

	answer := o.Verdict
	if o.Error != nil {
		answer = o.Error.Code
		d.refused++
	} else {
		d.judged++
	}

	right := slices.Contains(e.Outcome, answer)
	if gain := slices.Contains(e.Outcome, "improved"); gain && right {
		d.gains++
	} else if gain && answer == "inconclusive" {
		d.missed++
		right = true
	}

	if !right {
		d.wrong = append(d.wrong, fmt.Sprintf("%s: %s, expected %s: %s", e.Name, answer,
			strings.Join(e.Outcome, " or "), o.words()))
	}

	then, err := d.resolve(e, o, before)
	if err != nil {
		return fmt.Errorf("play %s: %w", e.Name, err)
	}
	d.view.step(stepLine{number: o.Number, hypothesis: e.Hypothesis, answer: answer, words: o.words(), then: then,
		right: right, took: time.Since(since)})

	return nil
}

// propose runs the experiment to its verdict or its refusal.
func (d *demo) propose(ctx context.Context, e *examples.Edit) (outcome, error) {
	args := map[string]any{"hypothesis": e.Hypothesis, "wait_seconds": 1}
	if e.Expect != "" {
		args["expect"] = e.Expect
	}

	if e.Kill {
		args["wait_seconds"] = 0
	}
	d.view.now("%s", e.Hypothesis)

	o, _, err := d.call("run_experiment", args)
	if err != nil {
		return o, err
	}

	if e.Kill && o.Status == "running" {
		if err := d.server.kill(); err != nil {
			return o, err
		}

		d.server = nil
		if err := d.connect(ctx); err != nil {
			return o, err
		}
		d.view.line("    the server is killed in mid-run; a new one picks experiment %d up", o.Number)
	}

	return d.wait(e.Hypothesis, o)
}

// resolve keeps what may be kept and reverts the rest, and checks the files.
func (d *demo) resolve(e *examples.Edit, o outcome, before map[string][]byte) (string, error) {
	if o.Error != nil { // nothing was run; the agent takes its edit back by hand
		return "refused", d.restore(before)
	}

	if o.Verdict == "improved" || o.Verdict == "provisional" || o.Verdict == "equivalent" && shorter(e) {
		_, _, err := d.must("keep", map[string]any{})
		return "kept", err
	}

	if _, _, err := d.must("revert", map[string]any{"lesson": e.Lesson}); err != nil {
		return "", err
	}

	now, err := d.files(e)
	if err != nil {
		return "", err
	}

	for name, content := range before {
		if !bytes.Equal(content, now[name]) {
			d.wrong = append(d.wrong, fmt.Sprintf("%s: revert did not restore %s", e.Name, name))
			return "reverted", d.restore(before)
		}
	}

	return "reverted", nil
}

// shorter says whether the edit removes more lines than it adds.
func shorter(e *examples.Edit) bool {
	lines := 0
	for _, h := range e.Hunks {
		lines += strings.Count(h.New, "\n") - strings.Count(h.Old, "\n")
	}

	return lines < 0
}

func (d *demo) files(e *examples.Edit) (map[string][]byte, error) {
	contents := map[string][]byte{}

	for _, name := range e.Files() {
		content, err := os.ReadFile(filepath.Join(d.dir, name))
		if err != nil {
			return nil, fmt.Errorf("read a file of the demo: %w", err)
		}
		contents[name] = content
	}

	return contents, nil
}

func (d *demo) restore(before map[string][]byte) error {
	for name, content := range before {
		if err := os.WriteFile(filepath.Join(d.dir, name), content, 0o644); err != nil {
			return fmt.Errorf("take the edit back: %w", err)
		}
	}

	return nil
}

// words is the answer in one line.
func (o outcome) words() string {
	switch {
	case o.Error != nil:
		return o.Error.Message
	case o.Verdict == "invalid" && o.Reason != "":
		return "invalid: " + o.Reason
	case o.Finding != "":
		return o.Finding
	}

	return o.Verdict
}
