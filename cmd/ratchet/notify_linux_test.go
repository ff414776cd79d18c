package main_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/notify/send"
	"ratchet/internal/testform"
)

// notifying is a site whose program has these keys more.
func notifying(t *testing.T, keys string, env ...string) *site {
	t.Helper()
	s := newSite(t)
	s.env = append(s.env, env...)
	s.write("program.md", strings.Replace(repoFiles["program.md"], "---\nMake", keys+"---\nMake", 1))
	s.sh("git", "commit", "-q", "--allow-empty", "-am", "with notify")

	if strings.Contains(keys, "notify:") && !strings.Contains(keys, "{hook:") {
		s.allow()
	}
	t.Cleanup(func() { // a teller ends with its campaign's folder; until then it would hold it
		if pid := s.teller(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})

	return s
}

// allow is a person who allows what notify names, at a terminal.
func (s *site) allow() {
	s.t.Helper()

	if out := s.atTerminal("shrink\n", "notify", "allow"); !strings.Contains(out, "allowed; ") {
		s.t.Fatal(out)
	}
}

// atTerminal runs ratchet as a person does, who types this.
func (s *site) atTerminal(typed string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command("python3", append([]string{"-c",
		"import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))", ratchet}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = s.dir, s.env, strings.NewReader(typed)

	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}

	return string(out)
}

// teller is the process that carries the notices, 0 when there is none.
func (s *site) teller() int {
	b, err := os.ReadFile(filepath.Join(s.dir, ".git", "ratchet", "notify", "shrink.lock"))
	if err != nil {
		return 0
	}

	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || !strings.Contains(string(line),
		"notify\x00send") {
		return 0
	}

	return pid
}

// kill ends the teller as nothing else may: without a chance to say anything.
func (s *site) kill() {
	s.t.Helper()
	pid := 0
	s.until("somebody carries notices", func() bool { pid = s.teller(); return pid > 0 })

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	s.until("it is gone", func() bool { return s.teller() == 0 })
}

func (s *site) until(what string, ok func() bool) {
	s.t.Helper()

	pause := 20 * time.Millisecond // longer and longer: many a condition starts a process
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(pause) {
		if ok() {
			return
		}
		pause = min(pause*3/2, 500*time.Millisecond)
	}
	s.t.Fatalf("not within %v: %s\n%s", patience, what, s.sh(ratchet, "notify", "-n", "50"))
}

// try runs an experiment with this text in the edited file.
func (s *site) edit(text string) {
	s.t.Helper()
	s.write("work.txt", text)
	s.sh(ratchet, "call", "run_experiment", `{"hypothesis": "try `+strings.TrimSpace(text)+`"}`)
}

// receiver is a service of somebody else's, with what it was sent.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []received
}

type received struct {
	header http.Header
	body   string
	send.Message
}

// receive starts a receiver; answer is called with the number of each request, from 1.
func receive(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	rec := &receiver{}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		one := received{header: r.Header.Clone(), body: string(b)}
		_ = json.Unmarshal(b, &one.Message)
		rec.mu.Lock()
		rec.got = append(rec.got, one)
		n := len(rec.got)
		rec.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(rec.Close)

	return rec
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()

	return slices.Clone(r.got)
}

const hookKey = "0123456789abcdef0123456789abcdef"

// TestNoticesArrive: a new best reaches a webhook that fails twice and a topic
// that works at once; nothing of the secrets is in what is stored; a stop ends
// the process.
func TestNoticesArrive(t *testing.T) {
	testform.SkipQuick(t, "internal/notify: TestNotifierDelivers")
	t.Parallel()
	hook := receive(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n <= 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	topic := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(hookKey))
	s := notifying(t, "notify:\n  - {webhook: env:WHERE, secret_env: SECRET, on: best}\n  - {ntfy: "+topic.URL+
		"/night, token_env: TOKEN}\n",
		"WHERE="+hook.URL+"/s3cret/path", "SECRET="+secret, "TOKEN=tk_s3cret")
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run")
	s.edit("short\n")
	s.sh(ratchet, "call", "keep")
	s.until("the webhook has it", func() bool { return len(hook.all()) >= 3 })

	got := hook.all()
	for i, r := range got {
		mac := hmac.New(sha256.New, []byte(hookKey))
		fmt.Fprintf(mac, "%s.%s.%s", r.header.Get("webhook-id"), r.header.Get("webhook-timestamp"), r.body)

		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.header.Get("webhook-signature") != want {
			t.Errorf("request %d is signed %s, want %s", i+1, r.header.Get("webhook-signature"), want)
		}

		if r.header.Get("webhook-id") != got[0].header.Get("webhook-id") || r.body != got[0].body {
			t.Errorf("request %d is another message: %s", i+1, r.body)
		}
	}

	if d := got[0].Data; d.Event != "best" || d.Experiment != 1 || d.Value == nil || *d.Value != 6 ||
		d.Show != "ratchet show 1" || d.Campaign != "shrink" || d.Repository != "repo" || d.Hypothesis != "try short" {
		t.Errorf("%+v", d)
	}

	if strings.Contains(got[0].body, s.dir) || strings.Contains(got[0].body, "s3cret") {
		t.Errorf("a path or a secret is in the message: %s", got[0].body)
	}
	s.until("the topic has it", func() bool { return len(topic.all()) == 1 })

	if r := topic.all()[0]; r.header.Get("Authorization") != "Bearer tk_s3cret" || !strings.HasPrefix(r.body,
		"experiment 1 is the new best of shrink: better: size 81 → 6 bytes") {
		t.Errorf("%v %s", r.header, r.body)
	}
	s.until("the queue is empty", func() bool {
		return regexp.MustCompile(`WHERE: best \d+ delivered`).MatchString(s.sh(ratchet, "notify"))
	})

	stored, err := exec.Command("grep", "-rlE", "s3cret|"+hookKey+"|whsec",
		filepath.Join(s.dir, ".git", "ratchet")).Output()
	if err == nil {
		t.Errorf("a secret is stored in %s", stored)
	}

	if s.teller() == 0 {
		t.Fatal("nobody carries notices while the campaign goes on")
	}
	s.sh(ratchet, "stop")
	s.until("the process has ended", func() bool { return s.teller() == 0 })

	if n := len(hook.all()) + len(topic.all()); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}

// TestTellerIsKilled: a process that dies with a message on its way is followed
// by another, which sends it again with the same id; nothing else is repeated.
func TestTellerIsKilled(t *testing.T) {
	testform.SkipQuick(t, "internal/notify: TestNotifierDelivers")
	t.Parallel()
	reached, leave := make(chan bool, 10), make(chan bool)
	hook := receive(t, func(n int, _ http.ResponseWriter, r *http.Request) {
		reached <- true

		if n == 2 {
			select {
			case <-leave:
			case <-r.Context().Done():
			}
		}
	})

	defer close(leave)
	s := notifying(t, "notify: {webhook: "+hook.URL+"}\n")
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run")
	s.edit("the quick brown\n")
	s.sh(ratchet, "call", "keep")
	s.until("the webhook is reached", func() bool { return len(reached) > 0 })
	<-reached
	s.until("the first is delivered", func() bool { return strings.Contains(s.sh(ratchet, "notify"), "delivered") })
	s.edit("the quick\n")
	s.sh(ratchet, "call", "keep")
	s.until("the webhook is reached", func() bool { return len(reached) > 0 })
	<-reached
	s.kill()
	s.edit("the\n")
	s.sh(ratchet, "call", "keep")
	s.until("all are delivered", func() bool { return len(hook.all()) >= 4 })
	s.until("the queue is empty", func() bool {
		return !strings.Contains(s.sh(ratchet, "notify"), "not delivered yet")
	})
	var ids []string

	var about []int
	for _, r := range hook.all() {
		ids, about = append(ids, r.header.Get("webhook-id")), append(about, r.Data.Experiment)
	}

	if diff := cmp.Diff([]int{1, 2, 2, 3}, about); diff != "" || ids[1] != ids[2] || ids[0] == ids[1] ||
		ids[2] == ids[3] {
		t.Errorf("%v %v: %s", about, ids, diff)
	}
}

// TestOneTeller: of many processes that are started at once one stays, and each
// message comes once.
func TestOneTeller(t *testing.T) {
	testform.SkipQuick(t, "internal/notify: TestNotifierDelivers")
	t.Parallel()
	hook := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	s := notifying(t, "notify: {webhook: "+hook.URL+"}\n")
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run")
	s.kill()
	var all []*exec.Cmd
	ended := make(chan error, 8)

	for range 8 {
		cmd := exec.Command(ratchet, "notify", "send", "--campaign", "shrink")

		cmd.Dir, cmd.Env = s.dir, s.env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}

		all = append(all, cmd)
		go func() { ended <- cmd.Wait() }()
	}

	for range 7 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}

	alive := slices.DeleteFunc(all, func(c *exec.Cmd) bool { return c.Process.Signal(syscall.Signal(0)) != nil })
	if len(alive) != 1 || alive[0].Process.Pid != s.teller() {
		t.Fatalf("%d of 8 stay, the lock is of %d", len(alive), s.teller())
	}

	texts := []string{"the quick brown fox\n", "the quick\n", "the\n"}
	if testing.Short() {
		texts = texts[:1]
	}

	for i, text := range texts {
		s.edit(text)
		s.sh(ratchet, "call", "keep")
		s.until(text, func() bool { return len(hook.all()) == i+1 })
	}
	s.sh(ratchet, "stop")
	<-ended

	if n := len(hook.all()); n != len(texts) {
		t.Errorf("%d messages for %d keeps", n, len(texts))
	}
}

