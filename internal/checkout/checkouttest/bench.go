// Package checkouttest makes checkouts for tests: a real repository and a real
// ledger in a temporary folder, and a host without processes. A worker is what
// the test appends to the ledger.
package checkouttest

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
	"ratchet/internal/host/hosttest"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// Campaign is the name of a bench's campaign.
const Campaign = "sorting"

// Program is a bench's program unless another is given.
const Program = "---\nname: sorting\nedit: work.txt\nmetric: {name: size, better: lower, unit: bytes}\nrun: ./bench\n" +
	"campaign: {experiments: 20, hours: 1}\n---\nMake it smaller.\n"

// Main runs a package's tests with git's settings, a cache and locks of their own.
func Main(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ratchet-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)

		for _, kv := range [][2]string{
			{"RATCHET_LOCKS", filepath.Join(dir, "locks")},
			{"XDG_CACHE_HOME", filepath.Join(dir, "cache")},
			{"GIT_CONFIG_GLOBAL", os.DevNull}, {"GIT_CONFIG_SYSTEM", os.DevNull},
			{"GIT_AUTHOR_NAME", "test"}, {"GIT_AUTHOR_EMAIL", "test@example.com"},
			{"GIT_COMMITTER_NAME", "test"}, {"GIT_COMMITTER_EMAIL", "test@example.com"},
		} {
			os.Setenv(kv[0], kv[1])
		}

		return m.Run()
	}())
}

// Bench is a checkout under test.
type Bench struct {
	*checkout.Checkout
	Fake *hosttest.Fake
	t    testing.TB
}

// New is a repository with the program and ten lines of work.txt, on its branch
// main. No campaign has been started.
func New(t testing.TB, program string) *Bench {
	t.Helper()

	dir := t.TempDir()
	b := &Bench{Fake: &hosttest.Fake{}, t: t}
	runGit(t, dir, "init", "-q", "-b", "main")
	writeFile(t, dir, "program.md", program)
	writeFile(t, dir, "work.txt", Work(0, ""))
	writeFile(t, dir, "bench", "#!/bin/sh\nwc -c < work.txt\n")
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "-qm", "begin")
	b.Checkout = open(t, dir, b.Fake)

	return b
}

// Work is the text of work.txt with line n, of 1 to 10, replaced; 0 replaces none.
func Work(n int, line string) string {
	var text strings.Builder
	for i := 1; i <= 10; i++ {
		if i == n {
			text.WriteString(line + "\n")
		} else {
			fmt.Fprintf(&text, "this is line %d\n", i)
		}
	}

	return text.String()
}

func open(t testing.TB, dir string, h host.Host) *checkout.Checkout {
	t.Helper()

	co, err := checkout.Open(context.Background(), checkout.Options{Dir: dir, Version: "test", Host: h,
		Client: checkout.Client{Name: "agent", Version: "1"}, Supervise: []string{"ratchet", "supervise"}})
	if err != nil {
		t.Fatal(err)
	}

	return co
}

// Beside is another checkout of the same repository, of the same host and ledger.
func (b *Bench) Beside() *Bench {
	b.t.Helper()

	dir := filepath.Join(b.t.TempDir(), "beside")
	b.Git("worktree", "add", "-q", "--detach", dir, "HEAD")

	return &Bench{Checkout: open(b.t, dir, b.Fake), Fake: b.Fake, t: b.t}
}

// Start records a calibrated campaign with its refs, and goes to its branch.
func (b *Bench) Start() {
	b.t.Helper()
	ctx := b.t.Context()

	doc, err := b.ReadProgram("")
	b.check(err)
	head, err := b.RequireUsable(ctx, doc)
	b.check(err)
	start, tree, err := b.MakeStartCommit(ctx, Campaign, doc, head)
	b.check(err)

	branch := "refs/heads/ratchet/" + Campaign
	b.check(b.Repo.UpdateRefs(ctx, []source.RefUpdate{{Name: branch, New: start},
		{Name: checkout.RefName(Campaign, "start"), New: start},
		{Name: checkout.RefName(Campaign, "incumbent"), New: start}}, "test"))
	b.check(b.RecordCampaignStart(ctx, Campaign, doc, head, start, tree, branch))
	b.check(b.Repo.AttachHead(ctx, branch, "test"))
	b.Append(history.KindCalibrationStarted, rules.JobStart{Job: "c1", Commit: start})
	b.Calibrate("c1")
}

// Calibrate ends a calibration: the metric is deterministic, and 1000.
func (b *Bench) Calibrate(id research.JobID) {
	b.t.Helper()
	b.Append(history.KindCalibrationFinished, history.CalibrationEnd{Job: id, State: exactRule(1000)})
}

