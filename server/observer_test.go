package server_test

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research/history"
	"ratchet/ledger"
	"ratchet/server"
)

// observer asks a dashboard for things, with a token of a role.
type observer struct {
	*httpServer
	dir  string
	with string // token
}

// look is a server over a repository, and an observer with a token of the role.
func (c *campaign) look(role server.Role) *observer {
	c.t.Helper()
	s := serve(c.t, func(o *server.HTTPOptions) { o.Open = openAny }, c.dir)

	return (&observer{httpServer: s, dir: c.dir}).as(role)
}

// as is the same server for a new token.
func (o *observer) as(role server.Role) *observer {
	o.t.Helper()

	token, err := o.tokens.Add("as-"+string(role), role)
	if err != nil {
		o.t.Fatal(err)
	}

	return &observer{o.httpServer, o.dir, token}
}

// ask makes a request of the API: its path below /ui/api/, with the repository added.
func (o *observer) ask(method, what, body string) answer {
	o.t.Helper()

	sep := "?"
	if strings.Contains(what, "?") {
		sep = "&"
	}

	return o.do(method, "http://"+o.addr+"/ui/api/"+what+sep+"repo="+url.QueryEscape(o.dir), body, "Authorization",
		"Bearer "+o.with)
}

// get is an answer that must be there.
func (o *observer) get(what string) map[string]any {
	o.t.Helper()
	a := o.ask("GET", what, "")

	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != 200 {
		o.t.Fatalf("%s: %d %s", what, a.status, a.body)
	}

	return m
}

// played is a campaign with a kept, a reverted and an undecided experiment.
func played(t *testing.T) *campaign {
	t.Helper()
	c := newCampaign(t)
	c.do("start_campaign", "{}")
	c.done(c.do("wait_run", "{}"))
	c.write("value.txt", "90\n")
	c.done(c.do("run_experiment", `{"hypothesis": "smaller <img src=x onerror=alert(1)>\nsecond line"}`))
	c.do("keep", "{}")
	c.write("value.txt", "95\n")
	c.done(c.do("run_experiment", `{"hypothesis": "larger"}`))
	c.do("revert", `{"lesson": "larger is worse"}`)
	c.do("share", `{"ops": [{"op": "add", "idea": "try seventy"}]}`)
	c.write("value.txt", "91\n")
	c.done(c.do("run_experiment", `{"hypothesis": "a little larger"}`))

	return c
}

// at is a value inside what get gives, by keys and indexes.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()

	for _, p := range path {
		switch k := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				t.Fatalf("%v: no entry %d in %v", path, k, v)
			}
			v = l[k]
		}
	}

	return v
}

func wantAt(t testing.TB, v any, want any, path ...any) {
	t.Helper()

	if diff := cmp.Diff(want, at(t, v, path...)); diff != "" {
		t.Errorf("%v (-want +got):\n%s", path, diff)
	}
}

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