// TestNothingIsToldUnasked: a program may be an agent's. What it names runs and
// gets nothing until a person said yes, to just that.
func TestNothingIsToldUnasked(t *testing.T) {
	testform.SkipQuick(t, "internal/notify: TestAllowance, TestNothingToAllow")
	t.Parallel()
	hook := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	s := newSite(t)
	s.env = append(s.env, "TOKEN=s3cret")
	s.write("tell.sh", "#!/bin/sh\ntouch ../told\n")

	if err := os.Chmod(filepath.Join(s.dir, "tell.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	program := strings.Replace(repoFiles["program.md"], "---\nMake",
		"notify: [{command: ./tell.sh}, {ntfy: "+hook.URL+
			"/x, token_env: TOKEN}, {hook: tell.sh, on: [before, after]}]\n---\nMake", 1)
	s.write("program.md", program)
	s.sh("git", "add", "-A")
	s.sh("git", "commit", "-qm", "an agent's")
	told := func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "..", "told"))
		return err == nil || len(hook.all()) > 0
	}

	if out := s.sh(ratchet, "call", "start_campaign"); !strings.Contains(out,
		"note: notify: it waits until a person types `ratchet notify allow` in a terminal") {
		t.Error(out)
	}
	s.sh(ratchet, "call", "wait_run")
	s.edit("short\n")
	s.sh(ratchet, "call", "keep")

	if out, err := s.try(ratchet, "notify", "allow"); err == nil || !strings.Contains(out, "a person's decision") {
		t.Errorf("an agent's shell allows it: %s", out)
	}

	if told() || s.teller() != 0 {
		t.Fatal("it was told, or run, before anybody allowed it")
	}
	s.allow()
	s.edit("shor\n")
	s.sh(ratchet, "call", "keep")
	s.until("it is told", func() bool { return len(hook.all()) == 1 && told() })
	s.write("tell.sh", "#!/bin/sh\ntouch ../owned\n") // the same command, another content
	s.sh("git", "update-index", "--assume-unchanged", "tell.sh")
	s.edit("sho\n")
	s.sh(ratchet, "call", "keep")
	s.until("it is refused", func() bool {
		return regexp.MustCompile(`command \./tell\.sh: best \d+ given up: it waits`).MatchString(s.sh(ratchet, "notify"))
	})

	if _, err := os.Stat(filepath.Join(s.dir, "..", "owned")); err == nil || len(hook.all()) != 1 {
		t.Errorf("what was changed ran, or something was sent: %d", len(hook.all()))
	}
}

