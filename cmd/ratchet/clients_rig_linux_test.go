package main_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/scripted"
)

// rig is a client with a scripted model and a HOME of its own in a repository.
type rig struct {
	*site
	agent agent
	model *scripted.Model
	web   *httptest.Server // the model's
	home  string
	locks string
	url   string // of `ratchet serve`; "" for standard streams
	token string
}

// slowSite is a repository whose runs last as long as given while work.txt
// begins with "slow". It brings its author along: clients pass no environment on.
func slowSite(t testing.TB, run time.Duration) *site {
	t.Helper()
	s := newSite(t)
	s.write("bench.sh", fmt.Sprintf("grep -q '^slow' work.txt && sleep %g\necho METRIC size=$(wc -c < work.txt)\n",
		run.Seconds()))
	s.write("program.md", strings.Replace(s.read("program.md"), "wall: 120s", "wall: 300s", 1))
	s.write("work.txt", strings.Repeat("x", 450)+"\n")
	s.sh("git", "config", "user.name", "Ada")
	s.sh("git", "config", "user.email", "ada@example.org")
	s.sh("git", "commit", "-qam", "a slow benchmark")

	return s
}

// newRig sets a client up in s, to reach Ratchet by v, or, if v is nil, by
// standard streams. It skips the test if the client isn't installed.
func newRig(t testing.TB, s *site, a agent, script scripted.Script, v *served) *rig {
	t.Helper()
	need(t, a.id)
	base := filepath.Dir(s.dir)
	at := *s
	at.t = t

	home, err := os.MkdirTemp(base, a.id+"-")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{site: &at, agent: a, model: scripted.New(script), home: home,
		locks: filepath.Join(base, "home", ".locks")}
	r.web = httptest.NewServer(r.model)
	t.Cleanup(r.web.Close)

	if v != nil {
		r.url, r.token = strings.TrimSuffix(v.url, "/mcp"), v.token
	}
	r.prepare()

	return r
}

// script gives the rig's model another script, and forgets what it played.
func (r *rig) script(s scripted.Script) {
	r.model = scripted.New(s)
	r.web.Config.Handler = r.model
}

// process is a client that runs.
type process struct {
	cmd  *exec.Cmd
	said *bytes.Buffer
	stop context.CancelFunc
}

// run starts a program of the client in the repository, in a process group of
// its own, for at most limit. PROMPT in args becomes a sentence.
func (r *rig) run(limit time.Duration, args ...string) *process {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)

	args = slices.Clone(args)
	for i := range args {
		args[i] = strings.Replace(args[i], "PROMPT",
			"Run the research loop with Ratchet's tools until its budget is spent.", 1)
	}
	p := &process{cmd: exec.CommandContext(ctx, filepath.Join(need(r.t, r.agent.id), args[0]), args[1:]...),
		said: &bytes.Buffer{}, stop: cancel}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = r.dir, r.environment(), p.said, p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { p.kill(); return nil }

	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		cancel()
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.kill()
			_ = p.cmd.Wait()
		}
		cancel()
	})

	return p
}

// wait is the end of the client, and what it said.
func (p *process) wait() (string, error) {
	err := p.cmd.Wait()
	p.stop()

	return p.said.String(), err
}

// kill kills the client and all that it started, and returns the command lines
// of those.
func (p *process) kill() (killed []string) {
	pids := descendants(p.cmd.Process.Pid)
	for _, pid := range pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		killed = append(killed, strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " ")))
	}

	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}

	return killed
}

// descendants are the processes below pid.
func descendants(pid int) (all []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for c := range strings.FieldsSeq(string(b)) {
			var child int
			if _, err := fmt.Sscan(c, &child); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}

	return all
}

// whole says what a finished campaign of n experiments lacks, "" if nothing.
func (r *rig) whole(p *play) string {
	p.mu.Lock()
	defer p.mu.Unlock()

	switch {
	case len(p.problems) > 0:
		return strings.Join(p.problems, "; ")
	case !p.over:
		return fmt.Sprintf("it ended after %d experiments", p.made)
	case len(p.kept)+len(p.reverted) != p.want:
		return fmt.Sprintf("kept %v, reverted %v", p.kept, p.reverted)
	}
	r.sh(ratchet, "verify")

	last := p.want - (p.want+1)%2 // the last odd one is the head
	if commits := strings.Fields(r.sh("git", "log", "--format=%h",
		"main..refs/ratchet/shrink/incumbent")); len(commits) != len(p.kept) {
		return fmt.Sprintf("%d commits of %d keeps", len(commits), len(p.kept))
	}

	if r.read("work.txt") != p.content(last) {
		return "the edited file is not the incumbent's"
	}

	return ""
}

// tail is the end of a client's output.
func tail(s string) string { return s[max(0, len(s)-3000):] }
