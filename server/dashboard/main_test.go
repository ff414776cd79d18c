package dashboard_test

import (
	"context"
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

	"ratchet/internal/research/history"
	"ratchet/ledger"
	"ratchet/sandbox"
	_ "ratchet/sandbox/stage" // this binary is also the runs' first process
	"ratchet/tools"
)

// The tests ask a whole server over HTTP, tokens included: what it lets through,
// and how, is part of what the page relies on. Agents' tools are called directly.

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

// campaign is a repository in which an agent works.
type campaign struct {
	t   testing.TB
	dir string
	lab *checkout.Checkout // of the agent, once it has called a tool
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

// newCampaign makes a real repository with a deterministic metric.
func newCampaign(t testing.TB) *campaign {
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

// do calls a tool that must succeed.
func (c *campaign) do(tool, args string) map[string]any {
	c.t.Helper()

	m, refused := c.try(tool, args)
	if refused {
		c.t.Fatalf("%s%s: %v", tool, args, m["error"])
	}

	return m
}

func (c *campaign) try(tool, args string) (answer map[string]any, refused bool) {
	c.t.Helper()

	t, ok := tools.Get(tool)
	if !ok {
		c.t.Fatalf("no tool %s", tool)
	}

	a, err := t.Call(context.Background(), tools.Env{Open: c.open}, json.RawMessage(args))
	if err != nil {
		a = render.Refusal(err)
	}
	c.t.Logf("%s%s\n%s", tool, args, a.Text)
	must(c.t, json.Unmarshal(a.Structured, &answer))

	return answer, err != nil
}

func (c *campaign) open(ctx context.Context) (*checkout.Checkout, error) {
	if c.lab != nil {
		return c.lab, nil
	}

	l, err := openLab(ctx, c.dir, "test", "0.1")
	if err == nil {
		c.lab = l
	}

	return l, err
}

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

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir

	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}

	return strings.TrimSpace(string(out))
}

func must(t testing.TB, errs ...error) {
	t.Helper()

	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// patient is how long a test waits for what must merely happen, however busy
// the machine is. Every such wait ends as soon as it has.
const patient = 2 * time.Minute
