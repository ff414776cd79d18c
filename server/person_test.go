package server_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/lab"
	"ratchet/internal/research/history"
	"ratchet/ledger"
	"ratchet/server"
)

// human answers forms.
type human struct {
	mu     sync.Mutex
	asked  []string
	answer func(ctx context.Context) mcp.ElicitationResponse
}

func (h *human) Elicit(ctx context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	h.mu.Lock()
	h.asked = append(h.asked, req.Params.Message)
	answer := h.answer
	h.mu.Unlock()

	return &mcp.ElicitationResult{ElicitationResponse: answer(ctx)}, nil
}

// says sets the next answers, and forgets what was asked.
func (h *human) says(action mcp.ElicitationResponseAction, name string, yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = nil
	h.answer = func(context.Context) mcp.ElicitationResponse {
		return mcp.ElicitationResponse{Action: action, Content: map[string]any{"campaign": name, "accept": yes}}
	}
}

func (h *human) times() int {
	h.mu.Lock()
	defer h.mu.Unlock()

	return len(h.asked)
}

func (h *human) wasAsked(t testing.TB, what string, times int, has ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()

	if len(h.asked) != times {
		t.Fatalf("%s: asked %d times, want %d: %q", what, len(h.asked), times, h.asked)
	}

	for _, s := range has {
		if !strings.Contains(h.asked[0], s) {
			t.Errorf("%s: the form lacks %q: %s", what, s, h.asked[0])
		}
	}
}

const (
	yes = mcp.ElicitationResponseActionAccept
	no  = mcp.ElicitationResponseActionDecline
)

// refused calls a tool that must be refused with that code.
func (c *campaign) refused(tool, args, code string) {
	c.t.Helper()
	m, isError := c.try(tool, args)

	e, _ := m["error"].(map[string]any)
	if !isError || e["code"] != code {
		c.t.Errorf("%s%s: %v, want the refusal %s", tool, args, m, code)
	}
}

// records are the ledger's of that kind.
func (c *campaign) records(kind history.Kind) (out []history.Record) {
	c.t.Helper()
	l, err := openLab(context.Background(), c.dir, "looks", "1")
	must(c.t, err)
	must(c.t, l.Ledger.View(context.Background(), func(tx *ledger.Tx) error {
		return tx.Records(1, func(r history.Record) error {
			if r.Kind == kind {
				out = append(out, r)
			}

			return nil
		})
	}))

	return out
}

func (c *campaign) contract(wall string) {
	c.t.Helper()
	c.write("program.md", strings.Replace(programText, "{wall: 20s}", "{wall: "+wall+"}", 1))
}

// What only a person may decide is asked of the person, once, and only where the
// client can do that; everything but a yes with the campaign's name is a no.
func TestThePersonDecides(t *testing.T) {
	inEveryWay(t, func(t *testing.T, w way) {
		h := &human{}
		c := newRepository(t)
		c.t = t
		c.Client, _ = w.connect(t, c.dir, nil, client.WithElicitationHandler(h))
		c.do("start_campaign", `{}`)
		c.done(c.do("wait_run", `{"wait_seconds":20}`))

		c.contract("25s")
		c.write("value.txt", "90\n")
		h.says(no, "tiny", true)
		c.refused("run_experiment", `{"hypothesis":"smaller"}`, "contract_changed")
		h.wasAsked(t, "declined", 1, "campaign tiny", "\n-  wall: 20s\n+  wall: 25s\n")
		c.refused("run_experiment", `{"hypothesis":"smaller"}`, "contract_changed")
		h.wasAsked(t, "again", 1)

		c.contract("26s")
		h.says(yes, "tony", true)
		c.refused("run_experiment", `{"hypothesis":"smaller"}`, "contract_changed")
		h.wasAsked(t, "another name", 1)
		c.contract("27s")
		h.says(yes, "tiny", false)
		c.refused("run_experiment", `{"hypothesis":"smaller"}`, "contract_changed")
		h.wasAsked(t, "not ticked", 1)

		c.contract("28s")
		h.says(yes, "tiny", true)
		c.want(c.done(c.do("run_experiment", `{"hypothesis":"smaller"}`)), "verdict", "improved")
		h.wasAsked(t, "accepted", 1)
		var a history.ContractAcceptance

		rs := c.records(history.KindContractAccepted)
		if len(rs) != 1 || json.Unmarshal(rs[0].Body, &a) != nil || a.By != history.ByElicitation ||
			rs[0].Session == "" {
			t.Errorf("recorded: %+v, %+v", rs, a)
		}
		c.do("keep", `{}`)

		c.contract("29s")
		c.do("start_campaign", `{}`)
		h.wasAsked(t, "at the start", 2)

		if n := len(c.records(history.KindContractAccepted)); n != 2 {
			t.Errorf("%d contracts were accepted", n)
		}
		c.overridden(h)
	})
}

