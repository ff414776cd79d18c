package main_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/scripted"
	"ratchet/internal/testform"
	"ratchet/prompts"
)

var (
	clientRun   = flag.Duration("clients-run", 0, "how long a run of TestClients lasts (0: skip it)")
	clientTable = flag.String("clients-table", "", "where TestClients writes its table")
)

// columns are what is tried on each client and transport.
var columns = []string{"install", "list", "tools", "prompts", "resources", "campaign", "Ctrl-C", "resumes"}

// board holds what came out.
type board struct {
	mu    sync.Mutex
	cells map[[3]string]string
}

// set says what came out; a problem is an error of the test too.
func (b *board) set(t *testing.T, a agent, transport, column, problem string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()

	if problem != "" {
		t.Errorf("%s over %s: %s: %s", a.name, transport, column, problem)
		b.cells[[3]string{a.id, transport, column}] = "**no**"

		return
	}
	b.put(a, transport, column, "yes")
}

func (b *board) put(a agent, transport, column, text string) {
	b.cells[[3]string{a.id, transport, column}] = text
}

// table is the board in Markdown; what was not tried is a question mark.
func (b *board) table(t *testing.T) string {
	var s strings.Builder
	fmt.Fprintf(&s, "| client | transport | %s |\n|---|---%s|\n", strings.Join(columns, " | "),
		strings.Repeat("|---", len(columns)))

	for _, a := range agents() {
		_, version := fromNPM(t, a.id)
		for _, transport := range []string{"stdio", "HTTP"} {
			fmt.Fprintf(&s, "| %s %s | %s |", a.name, version, transport)

			for _, c := range columns {
				cell := b.cells[[3]string{a.id, transport, c}]
				if cell == "" {
					cell = "?"
				}
				s.WriteString(" " + cell + " |")
			}
			s.WriteByte('\n')
		}
	}

	return s.String()
}

