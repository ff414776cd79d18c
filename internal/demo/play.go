package demo

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
	"ratchet/internal/mcpclient"
)

// player is one play of an example's script.
type player struct {
	view    *view
	self    string // the binary
	top     string // temporary folder
	dir     string // the repository in it
	example *examples.Example
	began   time.Time
	log     *os.File // the servers' stderr
	server  *mcpclient.Client
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

// playAll is the demo from beginning to end.
func (d *player) playAll(ctx context.Context) (err error) {
	if err := makeRepository(ctx, d.example, d.dir); err != nil {
		return err
	}

	if d.log, err = os.Create(filepath.Join(d.top, "server.log")); err != nil {
		return fmt.Errorf("make the server's log: %w", err)
	}

	if err := d.startServer(ctx); err != nil {
		return err
	}

	started, err := d.startCampaign()
	if err != nil {
		return err
	}
	d.view.printHead()

	for i := range d.example.Edits {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stop the demo: %w", err)
		}

		if err := d.playEdit(ctx, &d.example.Edits[i]); err != nil {
			return err
		}
	}

	if err := d.showResult(ctx, started); err != nil {
		return err
	}

	return d.checkAnswers()
}

// checkAnswers is the error of a play whose answers were not the right ones.
func (d *player) checkAnswers() error {
	real := d.gains + d.missed
	if d.gains < min(provenGains, real) {
		d.wrong = append(d.wrong, fmt.Sprintf("only %d of %d real gains were proven; is the machine busy?", d.gains,
			real))
	}

	if len(d.wrong) == 0 {
		return nil
	}

	return fmt.Errorf("%d of the demo's %d answers are not the right ones:\n  %s",
		len(d.wrong), len(d.example.Edits), strings.Join(d.wrong, "\n  "))
}

// stopServer ends the server, if one runs. After a failure it first stops the
// experiment that may be running, which would outlive the server.
func (d *player) stopServer(ctx context.Context, failed bool) error {
	if d.server == nil {
		return nil
	}
	err := errors.Join(d.server.Close(), d.log.Close())

	if failed {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		_, stopped := runCommand(d.ratchetCommand(ctx, "stop"))
		err = errors.Join(err, stopped)
	}

	return err
}

func (d *player) startServer(ctx context.Context) (err error) {
	cmd := d.ratchetCommand(ctx, "mcp")
	cmd.Stderr = d.log

	if d.server, err = mcpclient.Open(cmd); err != nil {
		return err
	}

	_, err = d.server.Initialize("ratchet demo")

	return err
}

// ratchetCommand is this binary in the demo's repository. Its caches lie in the
// temporary folder, so that the demo leaves nothing behind.
func (d *player) ratchetCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.self, args...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(d.top, "cache"))

	return cmd
}

// callTool calls a tool; a refusal comes back in the outcome's Error.
func (d *player) callTool(name string, args map[string]any) (outcome, string, error) {
	var ended outcome

	a, err := d.server.CallTool(name, args)
	if err != nil {
		return ended, "", err
	}

	if err := json.Unmarshal(a.Structured, &ended); err != nil {
		return ended, "", fmt.Errorf("read the answer of %s: %w", name, err)
	}

	if a.IsError != (ended.Error != nil) {
		return ended, "", fmt.Errorf("the answer of %s is at odds with itself: isError %t: %s", name, a.IsError,
			a.Structured)
	}

	return ended, a.Content[0].Text, nil
}

// mustCall is call where a refusal is a failure.
func (d *player) mustCall(name string, args map[string]any) (outcome, string, error) {
	ended, text, err := d.callTool(name, args)
	if err == nil && ended.Error != nil {
		err = fmt.Errorf("%s is refused: %s: %s", name, ended.Error.Code, ended.Error.Message)
	}

	return ended, text, err
}

// startCampaign starts the campaign and waits for the calibration.
func (d *player) startCampaign() (outcome, error) {
	started, _, err := d.mustCall("start_campaign", map[string]any{})
	if err != nil {
		return started, err
	}
	d.view.printLine("campaign %s on branch %s, in %s", started.Campaign, started.Branch, d.dir)

	if started.ID == "" {
		return started, nil
	}

	ended, err := d.waitForJob("the start version, to learn its noise", outcome{Status: "running", ID: started.ID})
	if err != nil {
		return started, err
	}

	if ended.Reason != "" {
		return started, fmt.Errorf("the start version gives no number: %s", ended.Reason)
	}
	d.view.printLine("%s (%.0f s since the start)", strings.TrimSpace(ended.Finding), time.Since(d.began).Seconds())

	return started, nil
}

// waitForJob asks until the job is done, showing what it does meanwhile.
func (d *player) waitForJob(what string, ended outcome) (outcome, error) {
	since := time.Now()
	for ended.Error == nil && ended.Status == "running" {
		d.view.showNow("%s (%.0f s): %s", ended.Phase, time.Since(since).Seconds(), what)

		var err error
		if ended, _, err = d.mustCall("wait_run", map[string]any{"id": ended.ID, "wait_seconds": 1}); err != nil {
			return ended, err
		}
	}

	return ended, nil
}

