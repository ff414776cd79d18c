package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/ledger"
	"ratchet/server"
	"ratchet/tools"
)

// endedCampaign is a campaign with an experiment and its output that can't be
// changed any more: it was abandoned, and its program is gone.
func endedCampaign(t testing.TB) (dir string, l *checkout.Checkout) {
	t.Helper()
	c := newRepository(t)
	ctx := context.Background()
	l, err := openLab(ctx, c.dir, "fuzz", "1")
	must(t, err)
	call := func(tool, args string) {
		tt, _ := tools.Get(tool)
		_, err := tt.Call(ctx, tools.Env{Open: func(context.Context) (*checkout.Checkout, error) { return l, nil }},
			json.RawMessage(args))
		must(t, err)
	}
	call("start_campaign", `{}`)
	call("wait_run", `{"wait_seconds":50}`)
	c.write("value.txt", "90\n")
	call("run_experiment", `{"hypothesis":"smaller","wait_seconds":50}`)
	call("keep", `{}`)
	call("share", `{"ops":[{"op":"add","idea":"zero"}]}`)
	_, err = lab.Abandon(ctx, l, false)
	must(t, err, os.Remove(c.dir+"/program.md"))

	return c.dir, l
}

// hostileArguments are tried on every tool, and what fuzzing begins with.
var hostileArguments = []string{``, `{`, `null`, `[]`, `0`, `"x"`, `{}`, `{"id":"x1"}`, `{"id":1}`, `{"id":-1}`,
	`{"id":"x99999999999999999999"}`, `{"id":"../../etc/passwd"}`, `{"id":{"a":[]}}`,
	`{"view":"output","query":"x1","cursor":"-5","limit":-1}`, `{"view":"output","query":"c1","limit":1e9}`,
	`{"view":"table","cursor":"\u0000","limit":9223372036854775807}`, `{"view":"experiment","query":"\ud800"}`,
	`{"view":"brief","query":1}`, `{"hypothesis":"` + strings.Repeat("x", 3000) + `"}`,
	`{"hypothesis":"h","wait_seconds":0}`, `{"hypothesis":"h","wait_seconds":1e308}`,
	`{"target":"HEAD~1; rm -rf /","runs":0}`, `{"target":"--output=/tmp/x","runs":1,"paired_with":"start"}`,
	`{"ops":[]}`, `{"ops":[{"op":"add"}]}`, `{"ops":[{"op":"lesson","lesson":"\u001b[2J","idea":"x"}]}`,
	`{"ops":[null]}`, `{"ops":[{"op":"add","idea":"good"},{"op":"add"}]}`,
	`{"ops":[{"op":"lesson","lesson":"good"},{"op":"none"}]}`,
	`{"ops":[{"op":"add","idea":"good"},{"op":"claim","idea":"99"}]}`, `{"ops":[{"op":"claim"}]}`,
	`{"ops":[{"op":"release","idea":"-1"}]}`, `{"ops":[{"op":"drop","idea":"\u0000"}]}`,
	`{"program":"../../../etc/passwd"}`, `{"program":"/dev/zero"}`, `{"name":"--help"}`, `{"name":"../x"}`,
	`{"kind":"gpu","size":-1}`, `{"kind":"progress","size":"x"}`, `{"lesson":null}`, `{"lesson":"l","id":"x99"}`,
	`{"note":"\u202e"}`, `{"verdict":"improved"}`, `{"value":1}`}

// victim is a server, without connections, whose one laboratory hostile
// arguments are sent to.
type victim struct {
	h     *server.HTTP
	l     *checkout.Checkout
	token string
}

func newVictim(t testing.TB, dir string, l *checkout.Checkout) *victim {
	t.Helper()
	o, token := options(t, dir)
	o.Open = func(context.Context, string, string, string) (*checkout.Checkout, error) { return l, nil }
	o.Limits.Rate, o.Limits.Burst = 1e9, 1e9
	h, err := server.NewHTTP(o)
	must(t, err)

	return &victim{h, l, token}
}