// TestNoticesOfANight: what a night can come to, told to a command; and a
// program that tells nobody starts no process.
func TestNoticesOfANight(t *testing.T) {
	testform.SkipQuick(t, "internal/notify: TestVisible")
	t.Parallel()
	keeps := 6
	if testing.Short() {
		keeps = 3
	}
	budget := 6 + keeps
	s := notifying(t,
		"notify: {command: 'cat >> ../told.jsonl; echo $RATCHET_EVENT $RATCHET_NOTICE_TEXT >> ../told.txt'}\nstall: {experiments: 4}\ncampaign: {experiments: "+
			fmt.Sprint(budget)+"}\n")
	told := func() string { b, _ := os.ReadFile(filepath.Join(s.dir, "..", "told.txt")); return string(b) }
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run")

	for i := range 6 {
		s.edit(fmt.Sprintf("crash %d\n", i))
	}
	s.until("a crash loop",
		func() bool { return strings.Contains(told(), "crash_loop 5 experiments of shrink in a row") })
	s.until("a standstill", func() bool { return strings.Contains(told(), "of shrink in a row, and none was kept") })
	s.sh(ratchet, "call", "revert")
	program := s.read("program.md")
	s.write("program.md", strings.Replace(program, fmt.Sprint("experiments: ", budget), "experiments: 120", 1))
	s.until("the contract",
		func() bool { return strings.Contains(told(), "needs_you the contract of shrink was changed") })
	s.write("program.md", program)

	for i := range keeps {
		s.edit(strings.Repeat("short ", 7-i) + "\n")
		s.sh(ratchet, "call", "keep")
	}
	s.until("the end", func() bool {
		return strings.Contains(told(), fmt.Sprintf("budget_end the budget of shrink is spent: %d of %[1]d experiments",
			budget)) &&
			strings.Contains(told(), fmt.Sprintf("experiment %d is the new best", budget))
	})

	if s := told(); strings.Count(s, "crash_loop") != 1 || strings.Count(s, "stall") != 1 || strings.Count(s,
		"needs_you") != 1 || strings.Count(s, "budget_end") != 1 {
		t.Errorf("something was told twice, or not:\n%s", s)
	}
	// The budget may be told to be spent before the last experiment is kept.
	size := len("short ")*(8-keeps) + 1
	if s := told(); !strings.Contains(s, fmt.Sprintf("%d edits kept; size 81 → %d bytes, ", keeps,
		size)) &&
		!strings.Contains(s, fmt.Sprintf("%d edits kept; size 81 → %d bytes, ", keeps-1,
			size+len("short "))) {
		t.Errorf("what it came to:\n%s", s)
	}

	quiet := notifying(t, "")
	quiet.sh(ratchet, "call", "start_campaign")
	quiet.sh(ratchet, "call", "wait_run")
	quiet.edit("short\n")
	quiet.sh(ratchet, "call", "keep")

	if _, err := os.Stat(filepath.Join(quiet.dir, ".git", "ratchet", "notify")); err == nil || quiet.teller() != 0 {
		t.Error("a program that tells nobody has a process, or files, for it")
	}
}

