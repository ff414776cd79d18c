package finalize_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/finalize"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

const (
	campaign = "sorting"
	program  = "---\nname: sorting\nedit: f\nmetric: {name: ns, better: lower, unit: ns}\nrun: ./bench\n---\n"
)

// result is a campaign of a deterministic metric with two kept experiments, each of
// which changes another line of f, told by its records; no run is made.
type result struct {
	*testing.T
	co                 *checkout.Checkout
	start, first, head string
	ablates            string // as in rules.Ablation.Of
}

func (r *result) git(args ...string) string {
	r.Helper()

	cmd := exec.Command("git",
		append([]string{"-C", r.co.Root(), "-c", "user.name=a", "-c", "user.email=a@example.com"},
			args...)...)

	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("git %v: %v %s", args, err, out)
	}

	return strings.TrimSpace(string(out))
}

func (r *result) put(kind history.Kind, body any) {
	r.Helper()

	if _, err := r.co.Ledger.Append(r.Context(),
		history.Entry{Campaign: campaign, Kind: kind, Body: body}); err != nil {
		r.Fatal(err)
	}
}

// commit commits f, and is the commit and its tree.
func (r *result) commit(text string) (commit, tree string) {
	r.Helper()

	if err := os.WriteFile(filepath.Join(r.co.Root(), "f"), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
	r.git("add", ".")
	r.git("commit", "-q", "-m", "f")

	return r.git("rev-parse", "HEAD"), r.git("rev-parse", "HEAD^{tree}")
}

func begin(t *testing.T) *result {
	t.Helper()

	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", "-b", "main", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}

	// Finalize commits as the person.
	for _, setting := range [][2]string{{"user.name", "a"}, {"user.email", "a@example.com"}} {
		if out, err := exec.Command("git", "-C", dir, "config", setting[0], setting[1]).CombinedOutput(); err != nil {
			t.Fatalf("git config: %v %s", err, out)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, "program.md"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}

	co, err := checkout.Open(t.Context(), checkout.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}

	doc, err := contract.ParseProgram([]byte(program), "sorting")
	if err != nil {
		t.Fatal(err)
	}
	r := &result{T: t, co: co}

	var startTree string
	r.start, startTree = r.commit("a\n\n\n\n\n\n\nb\n")
	state := rules.RuleState{NoiseKind: research.Deterministic, Scale: "log", Incumbent: 1000, Better: research.Lower}
	r.put(history.KindCampaignStarted, history.CampaignStart{Program: doc.Program, Digest: doc.Program.Digest(),
		ProgramPath: "program.md", Start: r.start, StartTree: startTree, Branch: "refs/heads/ratchet/sorting",
		Origin: "refs/heads/main", Checkout: co.Root()})
	r.put(history.KindCalibrationStarted, rules.JobStart{Job: "c1", Commit: r.start})
	r.put(history.KindCalibrationFinished, history.CalibrationEnd{Job: "c1", State: state})

	r.git("switch", "-q", "-c", "ratchet/sorting")
	r.first = r.keep(1, "use `A`|B", r.start, "A\n\n\n\n\n\n\nb\n", 900, 1000)
	r.head = r.keep(2, "use B", r.first, "A\n\n\n\n\n\n\nB\n", 800, 900)
	r.ablates = r.head + "/" + doc.Program.Digest()[:16]

	return r
}

// keep records an experiment that was kept, and is its commit.
func (r *result) keep(n int, hypothesis, parent, text string, value, was float64) string {
	r.Helper()

	commit, tree := r.commit(text)
	gain := 1 - value/was
	state := rules.RuleState{NoiseKind: research.Deterministic, Scale: "log", Incumbent: was, Better: research.Lower}
	r.put(history.KindExperimentProposed, history.Proposal{N: n, Hypothesis: hypothesis, Parent: parent,
		Candidate: commit, Tree: tree, Paths: []string{"f"}, Added: 1, Removed: 1, Checkout: r.co.Root()})
	r.put(history.KindExperimentJudged, rules.Judgement{N: n, Verdict: research.Improved, StoppedBy: "one_run",
		Value: &value, Baseline: &was, Gain: &research.Interval{Mid: gain, Lo: gain, Hi: gain}, Scale: "log",
		State: state})
	r.put(history.KindExperimentKept, history.Keeping{N: n, Commit: commit, Was: parent})

	return commit
}

// measure records a job of two versions that has ended.
func (r *result) measure(start rules.JobStart, value, paired float64) {
	r.Helper()
	r.put(history.KindMeasurementStarted, start)

	number := 0
	for pair := 1; pair <= 2; pair++ {
		for _, side := range []rules.Side{rules.Candidate, rules.Incumbent} {
			number++
			run := rules.Run{Job: start.Job, Number: number, Pair: pair, Side: side, Commit: start.Commit, Valid: true,
				Samples: map[string]float64{"ns": value}, Wall: 1, Started: time.Now()}
			if side == rules.Incumbent {
				run.Commit, run.Samples = start.Paired, map[string]float64{"ns": paired}
			}
			r.put(history.KindRunFinished, run)
		}
	}

	gain := 1 - value/paired
	r.put(history.KindMeasurementFinished, rules.MeasurementEnd{Job: start.Job, Samples: []float64{value, value},
		Paired: []float64{paired, paired}, Median: &value, Scale: "log",
		Gain: &research.Interval{Mid: gain, Lo: gain, Hi: gain}})
}

// audit records the audit of a version against the start.
func (r *result) audit(id research.JobID, commit, target string, value float64) {
	r.Helper()
	r.measure(rules.JobStart{Job: id, Commit: commit, Paired: r.start, Target: target, With: "start", Runs: 2}, value,
		1000)
}

func TestDryRunTellsTheCost(t *testing.T) {
	r := begin(t)

	f, err := finalize.Finalize(t.Context(), r.co, finalize.FinalizeRequest{DryRun: true, Stack: true})
	if err != nil {
		t.Fatal(err)
	}

	if f.Branch != "ratchet/sorting-final" || !strings.HasPrefix(f.Plan,
		"finalize: about 15 runs (at most 16): ablation of 2 changes 3, audit 4, stack of 2 commits 8\n") ||
		!strings.Contains(f.Plan, "\naudit: 4 runs\nstack of 2 commits: 8 runs; each is measured") {
		t.Errorf("the plan: %+v", f)
	}

	if f, err = finalize.Finalize(t.Context(), r.co,
		finalize.FinalizeRequest{DryRun: true, NoAblation: true}); err != nil ||
		f.Plan != "finalize: 4 runs: audit 4" {
		t.Errorf("without an ablation: %+v, %v", f, err)
	}
}

// An audit that was made already counts, and no job is started.
func TestFinalizeWithoutAblation(t *testing.T) {
	r := begin(t)
	r.audit("a1", r.head, "incumbent", 800)

	var told []string

	f, err := finalize.Finalize(t.Context(), r.co, finalize.FinalizeRequest{NoAblation: true,
		Tell: func(s string) { told = append(told, s) }})
	if err != nil {
		t.Fatal(err)
	}

	if f.Audit.ID != "a1" || f.Title != "sorting: ns 1000 → 800 ns" || !strings.Contains(f.Body, "| x2 | use B |") ||
		!strings.Contains(f.Body, "use \\`A\\`\\|B") {
		t.Errorf("the pull request: %s\n%s", f.Title, f.Body)
	}
	branch := "refs/heads/ratchet/sorting-final"

	if parent := r.git("rev-parse", branch+"^"); parent != r.start {
		t.Errorf("its parent is %s, want the start", parent)
	}

	if diff := r.git("diff", branch, r.head); diff != "" {
		t.Errorf("it is not the head: %s", diff)
	}

	message := r.git("log", "-1", "--format=%B", branch)
	if !strings.Contains(message, "Ratchet-Campaign: sorting\nRatchet-Incumbent: "+r.head+"\nRatchet-Audit: a1") {
		t.Errorf("the message: %s", message)
	}

	if now := r.git("symbolic-ref", "HEAD"); now != "refs/heads/ratchet/sorting" {
		t.Errorf("HEAD has moved to %s", now)
	}

	if _, err := finalize.Finalize(t.Context(), r.co, finalize.FinalizeRequest{}); !research.HasCode(err,
		research.CodeConflict) {
		t.Errorf("a second time: %v", err)
	}

	// The branch is made again from the record, with the same commit.
	was := r.git("rev-parse", branch)
	r.git("update-ref", "-d", branch)

	if _, err := finalize.Finalize(t.Context(), r.co, finalize.FinalizeRequest{NoAblation: true}); err != nil {
		t.Fatal(err)
	}

	if now := r.git("rev-parse", branch); now != was {
		t.Errorf("made again it is %s, it was %s", now, was)
	}
}

// The comparisons of an earlier call count. A change that costs is left out.
func TestFinalizeDropsWhatDoesNotPay(t *testing.T) {
	r := begin(t)
	without := func(id research.JobID, out []int, value float64) {
		r.measure(rules.JobStart{Job: id, Commit: r.first, Paired: r.head, Ablates: r.ablates, Without: out, Runs: 1,
			Check: true}, value, 800)
	}
	without("m1", []int{1}, 950)
	without("m2", []int{2}, 790)
	without("m3", []int{1, 2}, 1000)

	// What is left is the first change alone, in a commit that finalize makes; no worker
	// can audit it here, and so the call ends after the ablation.
	_, err := finalize.Finalize(t.Context(), r.co, finalize.FinalizeRequest{})
	if err == nil {
		t.Fatal("an audit was made without a worker")
	}

	c, err := r.co.CurrentCampaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if c.Measurements != 3 || c.Audits != 1 {
		t.Errorf("%d comparisons and %d audits were begun, want the 3 that were there and 1", c.Measurements, c.Audits)
	}

	refs := strings.Fields(r.git("for-each-ref", "--format=%(objectname)", "refs/ratchet/sorting/ablation"))
	if len(refs) != 1 || r.git("diff", refs[0], r.first) != "" {
		t.Fatalf("the trimmed heads: %v, want one that is the first change alone", refs)
	}
	r.audit("a2", refs[0], history.TrimmedTarget, 790)

	f, err := finalize.Finalize(t.Context(), r.co, finalize.FinalizeRequest{})
	if err != nil {
		t.Fatal(err)
	}

	if len(f.Ablation.Kept) != 1 || f.Ablation.Kept[0].N != 1 || len(f.Ablation.Dropped) != 1 || f.Audit.ID != "a2" {
		t.Errorf("kept and dropped: %+v", f.Ablation)
	}

	if !strings.Contains(f.Body, "## What was tried, kept for a while, and left out\n\n- x2 use B") {
		t.Errorf("the pull request: %s", f.Body)
	}

	if message := r.git("log", "-1", "--format=%B", f.Branch); !strings.Contains(message,
		"Left out, since not shown to pay: x2.") ||
		!strings.Contains(message, "Ratchet-Ablation: ") {
		t.Errorf("the message: %s", message)
	}
}

func TestAuditAndCertifyRefuse(t *testing.T) {
	r := begin(t)

	for _, pairs := range []int{1, 101} {
		if _, err := finalize.Audit(t.Context(), r.co, pairs, 0, nil); !research.HasCode(err,
			research.CodeBadArgument) {
			t.Errorf("%d pairs: %v", pairs, err)
		}
	}

	if out, err := finalize.Certify(t.Context(), r.co, 0, nil); out != nil || err != nil {
		t.Errorf("a certificate without a chain: %+v, %v", out, err)
	}

	for _, pairs := range []int{-1, 1, 201} {
		_, err := finalize.Finalize(t.Context(), r.co, finalize.FinalizeRequest{Pairs: pairs})
		if !research.HasCode(err, research.CodeBadArgument) {
			t.Errorf("%d pairs of a comparison: %v", pairs, err)
		}
	}

	if err := os.WriteFile(filepath.Join(r.co.Root(), "program.md"), []byte(strings.Replace(program, "bench", "b", 1)),
		0o644); err != nil {
		t.Fatal(err)
	}

	if _, err := finalize.Finalize(t.Context(), r.co, finalize.FinalizeRequest{}); !research.HasCode(err,
		research.CodeContract) {
		t.Errorf("a changed contract: %v", err)
	}
}
