package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/internal/view"
	"ratchet/server"
)

// session initialises one more session of a client in a checkout.
func (s *httpServer) session(repo, name string) *curl {
	s.t.Helper()
	a := s.do("POST", s.url(repo), strings.Replace(hello, `"raw"`, fmt.Sprintf("%q", name), 1))

	id := a.header.Get("Mcp-Session-Id")
	if a.status != 200 || id == "" {
		s.t.Fatalf("initialize: %d %s", a.status, a.body)
	}

	return &curl{httpServer: s, url: s.url(repo), session: []string{"Mcp-Session-Id", id}}
}

// leave ends the session.
func (c *curl) leave() {
	c.t.Helper()

	if a := c.do("DELETE", c.url, "", c.session...); a.status != http.StatusNoContent || a.body != "" {
		c.t.Errorf("DELETE: %d %s", a.status, a.body)
	}
}

// company is what start_campaign says of another session in the checkout, "" if nothing.
func (c *curl) company() string { return company(c.call("start_campaign", `{}`)) }

func company(started map[string]any) string {
	notes, _ := started["notes"].([]any)
	for _, n := range notes {
		if text := fmt.Sprint(n); strings.Contains(text, "another session works in this checkout") {
			return text
		}
	}

	return ""
}

// gone waits until a session is told of nobody. Who left has left at once, but a
// child that another test has just forked holds its mark until it executes.
func gone(t testing.TB, when string, company func() string) {
	t.Helper()

	text := company()
	for end := time.Now().Add(patient); text != ""; text = company() {
		if time.Now().After(end) {
			t.Fatalf("%s: %s", when, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// wantAlone wants the session to be told of nobody, wantCompany of who.
func (c *curl) wantAlone(when string) {
	c.t.Helper()
	gone(c.t, when, c.company)
}

func (c *curl) wantCompany(when, who string) {
	c.t.Helper()

	text := c.company()
	if !strings.Contains(text, "("+who+", pid ") || !strings.Contains(text, " ago)") || !strings.Contains(text,
		"git worktree add --detach ") {
		c.t.Errorf("%s: told %q, want company of %s", when, text, who)
	}
}

// started is a repository whose campaign has begun, and nobody in it.
func started(t *testing.T) *campaign {
	t.Helper()
	c := newRepository(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, c.dir)
	first := s.session(c.dir, "first")
	first.wantAlone("the very first")
	first.done()
	s.wait() // which is also how it leaves

	return c
}

// stdio is a session over standard streams.
func (c *campaign) stdio(t *testing.T) *campaign {
	return &campaign{t: t, dir: c.dir, Client: connect(t,
		server.Options{Open: func(ctx context.Context, name, version string) (*checkout.Checkout, error) {
			return openLab(ctx, c.dir, name, version)
		}})}
}

// Sessions notice each other in one checkout, whatever way they come, until
// they leave: two of one client in one server, HTTP beside standard streams.
func TestSessionsShareNoCheckout(t *testing.T) {
	testform.SkipQuick(t, "TestTwoRepositoriesInOneServer")
	t.Parallel()
	c := started(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, c.dir)
	one, two := s.session(c.dir, "agent"), s.session(c.dir, "agent")
	one.wantAlone("the server before has ended")
	two.wantCompany("two sessions of one client", "agent@laptop 1.2")
	one.wantAlone("the one that was first")
	t.Run("beside stdio", func(t *testing.T) {
		std := c.stdio(t)
		if text := company(std.do("start_campaign", `{}`)); !strings.Contains(text, "(agent@laptop 1.2, pid ") {
			t.Errorf("over standard streams: told %q", text)
		}
		one.leave()
		gone(t, "after DELETE", func() string { return company(std.do("start_campaign", `{}`)) })
		two.wantCompany("a session over standard streams", "test 0.1")
	})
	two.wantAlone("standard streams have ended")
	one.wantCompany("an id used again after DELETE", "agent@laptop 1.2")
	script := &curl{httpServer: s, url: s.url(c.dir)}
	two.leave()
	script.call("read_log", `{}`)
	one.wantAlone("a script that looks once is not a session")

	for _, headers := range [][]string{nil, {"Mcp-Session-Id", ""}} {
		if a := s.do("DELETE", s.url(c.dir), "", headers...); a.status != http.StatusBadRequest {
			t.Errorf("DELETE of no session: %d", a.status)
		}
	}

	if a := s.do("DELETE", s.url(c.dir), "", append(one.session, "Authorization",
		"")...); a.status != http.StatusUnauthorized {
		t.Errorf("DELETE without a token: %d", a.status)
	}
	other, err := s.tokens.Add("other", server.RoleAgent)
	must(t, err)
	s.do("DELETE", s.url(c.dir), "", append(one.session, "Authorization", "Bearer "+other)...)
	two.wantCompany("DELETE with another's token", "agent@laptop 1.2")
}

// A session that is silent for long, or one too many, leaves its checkout.
func TestSilentSessionsLeave(t *testing.T) {
	testform.SkipQuick(t, "TestClaimsOfThoseWhoLeft")
	t.Parallel()
	c, elsewhere := started(t), started(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open, o.Limits.Away = openAny, 100*time.Millisecond }, c.dir)
	s.session(c.dir, "silent").company()
	next := s.session(c.dir, "next")
	next.wantAlone("a silent session has left")
	s.wait()
	s = serve(t, func(o *server.HTTPOptions) { o.Open, o.Limits.Labs = openAny, 2 }, c.dir, elsewhere.dir)
	first, second := s.session(c.dir, "first"), s.session(c.dir, "second")
	first.wantAlone("the first of few")
	second.wantCompany("the second of two", "first@laptop 1.2")
	s.session(elsewhere.dir, "third").wantAlone("in another checkout")
	second.wantAlone("the first was one too many")

	if a := s.do("GET", "http://"+s.addr+"/metrics", ""); !strings.Contains(a.body, "\nratchet_laboratories 2\n") {
		t.Errorf("another number of laboratories than 2:\n%s", a.body)
	}
}

// A client that calls several tools at once, first of all, is one session.
func TestFirstCallsAtOnceAreOneSession(t *testing.T) {
	t.Parallel()
	c := started(t)
	const n = 4
	var entered sync.WaitGroup
	entered.Add(n)
	s := serve(t, func(o *server.HTTPOptions) {
		o.Open = func(ctx context.Context, checkout, name, version string) (*checkout.Checkout, error) {
			entered.Done()
			entered.Wait() // all of them open

			return openAny(ctx, checkout, name, version)
		}
	}, c.dir)
	one := s.session(c.dir, "hasty")

	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if a := s.do("POST", one.url, tool(i, "read_log", `{}`), one.session...); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	one.wantAlone("after calls at once")
}

// A claim falls at once with a session over standard streams. One over HTTP
// that has left may only be thinking: its claim lasts its term.
func TestClaimsOfThoseWhoLeft(t *testing.T) {
	t.Parallel()
	c := started(t)
	beside, err := openLab(t.Context(), c.dir, "looks on", "1")
	must(t, err)
	lapse := func(n int) history.Lapse {
		t.Helper()
		ideas, err := view.ListIdeas(t.Context(), beside, 0)
		must(t, err)

		for _, i := range ideas {
			if i.N == n && i.Holder != "" {
				return i.Lapse
			}
		}
		t.Fatalf("nobody claimed idea %d: %+v", n, ideas)

		return ""
	}
	claims := func(n int) string {
		return fmt.Sprintf(`{"ops":[{"op":"add","idea":"idea %c"},{"op":"claim","idea":"%d"}]}`, 'a'+n, n)
	}
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, c.dir)
	web := s.session(c.dir, "web")
	web.call("share", claims(1))
	web.leave()
	t.Run("over standard streams", func(t *testing.T) {
		c.stdio(t).do("share", claims(2))

		if l := lapse(2); l != "" {
			t.Errorf("while the session lives: %q", l)
		}
	})

	for end := time.Now().Add(patient); lapse(2) != history.LapseLeft; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("standard streams have ended, and the claim has not")
		}
	}

	if l := lapse(1); l != "" {
		t.Errorf("over HTTP, silent: %q", l)
	}
}
