package worker_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/checkout"
	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/internal/worker"
	"ratchet/ledger"
	_ "ratchet/sandbox/stage" // this binary is also the runs' first process
)

// TestMain gives the tests a home, a cache, locks and git settings of their own.
func TestMain(m *testing.M) { os.Exit(runIsolated(m)) }

func runIsolated(m *testing.M) int {
	home, err := os.MkdirTemp("", "ratchet-worker-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer checkout.RemoveTree(home)

	for name, value := range map[string]string{
		"HOME": home, "XDG_CACHE_HOME": filepath.Join(home, ".cache"), "RATCHET_LOCKS": filepath.Join(home, "locks"),
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull,
		"GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.com",
		"GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.com",
	} {
		os.Setenv(name, value)
	}

	if err := os.Mkdir(filepath.Join(home, "locks"), 0o777); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	return m.Run()
}

// programText is a program whose metric is what candidate.sh prints, scored by an
// evaluator, with every kind of command.
const programText = `---
name: tiny
edit: candidate.sh
metric: {name: score, better: lower, noise: deterministic}
setup: "echo dependency > dependency.txt"
build: "sh -n candidate.sh && cp candidate.sh built.sh"
check: "! grep -q cheat candidate.sh"
run: "cat dependency.txt && sh built.sh > out.txt"
measure: "sh score.sh"
hands: [out.txt]
budget: {wall: 20s, grace: 1s}
---
Make the number smaller.
`

// candidateText prints 100; a and b lie so far apart that edits of both merge.
const candidateText = "a=50\n#\n#\n#\n#\nb=50\necho $((a + b))\n"

const scoreText = "echo METRIC score=$(cat out.txt)\n"

// noisyText is a program whose metric varies from pair to pair.
const noisyText = `---
name: tiny
edit: candidate.sh
metric: {name: score, better: lower, noise: noisy}
search: auto
run: "sh candidate.sh"
budget: {wall: 20s, grace: 1s}
---
`

// campaign is a campaign in a repository of its own, driven by records as the lab
// makes them.
type campaign struct {
	*checkout.Checkout
	t *testing.T
}

// newCheckout makes a repository with these files, and opens it.
func newCheckout(t *testing.T, files map[string]string) *campaign {
	t.Helper()
	return newCheckoutIn(t, t.TempDir(), files)
}

// newCheckoutIn makes a repository in an empty folder, and opens it.
func newCheckoutIn(t *testing.T, dir string, files map[string]string) *campaign {
	t.Helper()

	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), text)
	}

	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "start"}} {
		runGit(t, dir, args...)
	}

	return openCheckout(t, dir)
}

func openCheckout(t *testing.T, dir string) *campaign {
	t.Helper()

	co, err := checkout.Open(t.Context(), checkout.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}

	return &campaign{Checkout: co, t: t}
}

func runGit(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir

	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// newCampaign starts a campaign on a new repository.
func newCampaign(t *testing.T, files map[string]string) *campaign {
	t.Helper()

	c := newCheckout(t, files)
	c.start()

	return c
}

// start starts the campaign.
func (c *campaign) start() {
	c.t.Helper()
	ctx := c.t.Context()

	doc, err := c.ReadProgram("")
	c.must(err)

	head, err := c.RequireUsable(ctx, doc)
	c.must(err)

	start, tree, err := c.MakeStartCommit(ctx, "tiny", doc, head)
	c.must(err)
	c.must(c.RecordCampaignStart(ctx, "tiny", doc, head, start, tree, "refs/heads/ratchet/tiny"))
	c.moveRef("incumbent", start, "")
}

// newCalibrated starts a campaign, and calibrates it.
func newCalibrated(t *testing.T, files map[string]string) *campaign {
	t.Helper()
	c := newCampaign(t, files)
	c.startCalibration()
	c.must(c.work("c1"))

	return c
}

func (c *campaign) startCalibration() {
	c.t.Helper()
	c.append(history.KindCalibrationStarted, rules.JobStart{Job: "c1", Commit: c.state().Incumbent})
}

// work does the job as its worker would, in this process.
func (c *campaign) work(id research.JobID) error {
	return worker.DoJob(c.t.Context(), c.Checkout, host.Job{Campaign: "tiny", ID: id}, func(error) {})
}

// propose proposes an edit of the incumbent, and returns the experiment's number.
func (c *campaign) propose(candidate string) int {
	c.t.Helper()
	ctx, now := c.t.Context(), c.state()
	writeFile(c.t, filepath.Join(c.Root(), "candidate.sh"), candidate)

	tree, err := c.Repo.Snapshot(ctx, now.Incumbent, []string{"candidate.sh"})
	c.must(err)
	commit, err := c.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{now.Incumbent}, Message: "x\n"})
	c.must(err)

	n := now.Experiments + 1
	c.moveRef(fmt.Sprintf("x/%d", n), commit, "")
	c.append(history.KindExperimentProposed, history.Proposal{N: n, Hypothesis: "try it", Parent: now.Incumbent,
		Candidate: commit, Tree: tree, Paths: []string{"candidate.sh"}, Checkout: c.Root()})

	return n
}