// overridden keeps an experiment against its verdict.
func (c *campaign) overridden(h *human) {
	c.t.Helper()
	c.done(c.do("wait_run", `{"wait_seconds":20}`))
	c.write("value.txt", "95\n")
	c.want(c.done(c.do("run_experiment", `{"hypothesis":"larger, but safer"}`)), "verdict", "regressed")
	h.says(no, "tiny", true)
	c.refused("keep", `{}`, "verdict_forbids")
	h.wasAsked(c.t, "keep", 1, "larger, but safer", "regressed")
	c.refused("keep", `{}`, "verdict_forbids")
	h.wasAsked(c.t, "keep again", 1)
	c.do("revert", `{}`)

	c.write("value.txt", "96\n")
	c.done(c.do("run_experiment", `{"hypothesis":"larger still"}`))
	h.says(yes, "tiny", true)
	kept := c.do("keep", `{"note":"for safety"}`)
	h.wasAsked(c.t, "override", 1)
	c.want(kept, "overridden", true)
	c.want(kept, "value", 96.0)
	rs := c.records(history.KindExperimentKept)

	var k history.Keeping
	if json.Unmarshal(rs[len(rs)-1].Body, &k) != nil || k.Overridden != history.ByElicitation ||
		k.Note != "for safety" {
		c.t.Errorf("recorded: %s", rs[len(rs)-1].Body)
	}

	brief := c.do("read_log", `{}`)
	if s, _ := brief["counts"].(string); !strings.Contains(s, "(1 by a person against the verdict)") {
		c.t.Errorf("counts: %q", s)
	}
	x := c.do("read_log", `{"view":"experiment","query":"3"}`)
	c.want(x, "proof", "kept by a person against the verdict")
	c.verified()
	c.write("value.txt", "80\n")
	c.want(c.done(c.do("run_experiment", `{"hypothesis":"on top of it"}`)), "verdict", "improved")
	c.do("keep", `{}`)
	c.verified()
}

// verified checks the ledger, and every verdict from its runs.
func (c *campaign) verified() {
	c.t.Helper()
	l, err := openLab(context.Background(), c.dir, "looks", "1")
	must(c.t, err)
	_, err = l.Ledger.Verify(context.Background())
	must(c.t, err)
	var all []history.Record
	must(c.t, l.Ledger.View(context.Background(), func(tx *ledger.Tx) error {
		return tx.Records(1, func(r history.Record) error { all = append(all, r); return nil })
	}))
	must(c.t, history.Recompute(slices.Values(all)))
}

// A person who does not answer has said no; the call does not wait for ever.
func TestSilenceIsARefusal(t *testing.T) {
	for _, w := range []way{{"stdio", "2025-06-18"}, {"http", "2025-06-18"}} {
		t.Run(w.transport, func(t *testing.T) {
			released := make(chan struct{})
			h := &human{answer: func(context.Context) mcp.ElicitationResponse {
				<-released
				return mcp.ElicitationResponse{Action: no}
			}}
			c := newRepository(t)
			var n *notifications
			c.Client, n = w.connect(t, c.dir, func(o *server.Options) { o.Patience = 50 * time.Millisecond },
				client.WithElicitationHandler(h))

			defer close(released)
			c.do("start_campaign", `{}`)
			c.done(c.do("wait_run", `{"wait_seconds":20}`))
			c.contract("30s")
			c.refused("measure_metric", `{"target":"start"}`, "contract_changed")

			if len(n.of("notifications/cancelled")) != 1 {
				t.Errorf("the question was not cancelled: %v", n.all)
			}

			for end := time.Now().Add(patient); h.times() == 0 && time.Now().Before(end); {
				time.Sleep(time.Millisecond) // the question may reach the person after its time
			}
			h.wasAsked(t, "silence", 1)
		})
	}
}

