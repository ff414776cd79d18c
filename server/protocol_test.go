package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/internal/view"
	"ratchet/server"
)

// What a client can do besides calling tools, in every way that it may come.
func TestTheRestOfTheProtocol(t *testing.T) {
	inEveryWay(t, func(t *testing.T, w way) {
		c := newRepository(t)
		c.t = t
		var n *notifications
		c.Client, n = w.connect(t, c.dir, nil)
		ctx := context.Background()

		rs, err := c.ListResources(ctx, mcp.ListResourcesRequest{})
		if err != nil || len(rs.Resources) != 3 || rs.NextCursor != "" {
			t.Errorf("before the start: %+v, %v", rs, err)
		}
		c.complete("resume", "campaign", "")
		var level mcp.SetLevelRequest
		level.Params.Level = mcp.LoggingLevelInfo
		must(t, c.SetLevel(ctx, level)) //lint:ignore SA1019 the older protocols have it
		c.do("start_campaign", `{}`)
		c.done(c.do("wait_run", `{"wait_seconds":20}`))

		for i, v := range []string{"90\n", "95\n"} {
			c.write("value.txt", v)
			c.done(c.do("run_experiment", fmt.Sprintf(`{"hypothesis":"try\n%d"}`, i+1)))
			c.do([]string{"keep", "revert"}[i], `{}`)
		}
		c.complete("resume", "campaign", "T", "tiny")
		c.complete("resume", "campaign", "x")
		c.complete("setup", "domain", "gpu", "gpu-kernel")
		c.complete("ratchet://experiments/{n}", "n", "", "2", "1")
		c.complete("ratchet://experiments/{n}", "n", "1", "1")

		rs, err = c.ListResources(ctx, mcp.ListResourcesRequest{})
		if err != nil || len(rs.Resources) != 5 {
			t.Fatalf("all pages: %+v, %v", rs, err)
		}

		for i, want := range []string{"ratchet://experiments/2 x2 reverted: try",
			"ratchet://experiments/1 x1 kept: try"} {
			r := rs.Resources[3+i]
			if got := r.URI + " " + r.Name + " " + r.Description; got != want {
				t.Errorf("resource %d: %q", i, got)
			}
			var read mcp.ReadResourceRequest

			read.Params.URI = r.URI
			if _, err := c.ReadResource(ctx, read); err != nil {
				t.Errorf("%s: %v", r.URI, err)
			}
		}
		var said []string

		for _, m := range n.of("notifications/message") {
			d, _ := m.Params.AdditionalFields["data"].(map[string]any)
			said = append(said, fmt.Sprint(m.Params.AdditionalFields["level"], " ", d["event"], " ", d["verdict"]))
		}

		want := []string{"info judged improved", "info kept <nil>", "info judged regressed", "info reverted <nil>"}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Errorf("the log: %s", diff)
		}

		changes := len(n.of("notifications/resources/list_changed"))
		if want := map[bool]int{true: 0,
			false: 3}[w.protocol == "2026-07-28"]; changes != want { // the newest protocol has a stream for them
			t.Errorf("told %d times that the list changed, want %d", changes, want)
		}
	})
}

// complete asks for completions of an argument of a prompt, or of a template.
func (c *campaign) complete(ref, argument, prefix string, want ...string) {
	c.t.Helper()
	var req mcp.CompleteRequest

	req.Params.Ref = mcp.PromptReference{Type: "ref/prompt", Name: ref}
	if strings.Contains(ref, "://") {
		req.Params.Ref = mcp.ResourceReference{Type: "ref/resource", URI: ref}
	}
	req.Params.Argument = mcp.CompleteArgument{Name: argument, Value: prefix}

	r, err := c.Complete(context.Background(), req)
	if err != nil || len(r.Completion.Values) != len(want) || strings.Join(r.Completion.Values,
		" ") != strings.Join(want, " ") {
		c.t.Errorf("%s %s=%q: %+v, %v, want %v", ref, argument, prefix, r, err, want)
	}
}

// A session that says nothing of a log hears of none.
func TestNoLogUnasked(t *testing.T) {
	testform.SkipQuick(t, "TestNotesAreToldOnce")
	for _, w := range []way{{"stdio", "2025-06-18"}, {"http", "2025-06-18"}, {"http", "2026-07-28"}} {
		c := newRepository(t)
		var n *notifications
		c.Client, n = w.connect(t, c.dir, nil)
		c.do("start_campaign", `{}`)
		c.done(c.do("wait_run", `{"wait_seconds":20}`))
		c.write("value.txt", "90\n")
		c.done(c.do("run_experiment", `{"hypothesis":"try"}`))
		c.do("keep", `{}`)

		if len(n.all) > 0 {
			t.Errorf("%v: unasked: %v", w, n.all)
		}
	}
}

