package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/ledger"
	"ratchet/server"
)

// steer does something that must succeed.
func (o *observer) steer(args string) map[string]any {
	o.t.Helper()
	a := o.ask("POST", "steer", args)

	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != 200 || m["done"] == "" || m["next"] == "" {
		o.t.Fatalf("%s: %d %s", args, a.status, a.body)
	}

	return m
}

// whole verifies the ledger, and derives every verdict again.
func (c *campaign) whole() {
	c.t.Helper()
	l, err := ledger.Open(filepath.Join(c.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
	must(c.t, err)
	_, err = l.Verify(c.t.Context())
	must(c.t, err)
	must(c.t, l.View(c.t.Context(), func(tx *ledger.Tx) error {
		return history.Recompute(func(yield func(history.Record) bool) {
			_ = tx.Records(1, func(r history.Record) error {
				if !yield(r) {
					return ledger.ErrStop
				}

				return nil
			})
		})
	}))
}

// lastRecord wants the newest record of a kind to be nobody's, and its body to
// contain all of the texts.
func (c *campaign) lastRecord(kind history.Kind, texts ...string) {
	c.t.Helper()

	all := c.records(kind)
	if len(all) == 0 {
		c.t.Fatalf("no %s", kind)
	}

	last := all[len(all)-1]
	for _, text := range texts {
		if last.Session != "" || !strings.Contains(string(last.Body), text) {
			c.t.Errorf("the last %s, of session %q, lacks %q: %s", kind, last.Session, text, last.Body)
		}
	}
}

func TestDashboardSteers(t *testing.T) {
	t.Parallel()
	c := played(t)
	o := c.look(server.RolePerson)
	c.want(o.steer(`{"action":"pause"}`), "done", "the loop of tiny rests")
	c.lastRecord(history.KindLoopStopped, `{"by":"dashboard"}`)
	wantAt(t, o.get("state"), "dashboard", "campaign", "rests", "by")
	c.want(o.steer(`{"action":"pause"}`), "done", "the loop of tiny rests, as before")

	if m, refused := c.try("run_experiment", `{"hypothesis":"while it rests"}`); !refused {
		t.Errorf("an experiment ran: %v", m)
	}
	c.want(o.steer(`{"action":"resume"}`), "done", "the loop of tiny goes on")
	c.lastRecord(history.KindLoopResumed, `{"by":"dashboard"}`)

	c.want(o.steer(`{"action":"idea","text":"  try \u001b[31mred\u001b[0m numbers "}`), "done", "idea 2 added")
	c.lastRecord(history.KindIdeaAdded, `{"n":2,"text":"try red numbers"}`)

	if got := c.records(history.KindSessionJoined); len(got) != 1 {
		t.Errorf("a person joined as a session: %v", got)
	}
	c.want(o.steer(`{"action":"stop","id":"x3"}`), "done", "x3 does not run")

	o.steer(`{"action":"override","id":"x3","confirm":" tiny ","note":"I like it\u0000"}`)
	c.lastRecord(history.KindExperimentKept, `"overridden":"dashboard"`, `"note":"I like it"`,
		`"branch":"refs/heads/ratchet/tiny"`)
	wantAt(t, o.get("experiments/3"), "kept", "status")
	wantAt(t, o.get("experiments/3"), nil, "overridable")

	if log := git(t, c.dir, "log", "-1", "--format=%B", "ratchet/tiny"); !strings.Contains(log,
		"Ratchet-Overridden: by a person (dashboard)") {
		t.Errorf("the keep's commit says %q", log)
	}

	if status := git(t, c.dir, "status", "--porcelain"); status != "" {
		t.Errorf("after the override: %s", status)
	}

	c.write("program.md", strings.Replace(programText, "wall: 20s", "wall: 25s", 1))
	pending := at(t, o.get("program"), "pending", "digest").(string)
	o.wantRefused(o.ask("POST", "steer", `{"action":"accept","digest":"`+pending+`","confirm":"no"}`), 400,
		"bad_argument", "another name")
	o.wantRefused(o.ask("POST", "steer", `{"action":"accept","digest":"0000","confirm":"tiny"}`), 409, "conflict",
		"another contract than was seen")
	o.steer(`{"action":"accept","digest":"` + pending + `","confirm":"tiny"}`)
	c.lastRecord(history.KindContractAccepted, `"by":"dashboard"`, pending)
	wantAt(t, o.get("state"), 25.0, "budget", "wall_s")
	c.whole()

	if text := o.log.String(); !strings.Contains(text, `"tool":"ui steer override","code":"ok"`) ||
		strings.Contains(text, "I like it") {
		t.Errorf("the access log says %s", text)
	}
}

// Where a person has locked the repository, the page asks for the passphrase, and what is
// judged or promised needs it.
func TestDashboardAsksForThePassphrase(t *testing.T) {
	testform.SkipQuick(t, "TestDashboardRefuses")
	t.Parallel()
	c := played(t)
	o := c.look(server.RolePerson)
	wantAt(t, o.get("state"), false, "locked")

	lab, err := openLab(t.Context(), c.dir, "test", "1")
	must(t, err)
	must(t, checkout.Passphrase(lab).Set("correct horse"))
	wantAt(t, o.get("state"), true, "locked")

	o.wantRefused(o.ask("POST", "steer", `{"action":"override","id":"x3","confirm":"tiny"}`), 409, "locked",
		"passphrase")
	o.wantRefused(o.ask("POST", "steer", `{"action":"override","id":"x3","confirm":"tiny","passphrase":"wrong horse"}`),
		409, "locked", "passphrase")

	for _, kept := range c.records(history.KindExperimentKept) {
		if strings.Contains(string(kept.Body), `"overridden"`) {
			t.Errorf("kept without the passphrase: %s", kept.Body)
		}
	}

	must(t, checkout.Passphrase(lab).Set("correct horse")) // a wrong one makes the next wait
	o.steer(`{"action":"override","id":"x3","confirm":"tiny","passphrase":"correct horse"}`)
	c.lastRecord(history.KindExperimentKept, `"overridden":"dashboard"`)

	if text := o.log.String(); strings.Contains(text, "correct horse") {
		t.Error("the access log has the passphrase")
	}
}

// An experiment of another checkout is kept there, where the server may work.
func TestDashboardOverridesInTheRightCheckout(t *testing.T) {
	testform.SkipQuick(t, "TestDashboardSteers")
	t.Parallel()
	c := played(t)
	second := filepath.Join(t.TempDir(), "second")
	git(t, c.dir, "worktree", "add", "-q", "--detach", second, "ratchet/tiny")
	two := &campaign{t: t, dir: second}
	two.do("start_campaign", `{}`)
	two.write("value.txt", "92\n")
	two.done(two.do("run_experiment", `{"hypothesis":"in the second checkout"}`))
	o := c.look(server.RolePerson)
	args := `{"action":"override","id":"x4","confirm":"tiny"}`
	o.wantRefused(o.ask("POST", "steer", args), 403, "forbidden", "the second checkout is not served")
	s := serve(t, func(h *server.HTTPOptions) { h.Tokens = o.tokens }, c.dir, second)
	before := git(t, c.dir, "rev-parse", "ratchet/tiny")

	done := (&observer{s, c.dir, o.with}).steer(args)["done"].(string)
	if !strings.Contains(done, "on ratchet/tiny-") {
		t.Errorf("kept elsewhere: %s", done)
	}

	if git(t, c.dir, "rev-parse", "ratchet/tiny") != before || git(t, second, "rev-parse", "HEAD") == before {
		t.Error("the wrong branch moved")
	}
	c.whole()
}

// A run that a person stops ends, and is recorded as stopped.
func TestDashboardStopsARun(t *testing.T) {
	t.Parallel()
	c := newCampaign(t)
	c.write("program.md", sleepy)
	c.do("start_campaign", `{}`)
	c.done(c.do("wait_run", `{}`))
	c.write("value.txt", "1\n")
	c.do("run_experiment", `{"hypothesis":"slow\nas it is","wait_seconds":0}`)
	o := c.look(server.RolePerson)
	job := at(t, o.get("state"), "running", 0)
	wantAt(t, job, "x1", "id")
	wantAt(t, job, "slow", "about")
	wantAt(t, job, at(t, o.get("state"), "sessions", 0, "codename"), "session")
	o.wantRefused(o.ask("POST", "steer", `{"action":"override","id":"x1","confirm":"tiny"}`), 409, "busy", "it runs")
	c.want(o.steer(`{"action":"stop","id":"x1"}`), "done", "x1 is stopped and recorded")
	wantAt(t, o.get("state"), []any{}, "running")
	wantAt(t, o.get("experiments/1"), "invalid", "verdict")
}

// events reads a stream in the background; the channel ends with it.
func (o *observer) events(ctx context.Context) <-chan string {
	o.t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+o.addr+"/ui/api/events?repo="+url.QueryEscape(o.dir),
		nil)
	must(o.t, err)
	req.Header.Set("Authorization", "Bearer "+o.with)
	res, err := http.DefaultClient.Do(req)
	must(o.t, err)

	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" ||
		res.Header.Get("X-Accel-Buffering") != "no" {
		o.t.Fatalf("events: %d %v", res.StatusCode, res.Header)
	}

	out := make(chan string, 100)
	go func() {
		defer close(out)
		defer res.Body.Close()

		for sc := bufio.NewScanner(res.Body); sc.Scan(); {
			if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
				out <- data
			}
		}
	}()

	return out
}

