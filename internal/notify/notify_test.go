package notify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/notify"
	"ratchet/internal/notify/send"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

const campaign = "sorting"

var exact = rules.RuleState{NoiseKind: research.Deterministic, Scale: "log", Incumbent: 1000, Better: research.Lower}

// night is a calibrated campaign whose program has the targets.
type night struct {
	*testing.T
	co *checkout.Checkout
	c  *history.Campaign
}

func begin(t *testing.T, targets string) *night {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())

	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}

	text := "---\nname: sorting\nedit: f\nmetric: {name: ns, better: lower, unit: ns}\nrun: ./bench\n" + targets +
		"---\n"
	if err := os.WriteFile(filepath.Join(dir, "program.md"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}

	co, err := checkout.Open(t.Context(), checkout.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}

	doc, err := contract.ParseProgram([]byte(text), "sorting")
	if err != nil {
		t.Fatal(err)
	}
	n := &night{T: t, co: co}
	n.put(history.KindCampaignStarted, history.CampaignStart{Program: doc.Program, Digest: doc.Program.Digest(),
		ProgramPath: "program.md", Start: "start", Branch: "refs/heads/ratchet/sorting"})
	n.put(history.KindCalibrationStarted, rules.JobStart{Job: "c1", Commit: "start"})
	n.put(history.KindCalibrationFinished, history.CalibrationEnd{Job: "c1", State: exact})

	return n
}

func (n *night) put(kind history.Kind, body any) {
	n.Helper()

	if _, err := n.co.Ledger.Append(n.Context(),
		history.Entry{Campaign: campaign, Kind: kind, Body: body}); err != nil {
		n.Fatal(err)
	}

	var err error
	if n.c, err = n.co.CurrentCampaign(n.Context()); err != nil {
		n.Fatal(err)
	}
}

// keep records an experiment that was kept.
func (n *night) keep(number int, value, was float64) *history.Experiment {
	n.Helper()

	gain := 1 - value/was
	state := exact
	state.Incumbent = was
	n.put(history.KindExperimentProposed, history.Proposal{N: number, Hypothesis: "an idea", Parent: "start",
		Candidate: "0123456789", Tree: "tree", Checkout: n.co.Root()})
	n.put(history.KindExperimentJudged, rules.Judgement{N: number, Verdict: research.Improved, StoppedBy: "one_run",
		Value: &value, Baseline: &was, Gain: &research.Interval{Mid: gain, Lo: gain, Hi: gain}, Scale: "log",
		State: state})
	n.put(history.KindExperimentKept, history.Keeping{N: number, Commit: "0123456789", Was: "start"})

	return &history.Experiment{Proposal: history.Proposal{N: number, Hypothesis: "an idea", Candidate: "0123456789"},
		Commit: "0123456789", Status: research.Kept}
}

// allow is a person's yes to the program as it is.
func (n *night) allow() {
	n.Helper()

	a, err := notify.PendingAllowance(n.Context(), n.co)
	if err != nil {
		n.Fatal(err)
	}

	if err := notify.StoreAllowance(n.co, a); err != nil {
		n.Fatal(err)
	}
}