// judge proposes an edit, and returns what its worker made of it.
func (c *campaign) judge(candidate string) *history.Experiment {
	c.t.Helper()
	n := c.propose(candidate)
	c.must(c.work(research.NewJobID(research.ExperimentJob, n)))

	return c.experiment(n)
}

// keep makes an experiment the incumbent.
func (c *campaign) keep(x *history.Experiment) {
	c.t.Helper()
	was := c.state().Incumbent

	commit, err := c.Repo.Commit(c.t.Context(),
		source.CommitSpec{Tree: x.Tree, Parents: []string{was}, Message: "keep\n"})
	c.must(err)
	c.append(history.KindExperimentKept, history.Keeping{N: x.N, Commit: commit, Was: was})
	c.moveRef("incumbent", commit, was)
}

// revert closes an experiment that waits for its decision.
func (c *campaign) revert(x *history.Experiment) {
	c.t.Helper()
	c.append(history.KindExperimentReverted, history.Reversion{N: x.N, By: "agent"})
}

func (c *campaign) moveRef(name, commit, was string) {
	c.t.Helper()
	ref := source.RefUpdate{Name: checkout.RefName("tiny", name), New: commit, Old: was}
	c.must(c.Repo.UpdateRefs(c.t.Context(), []source.RefUpdate{ref}, "test"))
}

func (c *campaign) append(kind history.Kind, body any) {
	c.t.Helper()
	_, err := c.Ledger.Append(c.t.Context(), history.Entry{Campaign: "tiny", Kind: kind, Body: body})
	c.must(err)
}

// state is the campaign as the ledger has it.
func (c *campaign) state() (now *history.Campaign) {
	c.t.Helper()
	c.view(func(tx *ledger.Tx) (err error) {
		now, err = tx.Campaign("tiny")
		return err
	})

	return now
}

func (c *campaign) experiment(n int) (x *history.Experiment) {
	c.t.Helper()
	c.view(func(tx *ledger.Tx) (err error) {
		x, err = tx.Experiment("tiny", n)
		return err
	})

	return x
}

func (c *campaign) measurement(id research.JobID) (m *history.Measurement) {
	c.t.Helper()
	c.view(func(tx *ledger.Tx) (err error) {
		m, err = tx.Measurement("tiny", id)
		return err
	})

	return m
}

func (c *campaign) view(f func(tx *ledger.Tx) error) {
	c.t.Helper()
	c.must(c.Ledger.View(context.Background(), f))
}

func (c *campaign) must(err error) {
	c.t.Helper()

	if err != nil {
		c.t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()

	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func tinyFiles() map[string]string {
	return map[string]string{"program.md": programText, "candidate.sh": candidateText, "score.sh": scoreText}
}

// edited is candidateText with a replacement.
func edited(old, new string) string { return strings.Replace(candidateText, old, new, 1) }