var slowHooks = flag.Bool("slowhooks", false, "wait for the 30 s after which a hook is killed")

// afterHook is written as pi's are: what it is told goes to a file, what the
// agent shall know to its output.
const afterHook = `#!/bin/sh
set -eu
input="$(cat)"
printf '%s\n' "$input" >> "$(dirname "$0")/../../../seen.jsonl"
case "$input" in
*'"description":"fail'*) echo "said before it failed"; echo "the reason" >&2; exit 3 ;;
*'"description":"flood'*) yes "flood of words" | head -c 100000 ;;
*'"description":"leave'*) setsid sleep 98765.25 >/dev/null 2>&1 & echo $! > "$(dirname "$0")/../../../left" ;;
*'"description":"hang'*) trap '' TERM; sleep 1000 & sleep 1000 ;;
*'"description":"quiet'*) ;;
*) printf 'think of \033[31mcaches\033[0m\nthen of loops\n' ;;
esac
`

const beforeHook = `#!/usr/bin/env python3
import json, sys, os
told = json.load(sys.stdin)
with open(os.path.join(told["cwd"], "..", "seen.jsonl"), "a") as f:
    f.write(json.dumps(told) + "\n")
`

// hooking is a site with both hooks, committed, and the program's keys.
func hooking(t *testing.T, keys string) *site {
	t.Helper()

	s := notifying(t,
		"notify:\n  - {hook: .auto/hooks/after.sh, on: after}\n  - {hook: .auto/hooks/before.sh, on: before}\n"+keys)
	if err := os.MkdirAll(filepath.Join(s.dir, ".auto", "hooks"), 0o777); err != nil {
		t.Fatal(err)
	}

	for name, text := range map[string]string{"after": afterHook, "before": beforeHook} {
		s.write(".auto/hooks/"+name+".sh", text)

		if err := os.Chmod(filepath.Join(s.dir, ".auto/hooks", name+".sh"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.sh("git", "add", "-f", ".auto")
	s.sh("git", "commit", "-qm", "hooks")
	s.allow()
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run")

	return s
}

// payload is what a hook of pi's reads.
type payload struct {
	Event    string         `json:"event"`
	Cwd      string         `json:"cwd"`
	NextRun  int            `json:"next_run"`
	LastRun  map[string]any `json:"last_run"`
	RunEntry map[string]any `json:"run_entry"`
	Session  map[string]any `json:"session"`
}

// hooked are the payloads so far, each checked for the keys that it must have.
func (s *site) hooked() (all []payload) {
	s.t.Helper()

	b, err := os.ReadFile(filepath.Join(s.dir, "..", "seen.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}

	for line := range strings.Lines(string(b)) {
		var keys map[string]json.RawMessage

		var p payload
		if err := errors.Join(json.Unmarshal([]byte(line), &keys), json.Unmarshal([]byte(line), &p)); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}

		want := []string{"cwd", "event", "last_run", "next_run", "session"}
		if p.Event == "after" {
			want = []string{"cwd", "event", "run_entry", "session"}
		}

		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(keys))); diff != "" || p.Cwd != s.dir {
			s.t.Errorf("%s in %s: %s", p.Event, p.Cwd, diff)
		}
		all = append(all, p)
	}

	return all
}

// TestHooks: pi's contract: who is called when, with what, and what becomes of
// what is printed.
func TestHooks(t *testing.T) {
	testform.SkipQuick(t, "internal/notify: TestHooksRunAroundAnExperiment")
	t.Parallel()
	s := hooking(t, "")

	told := s.hooked()
	if len(told) != 1 || told[0].Event != "before" || told[0].NextRun != 1 || told[0].LastRun != nil ||
		told[0].Session["goal"] != "shrink" || told[0].Session["direction"] != "lower" {
		t.Fatalf("at the start: %+v", told)
	}
	s.edit("short and sweet\n")

	out := s.sh(ratchet, "call", "keep")
	if !strings.Contains(out, "[printed by the program's hooks, as data]\n| think of caches\n| then of loops\n") {
		t.Errorf("keep answers: %s", out)
	}
	told = s.hooked()[1:]
	after, before := told[0], told[1]

	want := map[string]any{"run": 2., "status": "keep", "metric": 16., "description": "try short and sweet",
		"segment": 0., "confidence": nil, "metrics": map[string]any{},
		"asi":    map[string]any{"hypothesis": "try short and sweet", "verdict": "improved"},
		"commit": after.RunEntry["commit"], "timestamp": after.RunEntry["timestamp"]}
	if diff := cmp.Diff(want, after.RunEntry); diff != "" {
		t.Errorf("run_entry: %s", diff)
	}

	if head := strings.TrimSpace(s.sh("git", "rev-parse", "--short=7", "HEAD")); after.RunEntry["commit"] != head {
		t.Errorf("commit %v, HEAD is %s", after.RunEntry["commit"], head)
	}

	session := map[string]any{"metric_name": "size", "metric_unit": "bytes", "direction": "lower",
		"baseline_metric": 81., "best_metric": 16., "run_count": 2., "goal": "shrink"}
	if diff := cmp.Diff(session, after.Session); diff != "" {
		t.Errorf("session: %s", diff)
	}

	if before.Event != "before" || before.NextRun != 3 || cmp.Diff(after.RunEntry, before.LastRun) != "" {
		t.Errorf("before the next: %+v", before)
	}

	// a decision that the next run takes; a crash; a revert with a lesson
	s.write("work.txt", "much longer than it was\n")
	s.sh(ratchet, "call", "run_experiment", `{"hypothesis": "quiet"}`)
	s.write("work.txt", "crash\n")
	s.sh(ratchet, "call", "run_experiment", `{"hypothesis": "quiet crash"}`)
	s.sh(ratchet, "call", "revert", `{"lesson": "it crashes"}`)
	s.sh(ratchet, "call", "revert", `{"lesson": "again"}`)
	told = s.hooked()[3:]
	var got []string

	for _, p := range told {
		if p.Event == "after" {
			got = append(got, fmt.Sprint(p.RunEntry["run"], " ", p.RunEntry["status"], " ",
				p.RunEntry["asi"].(map[string]any)["learned"]))
		}
	}

	if diff := cmp.Diff([]string{"3 discard <nil>", "4 crash it crashes"}, got); diff != "" || len(told) != 4 {
		t.Errorf("%d calls: %s", len(told), diff)
	}
}

// TestHooksThatMisbehave lose nothing, outlive nothing and flood nobody.
func TestHooksThatMisbehave(t *testing.T) {
	testform.SkipQuick(t, "internal/notify: TestHooksRunAroundAnExperiment")
	t.Parallel()
	s := hooking(t, "")
	n := 0

	decide := func(hypothesis string) string {
		t.Helper()

		n++
		s.write("work.txt", "longer than the start, so it is worse: "+strings.Repeat("x", 60+n)+"\n")
		s.sh(ratchet, "call", "run_experiment", `{"hypothesis": "`+hypothesis+`"}`)

		out := s.sh(ratchet, "call", "revert")
		if len(out) > 441 || !strings.Contains(out, fmt.Sprintf("x%d reverted", n)) {
			t.Errorf("%s: %d bytes: %s", hypothesis, len(out), out)
		}

		return out
	}
	if out := decide("fail"); !strings.Contains(out,
		"| [.auto/hooks/after.sh ended with exit status 3: the reason]\n| said before it failed\n") {
		t.Errorf("a hook that fails: %s", out)
	}

	out := decide("flood")
	if !strings.Contains(out, "| flood of words") || !strings.Contains(out, `read_log{view:"output",query:"hooks"}`) {
		t.Errorf("a hook that floods: %s", out)
	}

	all := s.sh(ratchet, "call", "read_log", `{"view": "output", "query": "hooks", "cursor": "0", "limit": 20000}`)
	if n := strings.Count(all, "flood of words"); n < 500 || len(all) > 12<<10 || !strings.Contains(all,
		"[cut at 8 KiB]") {
		t.Errorf("all of it are %d bytes, %d lines", len(all), n)
	}

	if testing.Short() { // make hooks goes on
		s.sh(ratchet, "verify", "--recompute")
		return
	}
	decide("leave")

	if _, err := os.Stat(filepath.Join(s.dir, "..", "left")); err != nil {
		t.Error(err)
	}
	eventually(t, "the end of what a hook left behind",
		func() bool { return len(alive("sleep 98765.25")) == 0 }) // killed, it needs a CPU to die

	s.write(".auto/hooks/after.sh", "#!/bin/sh\ntouch ../owned\n")            // an agent's idea of it
	s.sh("git", "update-index", "--assume-unchanged", ".auto/hooks/after.sh") // so that scope does not see it

	if out := decide("changed"); !strings.Contains(out,
		"[no hook was run: it waits until a person types `ratchet notify allow` in a terminal]") {
		t.Errorf("a hook that was changed: %s", out)
	}

	if _, err := os.Stat(filepath.Join(s.dir, "..", "owned")); err == nil {
		t.Error("a hook that was changed ran")
	}
	s.sh("git", "update-index", "--no-assume-unchanged", ".auto/hooks/after.sh")
	s.sh("git", "restore", ".auto/hooks/after.sh")

	if out := decide("restored"); !strings.Contains(out, "| think of caches") {
		t.Errorf("a hook that is what was allowed: %s", out)
	}

	if *slowHooks {
		began := time.Now()
		if out := decide("hang"); !strings.Contains(out, "was killed after 30s") || time.Since(began) > 40*time.Second {
			t.Errorf("a hook that hangs, %v: %s", time.Since(began), out)
		}
	}
	s.sh(ratchet, "verify", "--recompute")
}

// TestHooksDecideAuto: hooks run where the verdict decides, inside the call.
func TestHooksDecideAuto(t *testing.T) {
	testform.SkipQuick(t, "internal/notify: TestHooksRunAroundAnExperiment")
	t.Parallel()
	s := hooking(t, "decide: auto\n")
	s.write("work.txt", "short\n")

	out := s.sh(ratchet, "call", "run_experiment", `{"hypothesis": "short"}`)
	if !strings.Contains(out, "decided: kept") || !strings.Contains(out, "| think of caches") {
		t.Error(out)
	}

	if told := s.hooked(); len(told) != 3 || told[1].RunEntry["status"] != "keep" {
		t.Errorf("%+v", told)
	}
}