func (n *night) script(name, text string) {
	n.Helper()

	if err := os.WriteFile(filepath.Join(n.co.Root(), name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		n.Fatal(err)
	}
}

// A yes holds for just these targets and just this content of the files they name.
func TestAllowance(t *testing.T) {
	n := begin(t, "notify:\n  - {command: ./tell.sh now}\n  - {desktop: true}\n")
	n.script("tell.sh", "echo one")

	waits := func() bool { return notify.MissingAllowance(n.co, "program.md", n.c.Program) != "" }
	if !waits() {
		t.Error("nobody allowed it, and it does not wait")
	}

	a, err := notify.PendingAllowance(t.Context(), n.co)
	if err != nil || a.Given || a.Name != campaign || len(a.Lines) != 3 || !strings.HasPrefix(a.Lines[2],
		"./tell.sh ") {
		t.Fatalf("what is asked for: %+v, %v", a, err)
	}
	n.allow()

	if a, err = notify.PendingAllowance(t.Context(), n.co); waits() || err != nil || !a.Given {
		t.Errorf("after the yes: %+v, %v", a, err)
	}
	n.script("tell.sh", "echo two")

	if !waits() {
		t.Error("a changed script is still allowed")
	}
}

func TestNothingToAllow(t *testing.T) {
	n := begin(t, "")
	if _, err := notify.PendingAllowance(t.Context(), n.co); !research.HasCode(err, research.CodeNotFound) {
		t.Errorf("without notify: %v", err)
	}

	if _, err := notify.TryTargets(t.Context(), n.co, ""); !research.HasCode(err, research.CodeNotFound) {
		t.Errorf("a test without targets: %v", err)
	}

	if _, err := notify.TryTargets(t.Context(), n.co, "x"); !research.HasCode(err, research.CodeBadArgument) {
		t.Errorf("a test of no event: %v", err)
	}

	if said, err := notify.RunClosingHooks(t.Context(), n.co, n.c, time.Now()); said != "" || err != nil {
		t.Errorf("hooks of none: %q, %v", said, err)
	}
}

func TestVisible(t *testing.T) {
	if got, want := notify.Visible("a b\u202ec\nd\u00a0e"), `a b\u{202e}c\u{000a}d\u{00a0}e`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTargetProblems(t *testing.T) {
	n := begin(t, "")
	n.script("hook.sh", "true")
	n.script("plain.sh", "true")

	if err := os.Chmod(filepath.Join(n.co.Root(), "plain.sh"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHORT", "whsec_c2hvcnQ=")
	t.Setenv("EMPTY", "")

	for _, c := range []struct {
		target contract.Target
		want   string
	}{
		{contract.Target{Command: "true --now"}, ""},
		{contract.Target{Command: "no-such-command x"}, "there is no command no-such-command"},
		{contract.Target{Command: "./hook.sh"}, ""},
		{contract.Target{Command: "X=1 no-such-command"}, ""},
		{contract.Target{Webhook: "env:EMPTY"}, "EMPTY is not set"},
		{contract.Target{Webhook: "https://example.org", SecretEnv: "SHORT"}, "SHORT: the signing secret"},
		{contract.Target{Hook: "hook.sh"}, ""},
		{contract.Target{Hook: "plain.sh"}, "not executable"},
		{contract.Target{Hook: "none.sh"}, "no such file"},
	} {
		got := notify.TargetProblem(n.co, "program.md", c.target)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.target, got, c.want)
		}
	}
}

// receiver is a webhook that fails so often before it accepts.
type receiver struct {
	mu    sync.Mutex
	fails int
	got   []send.Message
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.fails > 0 {
		r.fails--
		w.WriteHeader(http.StatusServiceUnavailable)

		return
	}

	var m send.Message
	body, err := io.ReadAll(req.Body)
	if err != nil || json.Unmarshal(body, &m) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.got = append(r.got, m)
}

// A notifier sends what is news since the last one, tries again what failed, and
// ends with the campaign.
func TestNotifierDelivers(t *testing.T) {
	r := &receiver{fails: 1}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)

	n := begin(t, "notify:\n  - {webhook: \""+server.URL+"\", on: [best]}\n")
	n.allow()

	ended := make(chan error, 1)
	go func() { ended <- notify.RunNotifier(t.Context(), n.co, campaign) }()

	running := func() bool {
		d, err := notify.ReadDeliveries(t.Context(), n.co, 5)
		return err == nil && d.Running
	}
	for range 100 {
		if running() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(700 * time.Millisecond) // it begins with what comes after its first look
	n.keep(1, 900, 1000)
	time.Sleep(700 * time.Millisecond)
	n.put(history.KindCampaignEnded, history.CampaignEnd{Reason: "abandoned"})

	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the notifier outlives its campaign")
	}

	if len(r.got) != 1 || r.got[0].Data.Event != contract.EventBest || r.got[0].Data.Experiment != 1 ||
		*r.got[0].Data.Value != 900 || r.got[0].Data.Show != "ratchet show 1" {
		t.Errorf("it was told %+v", r.got)
	}

	d, err := notify.ReadDeliveries(t.Context(), n.co, 5)
	if err != nil || d.Running || d.Waits != "" || len(d.Targets) != 1 || d.Targets[0].Failed != "" ||
		d.Targets[0].Waiting != 0 || len(d.Log) != 2 || !strings.Contains(d.Log[0], "failed, again in") ||
		!strings.Contains(d.Log[1], "delivered") {
		t.Errorf("the deliveries: %+v, %v", d, err)
	}
}

// What a target refuses for good is given up, and so is what nobody allowed.
func TestTestsOfTargets(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)

	n := begin(t, "notify:\n  - {command: 'cat >/dev/null; echo \"told $RATCHET_EVENT\"'}\n"+
		"  - {command: 'echo bad >&2; exit 3'}\n  - {webhook: \""+server.URL+"\"}\n")

	tried, err := notify.TryTargets(t.Context(), n.co, contract.EventStall)
	if err != nil || len(tried) != 3 {
		t.Fatalf("%+v, %v", tried, err)
	}

	if !tried[0].OK || tried[0].Said != "told stall" {
		t.Errorf("the command: %+v", tried[0])
	}

	if tried[1].OK || tried[1].Error != "it ended with exit status 3: bad" {
		t.Errorf("the failing command: %+v", tried[1])
	}

	if tried[2].OK || !strings.Contains(tried[2].Error, "404") {
		t.Errorf("the webhook: %+v", tried[2])
	}
}

