package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"ratchet/internal/lab"
	"ratchet/server"
	"ratchet/tools"
)

// endedCampaign is a campaign with an experiment and its output that can't be
// changed any more: it was abandoned, and its program is gone.
func endedCampaign(t testing.TB) (dir string, l *lab.Lab) {
	t.Helper()
	c := newRepository(t)
	ctx := context.Background()
	l, err := openLab(ctx, c.dir, "fuzz", "1")
	must(t, err)
	call := func(tool, args string) {
		tt, _ := tools.Get(tool)
		_, err := tt.Call(ctx, tools.Env{Open: func(context.Context) (*lab.Lab, error) { return l, nil }}, json.RawMessage(args))
		must(t, err)
	}
	call("start_campaign", `{}`)
	call("wait_run", `{"wait_seconds":20}`)
	c.write("value.txt", "90\n")
	call("run_experiment", `{"hypothesis":"smaller","wait_seconds":20}`)
	call("keep", `{}`)
	call("share", `{"ops":[{"op":"add","idea":"zero"}]}`)
	_, err = l.Abandon(ctx, false)
	must(t, err, os.Remove(c.dir+"/program.md"))
	return c.dir, l
}

// FuzzTools: whatever is sent as a tool's arguments, the answer is an MCP
// result, an error has a code that is not internal, and nothing is changed.
func FuzzTools(f *testing.F) {
	for i, t := range tools.All() {
		n := byte(i)
		f.Add(n, goodArguments[t.Name])
		for _, seed := range []string{``, `{`, `null`, `[]`, `0`, `"x"`, `{}`, `{"id":"x1"}`, `{"id":1}`, `{"id":-1}`, `{"id":"x99999999999999999999"}`, `{"id":"../../etc/passwd"}`,
			`{"id":{"a":[]}}`, `{"view":"output","query":"x1","cursor":"-5","limit":-1}`, `{"view":"output","query":"c1","limit":1e9}`, `{"view":"table","cursor":"\u0000","limit":9223372036854775807}`,
			`{"view":"experiment","query":"\ud800"}`, `{"view":"brief","query":1}`, `{"hypothesis":"` + strings.Repeat("x", 3000) + `"}`, `{"hypothesis":"h","wait_seconds":0}`,
			`{"hypothesis":"h","wait_seconds":1e308}`, `{"target":"HEAD~1; rm -rf /","runs":0}`, `{"target":"--output=/tmp/x","runs":1,"paired_with":"start"}`, `{"ops":[]}`, `{"ops":[{"op":"add"}]}`,
			`{"ops":[{"op":"lesson","lesson":"\u001b[2J","idea":"x"}]}`, `{"ops":[null]}`, `{"program":"../../../etc/passwd"}`, `{"program":"/dev/zero"}`, `{"name":"--help"}`, `{"kind":"gpu","size":-1}`, `{"kind":"progress","size":"x"}`,
			`{"lesson":null}`, `{"note":"\u202e"}`, `{"verdict":"improved"}`, `{"value":1}`} {
			f.Add(n, seed)
		}
	}
	dir, l := endedCampaign(f)
	o, token := options(f, dir)
	o.Open = func(context.Context, string, string, string) (*lab.Lab, error) { return l, nil }
	o.Limits.Rate, o.Limits.Burst = 1e9, 1e9
	h, err := server.NewHTTP(o)
	must(f, err)
	was, err := l.Ledger().Stamp()
	must(f, err)
	f.Fuzz(func(t *testing.T, which byte, args string) {
		name := tools.All()[int(which)%len(tools.All())].Name
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, name, args)
		r := httptest.NewRequest("POST", "http://localhost/mcp", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		done := checkAnswer(t, name, args, w)
		may := done && (name == "share" || name == "revert") // lessons and ideas are for every campaign
		if now, err := l.Ledger().Stamp(); err != nil || now != was && !may {
			t.Errorf("%s %q changed the ledger (%v): %s", name, args, err, w.Body)
		} else {
			was = now
		}
	})
}

// checkAnswer says whether the call succeeded.
func checkAnswer(t *testing.T, name, args string, w *httptest.ResponseRecorder) bool {
	t.Helper()
	var m message
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || m.JSONRPC != "2.0" || (m.Error == nil) == (m.Result == nil) {
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