func exactRule(incumbent float64) rules.RuleState {
	return rules.RuleState{NoiseKind: research.Deterministic, Scale: "log", Incumbent: incumbent,
		Better: research.Lower}
}

// Propose records experiment n, whose candidate is the file as it is now, without a
// worker for it.
func (b *Bench) Propose(n int) history.Proposal {
	b.t.Helper()
	campaign := b.State()

	tree, err := b.Repo.Snapshot(b.t.Context(), campaign.Incumbent, []string{"work.txt"})
	b.check(err)
	commit, err := b.CommitCandidate(b.t.Context(), campaign, tree, "try", campaign.Incumbent)
	b.check(err)

	proposal := history.Proposal{N: n, Hypothesis: "try", Parent: campaign.Incumbent, Candidate: commit, Tree: tree,
		Paths: []string{"work.txt"}, Checkout: b.Repo.Root()}
	b.check(b.UpdateCampaign(b.t.Context(), Campaign, func(tx *ledger.Tx, _ *history.Campaign, session string) error {
		_, err := tx.Append(history.Entry{Campaign: Campaign, Session: session, Kind: history.KindExperimentProposed,
			Body: proposal})
		return err
	}))

	return proposal
}

// Judge records the runs and the verdict of experiment n, as the campaign's rule
// finds them when every run of the candidate gives value.
func (b *Bench) Judge(n int, value float64) {
	b.t.Helper()
	campaign := b.State()
	rule, outlook, seen := rules.NewRule(campaign.Program), campaign.Outlook(), []rules.Observation{}
	outlook.Proposals++

	for {
		step := rule.Next(campaign.Rule, outlook, seen)
		if step.Done != nil {
			step.Done.N, step.Done.Runs, step.Done.Outlook = n, len(seen), outlook
			step.Done.State = rule.Close(campaign.Rule, outlook, seen, *step.Done)
			b.Append(history.KindExperimentJudged, *step.Done)

			return
		}

		observation := rules.Observation{RunRequest: *step.Run, Valid: true, Value: value}
		seen = append(seen, observation)
		b.Append(history.KindRunFinished, rules.Run{Job: research.NewJobID(research.ExperimentJob, n),
			Number: len(seen), Role: observation.Role, Side: observation.Side, Valid: true,
			Samples: map[string]float64{"size": value}, Wall: 1})
	}
}

// Append appends a record of the campaign, as a worker or another session does.
func (b *Bench) Append(kind history.Kind, body any) {
	b.t.Helper()

	_, err := b.Ledger.Append(context.Background(), history.Entry{Campaign: Campaign, Kind: kind, Body: body})
	b.check(err)
}

// State is the campaign as it is now. It is a transaction of its own, as Experiment
// and Append are: inside one it would wait for itself.
func (b *Bench) State() *history.Campaign {
	b.t.Helper()

	campaign, err := b.LookUpCampaign(b.t.Context(), Campaign)
	b.check(err)

	if campaign == nil {
		b.t.Fatal("the campaign has not been started")
	}

	return campaign
}

// Experiment is an experiment as it is now.
func (b *Bench) Experiment(n int) (experiment *history.Experiment) {
	b.t.Helper()
	b.check(b.Ledger.View(b.t.Context(), func(tx *ledger.Tx) (err error) {
		experiment, err = tx.Experiment(Campaign, n)
		return err
	}))

	return experiment
}

// Records counts the ledger's records of these kinds, all of them without one.
func (b *Bench) Records(kinds ...history.Kind) (n int) {
	b.t.Helper()
	b.check(b.Ledger.Stream(b.t.Context(), 1, func(rec history.Record, _ []byte) error {
		if len(kinds) == 0 {
			n++
		}

		for _, k := range kinds {
			if rec.Kind == k {
				n++
			}
		}

		return nil
	}))

	return n
}

// Write writes a file of the checkout.
func (b *Bench) Write(name, text string) { b.t.Helper(); writeFile(b.t, b.Repo.Root(), name, text) }

// Read is the content of a file of the checkout.
func (b *Bench) Read(name string) string {
	b.t.Helper()

	text, err := os.ReadFile(filepath.Join(b.Repo.Root(), name))
	b.check(err)

	return string(text)
}

// Git runs git in the checkout and returns what it printed, trimmed.
func (b *Bench) Git(args ...string) string { b.t.Helper(); return runGit(b.t, b.Repo.Root(), args...) }

func (b *Bench) check(err error) {
	b.t.Helper()

	if err != nil {
		b.t.Fatal(err)
	}
}

func writeFile(t testing.TB, dir, name, text string) {
	t.Helper()

	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func runGit(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir

	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}

	return strings.TrimSpace(string(out))
}