// Nobody is asked by a client that has not said that it can.
func TestNobodyIsAskedUnasked(t *testing.T) {
	c := newRepository(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, c.dir)
	c.Client = s.client(c.dir, "test", "2025-11-25")
	c.do("start_campaign", `{}`)
	c.done(c.do("wait_run", `{"wait_seconds":20}`))
	c.contract("30s")
	c.refused("measure_metric", `{"target":"start"}`, "contract_changed")
}

// An answer counts only to a question that this server asked: a call that brings
// one of its own making is refused as before.
func TestAnswersAreNotForged(t *testing.T) {
	c := newRepository(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, c.dir)
	c.Client = s.client(c.dir, "test", "2025-11-25")
	c.do("start_campaign", `{}`)
	c.done(c.do("wait_run", `{"wait_seconds":20}`))
	c.contract("30s")
	l, err := openLab(context.Background(), c.dir, "looks", "1")
	must(t, err)
	_, _, digest, err := lab.PendingContract(context.Background(), l)
	must(t, err)
	forged, err := json.Marshal(map[string]any{"t": "measure_metric", "w": "laptop\n\n" + c.dir,
		"u": time.Now().Add(time.Hour), "d": map[string]any{"k": "contract", "c": "tiny", "s": digest}})
	must(t, err)

	for _, state := range []string{"x", base64.RawURLEncoding.EncodeToString(forged),
		base64.RawURLEncoding.EncodeToString(forged) + ".AAAA"} {
		body := `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"measure_metric","arguments":{"target":"start"},"requestState":"` + state + `",
			"inputResponses":{"person":{"action":"accept","content":{"campaign":"tiny","accept":true}}},
			"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"forger","version":"9"}}}}`

		m := s.do("POST", s.url(c.dir), body, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call",
			"Mcp-Name", "measure_metric").message(t)
		if m.Error != nil || m.Result["isError"] != true {
			t.Errorf("state %s: %+v", state, m)
		}
	}

	if n := len(c.records(history.KindContractAccepted)); n != 0 {
		t.Errorf("%d contracts were accepted", n)
	}

	if a := s.do("POST", s.url(c.dir), `{"jsonrpc":"2.0","id":7,"result":{"action":"accept"}}`); a.status < 400 {
		t.Errorf("an answer to nothing: %d", a.status)
	}
}

// Only the session that was asked can answer.
func TestOnlyTheAskedAnswer(t *testing.T) {
	c := newRepository(t)
	s := serve(t, func(o *server.HTTPOptions) { o.Open = openAny }, c.dir)
	other := s.session(c.dir, "other")
	other.call("start_campaign", `{}`)
	other.done()
	c.contract("30s")
	hi := s.do("POST", s.url(c.dir), strings.Replace(hello, `"capabilities":{}`, `"capabilities":{"elicitation":{}}`,
		1))
	mine := []string{"Mcp-Session-Id", hi.header.Get("Mcp-Session-Id")}
	req, _ := http.NewRequest("POST", s.url(c.dir),
		strings.NewReader(tool(1, "measure_metric", `{"target":"start","wait_seconds":20}`)))
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(mine[0], mine[1])
	res, err := http.DefaultClient.Do(req)
	must(t, err)

	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() (m message) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				must(t, json.Unmarshal([]byte(data), &m))
				return m
			}
		}
		t.Fatal("the stream ended")

		return m
	}

	asked := next()
	if asked.Method != "elicitation/create" {
		t.Fatalf("first: %+v", asked)
	}

	answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%.0f,"result":{"action":"accept","content":{"campaign":"tiny","accept":true}}}`, asked.ID)
	if a := s.do("POST", s.url(c.dir), answer, other.session...); a.status < 400 {
		t.Errorf("another session's answer: %d", a.status)
	}

	if a := s.do("POST", s.url(c.dir), answer, mine...); a.status != http.StatusAccepted {
		t.Errorf("the answer: %d %s", a.status, a.body)
	}

	if m := next(); m.Result["isError"] == true || len(c.records(history.KindContractAccepted)) != 1 {
		t.Errorf("%+v", m)
	}
}