// until waits for an event that says at least seq.
func until(t *testing.T, events <-chan string, seq float64) {
	t.Helper()

	for limit := time.After(patient); ; {
		select {
		case data, ok := <-events:
			var m struct{ Seq float64 }
			if err := json.Unmarshal([]byte(data), &m); !ok || err != nil {
				t.Fatalf("event %q, %t", data, ok)
			}

			if m.Seq >= seq {
				return
			}
		case <-limit:
			t.Fatalf("no event of %g", seq)
		}
	}
}

// Every append is an event, also a worker's, which is another process; a stream
// ends with its server, and there are only so many.
func TestDashboardEvents(t *testing.T) {
	t.Parallel()
	c := played(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Limits.Streams = 2 }, c.dir)
	o := (&observer{httpServer: s, dir: c.dir}).as(server.RoleRead)
	events := o.events(t.Context())
	seq := func() float64 { return o.get("state")["seq"].(float64) }
	until(t, events, seq()) // at once
	c.do("share", `{"ops":[{"op":"add","idea":"another one"}]}`)
	until(t, events, seq())
	c.write("value.txt", "80\n")
	c.do("run_experiment", `{"hypothesis":"much smaller","wait_seconds":0}`)
	c.done(c.do("wait_run", `{"wait_seconds":20}`))
	until(t, events, seq())

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	second := o.events(ctx)
	o.wantRefused(o.ask("GET", "events", ""), 503, "busy", "a third stream")
	leave()

	for range second { // it has ended, and its place is free in a moment
	}

	for o.ask("GET", "events?campaign=none", "").status != http.StatusNotFound {
		time.Sleep(10 * time.Millisecond)
	}
	s.wait()

	for range events {
	}
}

// Progress is made once for all who look, and again after every append.
func TestDashboardProgressIsFresh(t *testing.T) {
	t.Parallel()
	c := played(t)
	o := c.look(server.RoleRead)

	for n := 3.0; n < 6; n++ {
		for range 3 {
			wantAt(t, o.get("progress"), n, "total")
		}
		c.write("value.txt", "7"+strings.Repeat("0", int(n))+"\n")
		c.done(c.do("run_experiment", `{"hypothesis":"one more"}`))
	}
}
