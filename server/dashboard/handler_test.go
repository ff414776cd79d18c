package dashboard_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"ratchet/internal/plots"
	"strings"
	"testing"

	"ratchet/server"
)

func TestDashboardReads(t *testing.T) {
	t.Parallel()
	c := played(t)
	o := c.look(server.RoleRead)

	repos := o.get("repos")
	wantAt(t, repos, "read", "role")
	wantAt(t, repos, c.dir, "repos", 0, "path")
	wantAt(t, repos, 3.0, "repos", 0, "campaigns", 0, "experiments")

	s := o.get("state")
	for _, w := range []struct {
		want any
		path []any
	}{
		{c.dir, []any{"repo"}}, {"read", []any{"role"}}, {"tiny", []any{"campaign", "name"}}, {"lower",
			[]any{"campaign", "metric", "better"}},
		{false, []any{"campaign", "noisy"}}, {nil, []any{"campaign", "rests"}}, {90.0, []any{"campaign", "best"}},
		{100.0, []any{"campaign", "baseline"}}, {map[string]any{"improved": 1.0, "regressed": 2.0},
			[]any{"campaign", "verdicts"}}, {197.0, []any{"left", "experiments"}}, {20.0, []any{"budget", "wall_s"}},
		{[]any{}, []any{"running"}}, {"test", []any{"sessions", 0, "client"}}, {1.0, []any{"sessions", 0, "kept"}},
		{"try seventy", []any{"ideas", 0, "text"}}, {"open", []any{"ideas", 0, "status"}}, {2.0,
			[]any{"lessons", 0, "experiment"}}, {[]any{}, []any{"notes"}},
	} {
		wantAt(t, s, w.want, w.path...)
	}

	for _, kind := range plots.Kinds {
		if a := o.ask("GET", "plot?theme=dark&kind="+kind, ""); a.status != 200 ||
			a.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(a.body, "<svg") {
			t.Errorf("plot %s: %d %v", kind, a.status, a.header)
		}
	}
	wantAt(t, o.get("progress"), 3.0, "total")
	wantAt(t, o.get("progress?limit=1"), 3.0, "from")

	page := o.get("experiments?limit=2")
	wantAt(t, page, 3.0, "rows", 0, "n")
	wantAt(t, page, "unresolved", "rows", 0, "status")
	wantAt(t, page, "90 → 95, 5.56 % more", "rows", 1, "gain_text")
	page = o.get("experiments?limit=2&cursor=" + page["next"].(string))
	wantAt(t, page, 1.0, "rows", 0, "n")
	wantAt(t, page, "smaller <img src=x onerror=alert(1)>", "rows", 0, "hypothesis") // text, for textContent
	wantAt(t, page, "", "next")

	for what, want := range map[string]float64{"status=kept": 1, "verdict=improved": 1, "query=little": 3,
		"verdict=regressed&status=reverted": 2} {
		rows := o.get("experiments?" + what)["rows"].([]any)
		if len(rows) != 1 || at(t, rows, 0, "n") != want {
			t.Errorf("%s: %v", what, rows)
		}
	}
}

func TestDashboardShowsAnExperiment(t *testing.T) {
	t.Parallel()
	c := played(t)
	o := c.look(server.RoleRead)

	x := o.get("experiments/3")
	if why, _ := at(t, x, "overridable", "why").(string); why == "" {
		t.Errorf("a person may override x3: %v", x["overridable"])
	}
	wantAt(t, x, 91.0, "runs", 0, "samples", "score")
	wantAt(t, x, "candidate", "runs", 0, "side")
	wantAt(t, x, []any{}, "evidence")
	wantAt(t, x, false, "diff_truncated")

	if diff := x["diff"].(string); !strings.Contains(diff, "-90\n+91\n") {
		t.Errorf("diff %q", diff)
	}

	if e, _ := x["enforced"].(map[string]any); e["deadline"] == nil {
		t.Errorf("no enforcement report: %v", e)
	}
	x = o.get("experiments/1")
	wantAt(t, x, nil, "overridable")
	wantAt(t, x, "smaller <img src=x onerror=alert(1)>\nsecond line", "hypothesis")
	wantAt(t, x, "better: score 100 → 90, 10 % less (deterministic, two equal runs)", "words")

	wantAt(t, o.get("output?id=x1"), "METRIC score=90\n", "text")
	wantAt(t, o.get("output?id=x1&cursor=0&limit=6"), "METRIC", "text")
	wantAt(t, o.get("output?id=x1&cursor=0&limit=6"), "6", "next")

	p := o.get("program")
	wantAt(t, p, false, "changed")
	wantAt(t, p, nil, "pending")
	wantAt(t, p, programText, "text")
	c.write("program.md", strings.Replace(programText, "wall: 20s", "wall: 25s", 1))
	p = o.get("program")
	wantAt(t, p, true, "changed")

	if diff, _ := at(t, p, "pending", "diff").(string); diff != " budget:\n-  wall: 20s\n+  wall: 25s\n" {
		t.Errorf("pending: %v", p["pending"])
	}
	wantAt(t, o.get("state"), true, "campaign", "changed")
	c.write("program.md", "nonsense")

	if p = o.get("program"); p["problem"] == "" {
		t.Errorf("an unreadable program has no problem: %v", p)
	}
}

