package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/worker"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/sandbox"
	_ "ratchet/sandbox/stage" // this binary is also the runs' first process
	"ratchet/server"
)

// TestMain makes this binary the worker too, as the real one is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervise" {
		os.Exit(runWorker(os.Args[2:]))
	}
	os.Exit(withEnvironment(m))
}

// withEnvironment runs the tests with git's settings and locks of their own.
func withEnvironment(m *testing.M) int {
	locks, err := os.MkdirTemp("", "ratchet-locks-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(locks)
	os.Setenv("RATCHET_LOCKS", locks)

	for _, kv := range [][2]string{{"GIT_CONFIG_GLOBAL", os.DevNull}, {"GIT_CONFIG_SYSTEM", os.DevNull},
		{"GIT_AUTHOR_NAME", "test"}, {"GIT_AUTHOR_EMAIL", "test@example.com"}, {"GIT_COMMITTER_NAME", "test"},
		{"GIT_COMMITTER_EMAIL", "test@example.com"}} {
		os.Setenv(kv[0], kv[1])
	}

	return m.Run()
}

func runWorker(args []string) int {
	fs := flag.NewFlagSet("supervise", flag.ContinueOnError)
	campaign, job := fs.String("campaign", "", ""), fs.String("job", "", "")
	standby := fs.String("standby", "", "")
	ledger, dir := fs.String("ledger", "", ""), fs.String("C", "", "")

	gitDir, commonDir := fs.String("git-dir", "", ""), fs.String("common-dir", "", "")
	if err := fs.Parse(args); err != nil {
		return 2
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	l, err := checkout.Open(ctx, checkout.Options{Dir: *dir, GitDir: *gitDir, CommonDir: *commonDir, Ledger: *ledger})
	if err == nil {
		first := host.Job{Campaign: *campaign, ID: research.JobID(*job)}
		err = worker.RunWorker(ctx, l, first, *standby, time.Minute)
	}
	sandbox.Ready(err)

	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	return 0
}

const programText = `---
name: tiny
edit: value.txt
metric: {name: score, better: lower, noise: deterministic}
run: "echo METRIC score=$(cat value.txt)"
budget: {wall: 20s}
---
Make the number smaller.
`

// sleepy is such a program, whose run lasts for as long as the test needs when
// the number is 1.
var sleepy = strings.NewReplacer(`run: "`, `run: "[ $(cat value.txt) != 1 ] || sleep 1000; `, "wall: 20s",
	"wall: 15m").Replace(programText)

// campaign is a repository and a client whose server works in it.
type campaign struct {
	*client.Client
	t   testing.TB
	dir string
	ran [2]int // bytes of the last answer of a run, in both forms
}

// newCampaign makes a real repository with a deterministic metric, and a client
// on standard streams.
func newCampaign(t *testing.T) *campaign {
	t.Helper()
	c := newRepository(t)
	c.Client = connect(t,
		server.Options{Open: func(ctx context.Context, name, version string) (*checkout.Checkout, error) {
			return openLab(ctx, c.dir, name, version)
		}})

	return c
}

// openLab opens a laboratory whose worker is this binary.
func openLab(ctx context.Context, dir, name, version string) (*checkout.Checkout, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}

	return checkout.Open(ctx, checkout.Options{Dir: dir, Client: checkout.Client{Name: name, Version: version},
		Supervise: []string{exe, "supervise"}})
}

// newRepository is a campaign without a client.
func newRepository(t testing.TB) *campaign {
	t.Helper()
	dir := t.TempDir()
	c := &campaign{t: t, dir: dir}
	c.write("program.md", programText)
	c.write("value.txt", "100\n")

	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "start"}} {
		cmd := exec.Command("git", args...)

		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}

	return c
}

func (c *campaign) write(name, text string) {
	c.t.Helper()

	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o666); err != nil {
		c.t.Fatal(err)
	}
}