// call sends a tool whatever is given as its arguments, checks that what comes
// back is an answer, and says whether the call succeeded.
func (v *victim) call(t *testing.T, name, args string) bool {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, name,
		args)
	r := httptest.NewRequest("POST", "http://localhost/mcp", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+v.token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	v.h.ServeHTTP(w, r)

	return checkAnswer(t, name, args, w)
}

// head is what no refused call may move.
func (v *victim) head(t testing.TB) (s ledger.Stamp) {
	t.Helper()
	s, err := v.l.Ledger.Stamp()
	must(t, err)

	return s
}

// FuzzTools: whatever is sent as a tool's arguments, the answer is an MCP
// result, an error has a code that is not internal, and nothing is changed.
func FuzzTools(f *testing.F) {
	for i, t := range tools.All() {
		n := byte(i)
		f.Add(n, goodArguments[t.Name])

		for _, seed := range hostileArguments {
			f.Add(n, seed)
		}
	}
	dir, l := endedCampaign(f)
	v := newVictim(f, dir, l)
	was := v.head(f)
	f.Fuzz(func(t *testing.T, which byte, args string) {
		name := tools.All()[int(which)%len(tools.All())].Name
		done := v.call(t, name, args)
		may := done && (name == "share" || name == "revert") // lessons and ideas are for every campaign

		now := v.head(t)
		if now != was && !may {
			t.Errorf("%s %q changed the ledger", name, args)
		}
		was = now
	})
}

// In a campaign under way much may be changed, but not by a call that is refused.
func TestRefusedCallsChangeNothing(t *testing.T) {
	t.Parallel()
	c := newRepository(t)
	l, err := openLab(context.Background(), c.dir, "hostile", "1")
	must(t, err)
	v := newVictim(t, c.dir, l)
	idle := func() {
		for range 10 {
			if v.call(t, "wait_run", `{"wait_seconds":20}`); !running(t, l) {
				return
			}
		}
		t.Fatal("a run never ends")
	}
	v.call(t, "start_campaign", `{}`)
	idle()
	c.write("value.txt", "90\n")
	v.call(t, "run_experiment", `{"hypothesis":"smaller","wait_seconds":20}`) // waits for a decision
	idle()
	refused := 0

	for _, tool := range tools.All() {
		for _, args := range hostileArguments {
			was := v.head(t)
			if v.call(t, tool.Name, args) {
				idle()
				continue
			}

			refused++

			if now := v.head(t); now != was {
				t.Errorf("%s %q was refused and changed the ledger", tool.Name, args)
			}
		}
	}

	if refused < 8*len(hostileArguments)/2 {
		t.Errorf("only %d calls were refused: this shows little", refused)
	}
}

// running says whether anything of the laboratory's campaign runs.
func running(t *testing.T, l *checkout.Checkout) (yes bool) {
	t.Helper()
	must(t, l.Ledger.View(t.Context(), func(tx *ledger.Tx) error {
		all, err := tx.Campaigns()
		for _, c := range all {
			yes = yes || len(c.Open) > 0
		}

		return err
	}))

	return yes
}

// checkAnswer says whether the call succeeded.
func checkAnswer(t *testing.T, name, args string, w *httptest.ResponseRecorder) bool {
	t.Helper()

	var m message
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || m.JSONRPC != "2.0" ||
		(m.Error == nil) == (m.Result == nil) {
		t.Fatalf("%s %q: %d no answer: %q (%v)", name, args, w.Code, w.Body, err)
	}

	if m.Error != nil {
		if m.Error.Code == -32603 {
			t.Errorf("%s %q: %s", name, args, w.Body)
		}

		return false
	}

	if m.Result["isError"] != true {
		return true
	}
	body, _ := m.Result["structuredContent"].(map[string]any)

	e, _ := body["error"].(map[string]any)
	if code, _ := e["code"].(string); code == "" || code == "internal" || e["next"] == "" {
		t.Errorf("%s %q: %s", name, args, w.Body)
	}

	return false
}