// What is refused, and how: statuses, and errors that the page can show.
func TestDashboardRefuses(t *testing.T) {
	t.Parallel()
	c := played(t)
	o := c.look(server.RoleRead)
	agent, person := o.as(server.RoleAgent), o.as(server.RolePerson)

	long := strings.Repeat("x", 5000)
	for _, w := range []struct {
		who          *observer
		method, what string
		body         string
		status       int
		code         string
	}{
		{o, "GET", "nothing", "", 404, "not_found"},
		{o, "GET", "experiments/99", "", 404, "not_found"},
		{o, "GET", "experiments/1%2f2", "", 404, "not_found"},
		{o, "GET", "experiments/-1", "", 404, "not_found"},
		{o, "GET", "experiments/99999999999999999999", "", 404, "not_found"},
		{o, "GET", "state?campaign=other", "", 404, "no_campaign"},
		{o, "GET", "state?campaign=%00", "", 404, "no_campaign"},
		{o, "POST", "state", "{}", 405, "bad_argument"},
		{o, "DELETE", "experiments/1", "", 405, "bad_argument"},
		{o, "GET", "steer", "", 405, "bad_argument"},
		{o, "GET", "progress?limit=-1", "", 400, "bad_argument"},
		{o, "GET", "progress?limit=1e9", "", 400, "bad_argument"},
		{o, "GET", "experiments?limit=99999999999999999999", "", 400, "bad_argument"},
		{o, "GET", "experiments?cursor=x", "", 400, "bad_argument"},
		{o, "GET", "experiments?cursor=-1", "", 400, "bad_argument"},
		{o, "GET", "experiments?status=kept%27--", "", 400, "bad_argument"},
		{o, "GET", "experiments?verdict=" + long, "", 400, "bad_argument"},
		{o, "GET", "experiments?query=" + long, "", 400, "bad_argument"},
		{o, "GET", "output?id=x1&cursor=17", "", 400, "bad_argument"},
		{o, "GET", "output?id=../../etc/passwd", "", 400, "bad_argument"},
		{o, "GET", "output?id=x9", "", 404, "not_found"},
		{o, "GET", "plot?kind=pie", "", 400, "bad_argument"},
		{o, "GET", "plot?theme=%3Cscript%3E", "", 400, "bad_argument"},
		{o, "POST", "steer", `{"action":"pause"}`, 403, "forbidden"},
		{agent, "POST", "steer", `{"action":"pause"}`, 403, "forbidden"},
		{agent, "POST", "steer", `{"action":"accept","confirm":"tiny"}`, 403, "forbidden"},
		{person, "POST", "steer", `{"action":"dance"}`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"pause","force":true}`, 400, "bad_argument"},
		{person, "POST", "steer", `pause`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"pause"}{}`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"note","text":"` + strings.Repeat("x", 2001) + `"}`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"note","text":" \u0007 "}`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"idea","text":""}`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"stop"}`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"override","confirm":"tiny"}`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"override","id":"x3","confirm":"Tiny"}`, 400, "bad_argument"},
		{person, "POST", "steer", `{"action":"override","id":"x1","confirm":"tiny"}`, 409, "verdict_forbids"},
		{person, "POST", "steer", `{"action":"accept","confirm":"tiny"}`, 409, "conflict"},
		{person, "POST", "steer", `{"action":"note","text":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "bad_argument"},
	} {
		o.wantRefused(w.who.ask(w.method, w.what, w.body), w.status, w.code,
			w.method+" "+w.what[:min(len(w.what), 80)]+" "+w.body[:min(len(w.body), 80)])
	}
	o.wantRefused(person.do("POST", "http://"+o.addr+"/ui/api/steer?repo="+url.QueryEscape(c.dir), "action=pause",
		"Authorization", "Bearer "+person.with, "Content-Type", "application/x-www-form-urlencoded"), 415,
		"bad_argument", "a form")

	for name, bad := range map[string]string{"no token": "", "a wrong one": "Bearer nonsense"} {
		o.wantRefused(o.do("GET", "http://"+o.addr+"/ui/api/state", "", "Authorization", bad), 401, "unauthorized",
			name)
	}

	for _, who := range []*observer{o, person} { // neither opens MCP
		if a := o.do("POST", "http://"+o.addr+"/mcp?repo="+url.QueryEscape(c.dir),
			`{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Authorization",
			"Bearer "+who.with); a.status != http.StatusForbidden {
			t.Errorf("/mcp with a token for the dashboard: %d %s", a.status, a.body)
		}
	}
	wantAt(t, agent.get("state"), "agent", "role")
}