// TestClients drives a campaign of five experiments, each run longer than the
// clients' own patience, through every client over both transports, and another
// one through all of them in turn, each killed in the middle.
func TestClients(t *testing.T) {
	if *clientRun == 0 {
		t.Skip("a long form: make clients")
	}
	b := &board{cells: map[[3]string]string{}}
	t.Run("each", func(t *testing.T) {
		for _, transport := range []string{"stdio", "HTTP"} {
			t.Run("chain/"+transport, func(t *testing.T) {
				t.Parallel()
				chain(t, b, transport)
			})

			for _, a := range agents() {
				t.Run(a.id+"/"+transport, func(t *testing.T) {
					t.Parallel()
					single(t, b, a, transport)
				})
			}
		}
	})
	t.Logf("\n%s", b.table(t))

	if *clientTable != "" {
		if err := os.WriteFile(*clientTable, []byte(b.table(t)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClient is the short form: one experiment by the first client that is installed.
func TestClient(t *testing.T) {
	testform.SkipQuick(t, "TestWireCampaign speaks the protocol by hand")
	t.Parallel()
	all := agents()

	i := slices.IndexFunc(all, func(a agent) bool { bin, _ := fromNPM(t, a.id); return bin != "" })
	if i < 0 {
		t.Skipf("no client is installed in %s: `.ci/clients codex` installs one", clientsDir())
	}
	s := slowSite(t, time.Second)
	p := newPlay(s, 1)
	r := newRig(t, s, all[i], p.move, nil)

	out, err := r.run(10*time.Minute, r.agent.start...).wait()
	if problem := r.whole(p); problem != "" || err != nil {
		t.Errorf("%s: %s (%v)\n%s", r.agent.name, problem, err, tail(out))
	}
}

// single is all that is tried with one client over one transport.
func single(t *testing.T, b *board, a agent, transport string) {
	s := slowSite(t, *clientRun)

	var v *served
	if transport == "HTTP" {
		v = s.serve("")
	}
	p := newPlay(s, 5)
	r := newRig(t, s, a, p.move, v)
	b.set(t, a, transport, "install", "")
	r.lists(t, b, transport)

	began := time.Now()
	out, err := r.run(5*(*clientRun+time.Minute)+2*time.Minute, a.start...).wait()

	problem := r.whole(p)
	if problem != "" || err != nil {
		problem = fmt.Sprintf("%s (%v)\n%s", problem, err, tail(out))
	}
	b.set(t, a, transport, "campaign", problem)
	t.Logf("%s over %s: five experiments in %s, answers %v, %d turns, unknown requests %v", a.name, transport,
		time.Since(began).Round(time.Second), p.forms, len(r.model.Turns()), r.model.UnknownRequests())
	missing := ""

	if turns := r.model.Turns(); len(turns) > 0 {
		for _, tool := range []string{"start_campaign", "run_experiment", "wait_run", "stop_run", "measure_metric",
			"keep", "revert", "read_log", "share", "plot"} {
			if turns[0].OfferedName(tool) == "" {
				missing += " " + tool
			}
		}
	}
	b.set(t, a, transport, "tools", missing)
	r.resources(t, b, transport)
	r.prompts(t, b, transport)
	r.interrupted(t, b, transport, p)
}

// lists: the client's own list of servers has Ratchet, and, in those that connect, connected.
func (r *rig) lists(t *testing.T, b *board, transport string) {
	out, err := r.run(2*time.Minute, r.agent.list...).wait()

	problem := ""
	if err != nil || !r.agent.connected.MatchString(out) {
		problem = fmt.Sprintf("%v\n%s", err, tail(out))
	}

	if b.set(t, r.agent, transport, "list", problem); problem == "" && !r.agent.checks {
		b.put(r.agent, transport, "list", "listed (it does not connect)")
	}
}

// resources: the model, by the client's own tools, finds and reads the brief.
func (r *rig) resources(t *testing.T, b *board, transport string) {
	r.script(func(t scripted.Turn) scripted.Move {
		if n := len(t.Results); n < len(r.agent.resources) {
			return r.agent.resources[n]
		}

		return scripted.Move{Say: "That is all."}
	})
	out, err := r.run(2*time.Minute, r.agent.start...).wait()

	var got []scripted.Result
	if turns := r.model.Turns(); len(turns) > 0 {
		got = turns[len(turns)-1].Results
	}

	problem := ""
	if len(got) != 2 {
		problem = fmt.Sprintf("%q (%v)\n%s", got, err, tail(out))
	} else if !strings.Contains(got[0].Text, "ratchet://program") || !strings.Contains(got[1].Text, "shrink") {
		problem = fmt.Sprintf("%q", got)
	}
	b.set(t, r.agent, transport, "resources", problem)
}

// prompts: what a person types to call the prompt `loop` becomes its text.
func (r *rig) prompts(t *testing.T, b *board, transport string) {
	if r.agent.prompt == nil {
		b.put(r.agent, transport, "prompts", "it has none")
		return
	}
	r.script(func(scripted.Turn) scripted.Move { return scripted.Move{Say: "I see."} })
	loop, _ := prompts.FindPrompt("loop")
	last := loop.Text[strings.LastIndex(strings.TrimSpace(loop.Text),
		"\n")+1:] // the instructions say other words of it
	out, err := r.run(2*time.Minute, r.agent.prompt...).wait()

	turns, problem := r.model.Turns(), ""
	if len(turns) == 0 || !strings.Contains(turns[0].User, strings.TrimSpace(last)) {
		problem = fmt.Sprintf("%d turns (%v)\n%s", len(turns), err, tail(out))
	}
	b.set(t, r.agent, transport, "prompts", problem)
}

// interrupted: Ctrl-C while the client waits for a run ends the client, not the
// run; the verdict is there for whoever asks next.
func (r *rig) interrupted(t *testing.T, b *board, transport string, p *play) {
	n := p.made + 1 // an even one
	p.want, p.quick = n, true
	r.script(p.move)
	c := r.run(2**clientRun+4*time.Minute, r.agent.start...)
	problem := p.until(n, *clientRun+2*time.Minute)
	began := time.Now()
	interrupt := func() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT) }
	interrupt()
	again := time.AfterFunc(10*time.Second, interrupt) // a person would
	patience := time.AfterFunc(20*time.Second, func() { c.kill() })
	said, _ := c.wait()
	again.Stop()

	if !patience.Stop() {
		problem = "it lives on after Ctrl-C, twice\n" + tail(said)
	}
	t.Logf("%s over %s: Ctrl-C ended it after %s", r.agent.name, transport, time.Since(began).Round(time.Millisecond))

	out := ""
	for end := time.Now().Add(*clientRun + time.Minute); problem == "" && !strings.Contains(out, " done: regressed"); {
		if out = r.sh(ratchet, "call", "wait_run", fmt.Sprintf(`{"id":"x%d"}`, n)); time.Now().After(end) {
			problem = "no verdict: " + out
		}
	}
	b.set(t, r.agent, transport, "Ctrl-C", problem)
}

// until waits until an answer has said that experiment n runs.
func (p *play) until(n int, limit time.Duration) string {
	over := time.After(limit)

	for {
		select {
		case got := <-p.running:
			if got == n {
				return ""
			}
		case <-over:
			return fmt.Sprintf("no answer says that experiment %d runs: %v", n, p.problems)
		}
	}
}

// chain is one campaign of five experiments that every client goes on with:
// each is killed, with its server, while the run that it started goes on, and the
// next one waits for that, decides, and proposes the next.
func chain(t *testing.T, b *board, transport string) {
	s := slowSite(t, *clientRun)
	p := newPlay(s, 5)
	p.quick = true

	var v *served
	if transport == "HTTP" {
		v = s.serve("")
	}

	links := append(agents(), agents()[0])

	var r *rig
	for i, a := range links {
		if r = newRig(t, s, a, p.move, v); i == len(links)-1 {
			break
		}

		c := r.run(2**clientRun+4*time.Minute, a.start...)
		if problem := p.until(i+1, *clientRun+3*time.Minute); problem != "" {
			c.kill()
			out, _ := c.wait()
			t.Fatalf("%s: %s\n%s", a.name, problem, tail(out))
		}
		killed := c.kill()
		_, _ = c.wait()

		if v == nil && !slices.ContainsFunc(killed,
			func(s string) bool { return strings.HasSuffix(s, "ratchet mcp") }) {
			t.Errorf("%s was killed, but not its server: %q", a.name, killed)
		}

		if v != nil {
			v.kill()
			v = s.serve(v.token, "--listen", strings.TrimSuffix(strings.TrimPrefix(v.url, "http://"), "/mcp"))
		}
		t.Logf("%s over %s is killed while experiment %d runs; kept so far %v, reverted %v", a.name, transport, i+1,
			p.kept, p.reverted)

		if i > 0 {
			b.set(t, a, transport, "resumes", "")
		}
	}
	out, err := r.run(2**clientRun+4*time.Minute, r.agent.start...).wait()

	problem := r.whole(p)
	if problem != "" || err != nil {
		problem = fmt.Sprintf("%s (%v)\n%s", problem, err, tail(out))
	}
	b.set(t, r.agent, transport, "resumes", problem)
}