// playEdit plays one edit and compares the answer with the right ones. An answer
// that is not right is noted; only what ends the play is an error.
func (d *player) playEdit(ctx context.Context, edit *examples.Edit) error {
	since := time.Now()

	before, err := d.readFiles(edit)
	if err != nil {
		return err
	}

	err = edit.Apply(d.dir)
	if errors.Is(err, examples.ErrNoPlace) && d.missed > 0 {
		d.view.printStep(stepLine{hypothesis: edit.Hypothesis, then: "skipped",
			words: "it builds on a gain that noise hid", right: true})

		return nil
	}

	if err != nil {
		return err
	}

	ended, err := d.propose(ctx, edit)
	if err != nil {
		return fmt.Errorf("play %s: %w", edit.Name, err)
	}

	answer := ended.Verdict
	if ended.Error != nil {
		answer = ended.Error.Code
		d.refused++
	} else {
		d.judged++
	}

	right := d.isRight(edit, answer)
	if !right {
		d.wrong = append(d.wrong, fmt.Sprintf("%s: %s, expected %s: %s", edit.Name, answer,
			strings.Join(edit.Outcome, " or "), ended.summary()))
	}

	then, err := d.keepOrRevert(edit, ended, before)
	if err != nil {
		return fmt.Errorf("play %s: %w", edit.Name, err)
	}
	d.view.printStep(stepLine{number: ended.Number, hypothesis: edit.Hypothesis, answer: answer, words: ended.summary(),
		then: then, right: right, took: time.Since(since)})

	return nil
}

// isRight says whether an answer to the edit is one of those that it may have, and
// counts real gains. One that noise hid is right too.
func (d *player) isRight(e *examples.Edit, answer string) bool {
	right, gain := slices.Contains(e.Outcome, answer), slices.Contains(e.Outcome, "improved")

	switch {
	case gain && right:
		d.gains++
	case gain && answer == "inconclusive":
		d.missed++
		return true
	}

	return right
}

// propose runs the experiment to its verdict or its refusal.
func (d *player) propose(ctx context.Context, edit *examples.Edit) (outcome, error) {
	args := map[string]any{"hypothesis": edit.Hypothesis, "wait_seconds": 1}
	if edit.Expect != "" {
		args["expect"] = edit.Expect
	}

	if edit.Kill {
		args["wait_seconds"] = 0
	}
	d.view.showNow("%s", edit.Hypothesis)

	ended, _, err := d.callTool("run_experiment", args)
	if err != nil {
		return ended, err
	}

	if edit.Kill && ended.Status == "running" {
		if err := d.server.Kill(); err != nil {
			return ended, err
		}

		d.server = nil
		if err := d.startServer(ctx); err != nil {
			return ended, err
		}
		d.view.printLine("    the server is killed in mid-run; a new one picks experiment %d up", ended.Number)
	}

	return d.waitForJob(edit.Hypothesis, ended)
}

// keepOrRevert keeps what may be kept and reverts the rest, and checks the files.
func (d *player) keepOrRevert(edit *examples.Edit, ended outcome, before map[string][]byte) (string, error) {
	if ended.Error != nil { // nothing was run; the agent takes its edit back by hand
		return "refused", d.restoreFiles(before)
	}

	keep := ended.Verdict == "improved" || ended.Verdict == "provisional" ||
		ended.Verdict == "equivalent" && removesLines(edit)
	if keep {
		_, _, err := d.mustCall("keep", map[string]any{})
		return "kept", err
	}

	if _, _, err := d.mustCall("revert", map[string]any{"lesson": edit.Lesson}); err != nil {
		return "", err
	}

	now, err := d.readFiles(edit)
	if err != nil {
		return "", err
	}

	for name, content := range before {
		if !bytes.Equal(content, now[name]) {
			d.wrong = append(d.wrong, fmt.Sprintf("%s: revert did not restore %s", edit.Name, name))
			return "reverted", d.restoreFiles(before)
		}
	}

	return "reverted", nil
}

// removesLines says whether the edit removes more lines than it adds.
func removesLines(e *examples.Edit) bool {
	lines := 0
	for _, h := range e.Hunks {
		lines += strings.Count(h.New, "\n") - strings.Count(h.Old, "\n")
	}

	return lines < 0
}

func (d *player) readFiles(edit *examples.Edit) (map[string][]byte, error) {
	contents := map[string][]byte{}

	for _, name := range edit.Files() {
		content, err := os.ReadFile(filepath.Join(d.dir, name))
		if err != nil {
			return nil, fmt.Errorf("read a file of the demo: %w", err)
		}
		contents[name] = content
	}

	return contents, nil
}

func (d *player) restoreFiles(before map[string][]byte) error {
	for name, content := range before {
		if err := os.WriteFile(filepath.Join(d.dir, name), content, 0o644); err != nil {
			return fmt.Errorf("take the edit back: %w", err)
		}
	}

	return nil
}

// summary is the answer in one line.
func (o outcome) summary() string {
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

// showResult shows what the campaign left: the table, the ledger's state, the
// commits, and how to go on.
func (d *player) showResult(ctx context.Context, started outcome) error {
	_, table, err := d.mustCall("read_log", map[string]any{"view": "table", "limit": 40})
	if err != nil {
		return err
	}
	d.view.printLine("\nthe ledger, newest first (read_log{view:\"table\"}):\n%s", indent(table))

	report, err := runCommand(d.ratchetCommand(ctx, "verify"))
	if err != nil {
		d.wrong = append(d.wrong, err.Error())
	}
	d.view.printLine("\nratchet verify:\n%s", indent(report))
	branch := strings.TrimPrefix(started.Branch, "refs/heads/")

	commits, err := runCommand(gitCommand(ctx, d.dir, "log", "--oneline", "--no-decorate", branch))
	if err != nil {
		return err
	}
	d.view.printLine("\ngit log --oneline %s:\n%s", branch, indent(commits))
	d.view.printLine("\n%d experiments and %d refusals in %.0f s. Add Ratchet to your agent, in your own repository:\n%s",
		d.judged, d.refused, time.Since(d.began).Seconds(), indent(clientLines))

	return nil
}

// clientLines are the commands that come next.
const clientLines = `ratchet init             # writes program.md
ratchet install          # lists the agents on this machine
ratchet install CLIENT   # claude-code, codex, cursor, gemini, …`

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