func (c *campaign) read(name string) string {
	c.t.Helper()

	b, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}

	return string(b)
}

// do calls a tool that must succeed and checks what every answer promises.
func (c *campaign) do(tool, args string) map[string]any {
	c.t.Helper()

	m, isError := c.try(tool, args)
	if isError {
		c.t.Fatalf("%s%s: %v", tool, args, m["error"])
	}

	return m
}

func (c *campaign) try(tool, args string) (map[string]any, bool) {
	c.t.Helper()

	var in map[string]any
	if err := json.Unmarshal([]byte(args), &in); err != nil {
		c.t.Fatal(err)
	}
	text, m, isError := call(c.t, c.Client, tool, in)
	c.t.Logf("%s%s\n%s", tool, args, text)

	js, err := json.Marshal(m)
	if err != nil || len(text) > render.Limit || len(js) > render.Limit {
		c.t.Errorf("%s: %d bytes of text, %d of JSON (%v)", tool, len(text), len(js), err)
	}

	if !strings.Contains(text, "\nnext: ") {
		c.t.Errorf("%s: no next step in %q", tool, text)
	}
	c.cycle(tool, len(text), len(js))

	return m, isError
}

// cycle holds what an agent reads of one cycle, a run and its keep or revert, to
// its bound, in both forms.
func (c *campaign) cycle(tool string, text, structured int) {
	switch tool {
	case "run_experiment", "wait_run":
		c.ran = [2]int{text, structured}
	case "keep", "revert":
		if a, b := c.ran[0]+text, c.ran[1]+structured; a > maxCycle || b > maxCycle {
			c.t.Errorf("a cycle that ends with %s has %d bytes of text, %d of JSON", tool, a, b)
		}
		c.ran = [2]int{}
	}
}

const maxCycle = 1200 // bytes, of the design

// done waits until the job has ended.
func (c *campaign) done(m map[string]any) map[string]any {
	c.t.Helper()

	for end := time.Now().Add(patient); ; m = c.do("wait_run", `{"wait_seconds":5}`) {
		if m["status"] != "running" {
			return m
		} else if time.Now().After(end) {
			break
		}
	}
	c.t.Fatalf("still running: %v", m)

	return nil
}

func (c *campaign) want(m map[string]any, key string, want any) {
	c.t.Helper()

	if m[key] != want {
		c.t.Errorf("%s is %v, want %v, in %v", key, m[key], want, m)
	}
}

func TestCampaignThroughEveryTool(t *testing.T) {
	t.Parallel()
	newCampaign(t).throughEveryTool()
}