// Levels belong to the session that sets them.
func TestLevelsAreNotShared(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	s := serve(t, func(o *server.HTTPOptions) {
		o.Open = func(context.Context, string, string, string) (*checkout.Checkout, error) { panic("fails inside") }
	}, dir)
	loud, quiet := s.session(dir, "loud"), s.session(dir, "quiet")
	s.do("POST", s.url(dir), `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"debug"}}`,
		loud.session...)
	s.do("POST", s.url(dir), `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"emergency"}}`,
		quiet.session...)

	for _, tt := range []struct {
		who  *curl
		want bool
	}{{loud, true}, {quiet, false}} {
		a := s.do("POST", s.url(dir), tool(1, "keep", `{}`), tt.who.session...)
		if strings.Contains(a.body, `"level":"error"`) != tt.want {
			t.Errorf("told: %t\n%s", !tt.want, a.body)
		}
	}
}

// What a call has to say besides its answer stands before it, every time, over
// HTTP on the call's own stream: queued beside the answer, one in four was lost.
func TestNotificationsStandBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	dir := newRepository(t).dir
	s := serve(t, nil, dir)

	one := s.session(dir, "follows")
	for _, uri := range []string{"ratchet://brief", "ratchet://log.tsv", "ratchet://program"} {
		s.do("POST", s.url(dir),
			fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":%q}}`, uri),
			one.session...)
	}

	for i := range 60 {
		a := s.do("POST", s.url(dir), tool(i, "keep", `{}`), one.session...)

		answer := strings.Index(a.body, `"isError":true`)
		if n := strings.Count(a.body[:max(0, answer)],
			`"notifications/resources/updated"`); a.status != http.StatusOK || n != 3 {
			t.Fatalf("call %d: %d of 3 before the answer: %s", i, n, a.body)
		}
	}
}

// Who follows a resource hears of what other processes append.
func TestFollowersHearOfOthers(t *testing.T) {
	for _, w := range []way{{"stdio", "2025-11-25"}, {"stdio", "2026-07-28"}, {"http", "2026-07-28"}} {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			c := started(t)
			c.t = t
			var n *notifications
			c.Client, n = w.connect(t, c.dir, nil)
			c.do("read_log", `{}`)
			c.follow(w, "ratchet://brief")
			other, err := openLab(context.Background(), c.dir, "other", "1")
			must(t, err)

			for end := time.Now().Add(patient); len(n.of("notifications/resources/updated")) == 0; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("never told")
				}

				if _, err := lab.Share(context.Background(), other,
					[]lab.ShareOp{{Op: "add", Idea: time.Now().String()}}); err != nil {
					t.Fatal(err)
				}
			}

			m := n.of("notifications/resources/updated")[0]
			if m.Params.AdditionalFields["uri"] != "ratchet://brief" ||
				(m.Params.Meta["io.modelcontextprotocol/subscriptionId"] != nil) != (w.protocol == "2026-07-28") {
				t.Errorf("%+v", m.Params)
			}
		})
	}
}

// follow subscribes to a resource as the protocol has it.
func (c *campaign) follow(w way, uri string) {
	c.t.Helper()

	if w.protocol != "2026-07-28" {
		var req mcp.SubscribeRequest
		req.Params.URI = uri
		must(c.t, c.Subscribe(context.Background(), req)) //lint:ignore SA1019 the older protocols have it

		return
	}
	ctx, cancel := context.WithCancel(context.Background())

	done := make(chan error, 1)
	go func() { done <- c.Listen(ctx, mcp.SubscriptionFilter{ResourceSubscriptions: []string{uri}}) }()
	c.t.Cleanup(func() { cancel(); <-done })
}

// What an agent was told is counted for its session, in the ledger, without
// records that only count, but for the last one.
func TestAnswersAreCounted(t *testing.T) {
	for _, transport := range []string{"stdio", "http"} {
		t.Run(transport, func(t *testing.T) {
			c := newRepository(t)
			c.t = t
			c.Client, _ = way{transport, "2025-11-25"}.connect(t, c.dir, nil)
			c.do("start_campaign", `{}`)
			c.done(c.do("wait_run", `{"wait_seconds":20}`))

			before := len(c.records(history.KindSessionAnswered))
			for range 5 {
				c.do("read_log", `{}`)
			}

			if n := len(c.records(history.KindSessionAnswered)); n != before {
				t.Errorf("calls that only read appended %d records", n-before)
			}
			c.do("share", `{"ops":[{"op":"add","idea":"one"}]}`)

			s := c.session()
			if a := s.Answers["read_log"]; a.N != 5 || a.Text < 5*200 || a.Structured < 5*200 || a.Text > 5*2048 {
				t.Errorf("counted %+v", s.Answers)
			}

			line, _ := c.do("read_log", `{"view":"sessions"}`)["sessions"].([]any)[0].(map[string]any)
			if line["answers"] != float64(s.AnswerTotal().N) || line["answer_bytes"] != float64(s.AnswerTotal().Text) {
				t.Errorf("shown %v, counted %+v", line, s.AnswerTotal())
			}
			must(t, c.Close())

			for end := time.Now().Add(patient); c.session().Answers["read_log"].N != 6; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("at the end: %+v", c.session().Answers)
				}
			}
			c.verified()
		})
	}
}

// session is the campaign's only one.
func (c *campaign) session() history.Session {
	c.t.Helper()
	l, err := openLab(context.Background(), c.dir, "looks", "1")
	must(c.t, err)
	ss, err := view.ListSessions(context.Background(), l)
	must(c.t, err)

	return ss[0].Session
}