func TestDashboardStaysInItsFolders(t *testing.T) {
	t.Parallel()
	c := newCampaign(t)

	o := c.look(server.RoleRead)
	for _, dir := range []string{newCampaign(t).dir, "/", "/etc", c.dir + "/../..", c.dir + "/.git"} {
		o.wantRefused((&observer{o.httpServer, dir, o.with}).ask("GET", "state", ""), 403, "repository", dir)
	}
	o.wantRefused((&observer{o.httpServer, "relative", o.with}).ask("GET", "state", ""), 400, "bad_argument",
		"a relative path")

	for _, header := range [][]string{{"Host", "evil.example"}, {"Origin", "https://evil.example"}} {
		a := o.do("GET", "http://"+o.addr+"/ui/api/state", "", append(header, "Authorization", "Bearer "+o.with)...)
		if a.status != http.StatusForbidden {
			t.Errorf("%v: %d", header, a.status)
		}
	}
	o.wantRefused(o.ask("GET", "state", ""), 404, "no_campaign", "a repository without a campaign")
	wantAt(t, o.get("repos"), []any{}, "repos", 0, "campaigns")
}

func TestDashboardPage(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, t.TempDir())
	get := func(method, path string, headers ...string) answer {
		return s.do(method, "http://"+s.addr+path, "", append([]string{"Authorization", ""}, headers...)...)
	}

	a := get("GET", "/ui/")
	for k, want := range map[string]string{"Content-Type": "text/html; charset=utf-8",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"} {
		if got := a.header.Get(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}

	if a.status != 200 || !strings.Contains(a.body, "<title>") {
		t.Errorf("the page: %d %s", a.status, a.body)
	}

	tag := a.header.Get("ETag")
	if b := get("GET", "/ui/", "If-None-Match", `"other", W/`+tag); tag == "" || b.status != http.StatusNotModified ||
		b.body != "" {
		t.Errorf("asked again: %d %q", b.status, b.body)
	}

	if b := get("HEAD", "/ui/"); b.status != 200 || b.body != "" ||
		b.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
		t.Errorf("HEAD: %d %v", b.status, b.header)
	}

	for _, from := range []string{"/", "/ui"} { // the client follows
		if b := get("GET", from); b.status != 200 || b.body != a.body {
			t.Errorf("%s leads to %d", from, b.status)
		}
	}
	entries, err := os.ReadDir("assets")
	must(t, err)

	for _, e := range entries {
		if b := get("GET", "/ui/assets/"+e.Name()); !e.IsDir() &&
			(b.status != 200 || b.header.Get("Content-Security-Policy") == "" || b.header.Get("Content-Type") == "") {
			t.Errorf("%s: %d %v", e.Name(), b.status, b.header)
		}
	}

	for _, bad := range []string{"/ui/assets/", "/ui/assets/none.js", "/ui/assets/../index.html",
		"/ui/assets/..%2findex.html", "/ui/assets/..%2f..%2f..%2fetc/passwd", "/ui/assets//etc/passwd",
		"/ui/assets/%00", "/ui/embed.go", "/ui/index.html", "/ui/assets/..%5cembed.go", "/uix", "/elsewhere"} {
		if b := get("GET", bad); b.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", bad, b.status, b.body)
		}
	}

	for _, path := range []string{"/", "/ui", "/ui/", "/ui/assets/x.js"} {
		if b := get("POST", path); b.status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, b.status)
		}
	}
}