func (c *campaign) throughEveryTool() {
	t := c.t
	if m, isError := c.try("read_log", `{}`); !isError {
		t.Errorf("a brief before the start: %v", m)
	}
	started := c.do("start_campaign", `{}`)
	c.want(started, "campaign", "tiny")
	c.done(c.do("wait_run", `{"wait_seconds":20}`))

	c.write("value.txt", "90\n")
	m := c.done(c.do("run_experiment", `{"hypothesis":"smaller is better","expect":"-10%"}`))
	c.want(m, "verdict", "improved")
	c.want(m, "value", 90.0)

	if m, isError := c.try("run_experiment", `{"hypothesis":"again"}`); !isError {
		t.Errorf("an undecided improvement must block: %v", m)
	}
	kept := c.do("keep", `{"note":"ninety"}`)
	c.want(kept, "value", 90.0)

	c.write("value.txt", "95\n")
	m = c.done(c.do("run_experiment", `{"hypothesis":"a little more"}`))
	c.want(m, "verdict", "regressed")

	if m, isError := c.try("keep", `{}`); !isError {
		t.Errorf("a regression was kept: %v", m)
	}
	c.want(c.do("revert", `{"lesson":"more is worse"}`), "lesson_stored", true)

	if got := c.read("value.txt"); got != "90\n" {
		t.Errorf("after revert the file holds %q", got)
	}

	c.write("value.txt", "no number\n")
	m = c.done(c.do("run_experiment", `{"hypothesis":"words"}`))
	c.want(m, "verdict", "invalid")
	c.do("revert", `{}`)

	m = c.done(c.do("measure_metric", `{"target":"incumbent","runs":2}`))
	if s, _ := m["samples"].([]any); len(s) != 2 {
		t.Errorf("samples: %v", m)
	}
	c.do("share", `{"ops":[{"op":"add","idea":"try zero"},{"op":"lesson","lesson":"numbers only"}]}`)

	for _, view := range []string{"brief", "table", "ideas", "sessions", "program", "guide"} {
		c.do("read_log", fmt.Sprintf(`{"view":%q}`, view))
	}

	if rows, _ := c.do("read_log", `{"view":"table"}`)["rows"].([]any); len(rows) != 3 {
		t.Errorf("the table has %d rows", len(rows))
	}
	c.want(c.do("read_log", `{"view":"experiment","query":1}`), "status", "kept")

	if out, _ := c.do("read_log", `{"view":"output","query":"x1"}`)["output"].(string); !strings.Contains(out,
		"METRIC score=90") {
		t.Errorf("output: %q", out)
	}
	c.images()
	c.want(c.do("stop_run", `{}`), "status", "idle")
	c.want(c.do("wait_run", `{}`), "status", "idle")
	c.want(c.do("start_campaign", `{}`), "resumed", true)
	c.resources()
}

// images: what can be seen comes as a PNG behind the text, what can't as the
// text alone.
func (c *campaign) images() {
	for kind, seen := range map[string]bool{"progress": true, "budget": true, "families": true, "noise": false,
		"gpu": false} {
		c.do("plot", fmt.Sprintf(`{"kind":%q}`, kind))
		var req mcp.CallToolRequest
		req.Params.Name, req.Params.Arguments = "plot", map[string]any{"kind": kind}

		r, err := c.CallTool(context.Background(), req)
		if err != nil {
			c.t.Fatal(err)
		}

		img, ok := r.Content[len(r.Content)-1].(mcp.ImageContent)
		if ok != seen {
			c.t.Errorf("plot %s: %d contents, the last %T", kind, len(r.Content), r.Content[len(r.Content)-1])
		}

		if !ok {
			continue
		}

		b, err := base64.StdEncoding.DecodeString(img.Data)
		if err != nil || img.MIMEType != "image/png" || !bytes.HasPrefix(b, []byte("\x89PNG")) {
			c.t.Errorf("plot %s: %s, %.8q, %v", kind, img.MIMEType, b, err)
		}
	}
}

func (c *campaign) resources() {
	for uri, want := range map[string]string{"ratchet://program": "Make the number smaller",
		"ratchet://brief": "campaign tiny", "ratchet://log.tsv": "1\tkept\timproved\t90",
		"ratchet://experiments/1": "smaller is better"} {
		var req mcp.ReadResourceRequest
		req.Params.URI = uri

		r, err := c.ReadResource(context.Background(), req)
		if err != nil {
			c.t.Errorf("%s: %v", uri, err)
			continue
		}

		if text := r.Contents[0].(mcp.TextResourceContents).Text; !strings.Contains(text, want) {
			c.t.Errorf("%s lacks %q:\n%s", uri, want, text)
		}
	}
}

func TestStopRun(t *testing.T) {
	t.Parallel()
	c := newCampaign(t)
	c.write("program.md", sleepy)
	c.do("start_campaign", `{}`)
	c.done(c.do("wait_run", `{"wait_seconds":20}`))
	c.write("value.txt", "1\n")
	c.want(c.do("run_experiment", `{"hypothesis":"slow","wait_seconds":0}`), "status", "running")
	c.do("stop_run", `{}`)
	c.want(c.done(c.do("wait_run", `{"id":"x1","wait_seconds":10}`)), "verdict", "invalid")
}