func TestHooksRunAroundAnExperiment(t *testing.T) {
	n := begin(t, "notify:\n  - {hook: after.sh, on: after}\n  - {hook: before.sh, on: before}\n")
	n.script("after.sh", `tr -d '\n' | sed 's/.*"status":"\([a-z]*\)".*/after \1/'`)
	n.script("before.sh", "cat >/dev/null; echo before; exit 2")

	x := n.keep(1, 900, 1000)
	if said := notify.RunDecisionHooks(t.Context(), n.co, n.c, x, research.Kept, time.Time{}); !strings.Contains(said,
		"no hook was run") {
		t.Errorf("nobody allowed them: %q", said)
	}
	n.allow()

	said := notify.RunDecisionHooks(t.Context(), n.co, n.c, x, research.Kept, time.Time{})
	if want := "after keep\n[before.sh ended with exit status 2]\nbefore"; said != want {
		t.Errorf("the hooks said %q, want %q", said, want)
	}

	stored, err := os.ReadFile(notify.NotifierFile(n.co, campaign, "hooks"))
	if err != nil || string(stored) != said+"\n" {
		t.Errorf("stored for read_log: %q, %v", stored, err)
	}

	if said := notify.RunStartHooks(t.Context(), n.co, n.c); said != "[before.sh ended with exit status 2]\nbefore" {
		t.Errorf("at the start: %q", said)
	}

	tried, err := notify.TryTargets(t.Context(), n.co, contract.HookAfter)
	if err != nil || len(tried) != 1 || !tried[0].OK || tried[0].Said != "after discard" {
		t.Errorf("a test of the hook: %+v, %v", tried, err)
	}

	late := notify.RunDecisionHooks(t.Context(), n.co, n.c, x, research.Kept, time.Now())
	if !strings.Contains(late, "no time was left in this call") {
		t.Errorf("without time: %q", late)
	}
}

func TestPiNames(t *testing.T) {
	value := 5.

	for _, c := range []struct {
		status research.Status
		reason string
		want   string
	}{
		{research.Kept, "", "keep"},
		{research.Reverted, "", "discard"},
		{research.Voided, "", "crash"},
		{research.Voided, "check tests failed", "checks_failed"},
		{research.Running, "", ""},
	} {
		x := &history.Experiment{Proposal: history.Proposal{N: 3, Hypothesis: "a\tb", Candidate: "0123456789"},
			Status: c.status, Commit: "abcdefghij", Lesson: "learned",
			Judgement: &rules.Judgement{Verdict: research.Invalid, Reason: c.reason, Value: &value}}

		run := notify.NewPiRun(contract.Metric{Name: "ns"}, x, map[string]float64{"ns": 5, "kb": 7})
		if run.Status != c.want || run.Run != 4 || run.Description != "a b" || run.Metrics["kb"] != 7 ||
			len(run.Metrics) != 1 || run.ASI["learned"] != "learned" || len(run.Commit) != 7 {
			t.Errorf("%s %q: %+v", c.status, c.reason, run)
		}

		if (run.Metric == 0) != (c.status == research.Voided) {
			t.Errorf("%s: metric %g", c.status, run.Metric)
		}
	}
}
