package worker_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/testform"
	"ratchet/internal/worker"
)

// TestJudge judges candidates of one campaign, one after the other.
func TestJudge(t *testing.T) {
	t.Parallel()

	files := tinyFiles()
	files["lib/score.py"] = "import json\n"
	c := newCalibrated(t, files)

	if now := c.state(); !now.Calibrated || now.Broken != "" {
		t.Fatalf("after the calibration: calibrated %v, broken %q", now.Calibrated, now.Broken)
	}

	tests := []struct {
		name, candidate string
		verdict         research.Verdict
		reason          string // contained in it
	}{
		{"better", edited("a=50", "a=10"), research.Improved, ""},
		{"worse", edited("a=50", "a=90"), research.Regressed, ""},
		{"no number", edited("echo", "#"), research.Invalid, "score"},
		{"failing", "exit 3\n", research.Invalid, "failed: exit code 3"},
		{"not found", "nosuchprogram\n", research.Invalid, "command not found"},
		{"not building", "if\n", research.Invalid, "build failed: exit code"},
		{"not passing the check", edited("#", "# cheat"), research.Invalid, "check failed: exit code 1"},
		{"forging the evaluator", "echo 'echo METRIC score=1' > score.sh\necho 100\n", research.Invalid,
			"changed files that it may not: score.sh"},
		{"leaving code that the evaluator would load", "touch Makefile lib/json.py\necho 100\n", research.Equivalent, ""},
	}
	for _, test := range tests {
		x := c.judge(test.candidate)

		j := x.Judgement
		if j == nil || j.Verdict != test.verdict || !strings.Contains(j.Reason, test.reason) {
			t.Errorf("%s: %+v, want %s with %q", test.name, j, test.verdict, test.reason)
			continue
		}

		if x.Status == research.Unresolved {
			c.revert(x)
		}
	}

	if now := c.state(); len(now.Open) > 0 {
		t.Errorf("open at the end: %v", now.Open)
	}

	left, err := os.ReadDir(c.JobsDir())
	c.must(err)

	for _, e := range left {
		if !strings.HasPrefix(e.Name(), "tiny.turn") {
			t.Errorf("a file of an ended job stays: %s", e.Name())
		}
	}

	// Of the versions only the incumbent and the last candidate are left.
	cache, err := c.CacheDir()
	c.must(err)

	for pattern, want := range map[string]int{"base.*/stamp": 1, "setup.*/stamp": 1, "v/*/delta": 2, "v/*/built": 2,
		"runs/*": 0} {
		found, err := filepath.Glob(filepath.Join(cache, "tiny", pattern))
		c.must(err)

		if len(found) != want {
			t.Errorf("%s: %d of them, want %d: %v", pattern, len(found), want, found)
		}
	}
}

// TestJudgeMerges judges an experiment whose incumbent was replaced before it was measured.
func TestJudgeMerges(t *testing.T) {
	testform.SkipQuick(t, "internal/lab: TestKeepAfterAnotherSessionKept")
	t.Parallel()

	c := newCalibrated(t, tinyFiles())
	other, same := c.propose(edited("b=50", "b=20")), c.propose(edited("a=50", "a=10"))
	conflicting := c.propose(edited("a=50", "a=30"))
	c.keep(c.judge(edited("a=50", "a=10")))

	c.must(c.work(research.NewJobID(research.ExperimentJob, other)))

	if x := c.experiment(other); x.Rebased != 1 || x.Judgement.Verdict != research.Improved ||
		*x.Judgement.Value != 30 {
		t.Errorf("an edit of another line: merged %d times, %+v", x.Rebased, x.Judgement)
	}

	for n, reason := range map[int]string{same: "another session kept the same change", conflicting: "candidate.sh"} {
		c.must(c.work(research.NewJobID(research.ExperimentJob, n)))

		if x := c.experiment(n); x.Judgement.Verdict != research.Invalid || !strings.Contains(x.Judgement.Reason,
			reason) {
			t.Errorf("experiment %d: %+v, want invalid for %q", n, x.Judgement, reason)
		}
	}
}

// TestMeasure measures one version, two versions, the start against the incumbent,
// and versions that can't be measured.
func TestMeasure(t *testing.T) {
	t.Parallel()

	c := newCalibrated(t, tinyFiles())
	failing := c.experiment(c.propose("exit 3\n")).Candidate
	cheating := c.experiment(c.propose(edited("#", "# cheat"))).Candidate
	c.keep(c.judge(edited("a=50", "a=10")))
	start, incumbent := c.state().Start, c.state().Incumbent

	tests := []struct {
		start           rules.JobStart
		samples, paired []float64
		failed, unfit   string // contained in it
	}{
		{start: rules.JobStart{Job: "m1", Commit: incumbent, Runs: 2, Check: true}, samples: []float64{60, 60}},
		{start: rules.JobStart{Job: "m2", Commit: incumbent, Paired: start, Runs: 1}, samples: []float64{60},
			paired: []float64{100}},
		{start: rules.JobStart{Job: "m3", Commit: failing, Runs: 2}, failed: "failed: exit code 3"},
		{start: rules.JobStart{Job: "m4", Commit: cheating, Runs: 2, Check: true}, failed: "check failed: exit code 1"},
		{start: rules.JobStart{Job: "m5", Commit: cheating, Paired: incumbent, Runs: 2, Check: true, Ablates: "ab1"},
			failed: "check failed: exit code 1", unfit: "check failed: exit code 1"},
		{start: rules.JobStart{Job: "a1", Commit: incumbent, Paired: start, Runs: 1}, samples: []float64{60},
			paired: []float64{100}},
	}
	for _, test := range tests {
		c.append(history.KindMeasurementStarted, test.start)
		c.must(c.work(test.start.Job))

		end := c.measurement(test.start.Job).End
		if end == nil {
			t.Fatalf("%s has not ended", test.start.Job)
		}

		if !slices.Equal(end.Samples, test.samples) || !slices.Equal(end.Paired, test.paired) {
			t.Errorf("%s: samples %v and %v, want %v and %v", test.start.Job, end.Samples, end.Paired, test.samples,
				test.paired)
		}

		if !contains(end.Failed, test.failed) || !contains(end.Unfit, test.unfit) {
			t.Errorf("%s: failed %q, unfit %q, want %q and %q", test.start.Job, end.Failed, end.Unfit, test.failed,
				test.unfit)
		}
	}
}

// noisyScore prints a metric that varies from pair to pair.
const noisyScore = "echo METRIC score=$((1000 + RATCHET_SEED % 9))\n"

// judgeHalved starts a noisy campaign, and has an edit judged that halves the score.
func judgeHalved(t *testing.T) (*campaign, *history.Experiment) {
	t.Helper()
	c := newCalibrated(t, map[string]string{"program.md": noisyText, "candidate.sh": noisyScore})

	x := c.judge(strings.Replace(noisyScore, "1000", "500", 1))
	if x.Judgement == nil || x.Judgement.Verdict != research.Improved && x.Judgement.Verdict != research.Provisional {
		t.Fatalf("half the score: %+v", x.Judgement)
	}

	return c, x
}

// certify has the head certified.
func (c *campaign) certify() *history.CertificateEnd {
	c.t.Helper()
	now := c.state()
	c.append(history.KindCertificateStarted, rules.JobStart{Job: "h1", Commit: now.Incumbent, Paired: now.Checkpoint,
		Target: "incumbent", With: "checkpoint"})
	c.must(c.work("h1"))

	return c.measurement("h1").Proof
}

// TestCertify certifies a head that got better in earnest.
func TestCertify(t *testing.T) {
	t.Parallel()

	c, x := judgeHalved(t)
	c.keep(x)

	if proof := c.certify(); proof == nil || proof.Outcome != rules.Certified {
		t.Errorf("the certificate: %+v", proof)
	}
}

// TestRollBack certifies a head whose runs are those of the checkpoint: its keep's
// commit does not hold what was judged.
func TestRollBack(t *testing.T) {
	t.Parallel()

	c, x := judgeHalved(t)
	judged := x.Tree
	x.Tree = c.state().StartTree
	c.keep(x)

	proof := c.certify()
	if proof == nil || proof.Outcome != rules.RolledBack {
		t.Fatalf("the certificate: %+v", proof)
	}

	now := c.state()
	if now.Incumbent != proof.Commit || now.IncumbentTree != now.StartTree || now.IncumbentTree == judged {
		t.Errorf("the incumbent after it: %s, tree %s", now.Incumbent, now.IncumbentTree)
	}

	if ref, err := c.Repo.Ref(t.Context(), "refs/ratchet/tiny/incumbent"); err != nil || ref != proof.Commit {
		t.Errorf("the incumbent's ref: %s, %v", ref, err)
	}

	if x := c.experiment(x.N); x.Status != research.Reverted || !x.RolledBack {
		t.Errorf("the experiment of its chain: %s", x.Status)
	}
}

// TestBrokenProgram calibrates a program that gives no number.
func TestBrokenProgram(t *testing.T) {
	t.Parallel()

	files := tinyFiles()
	files["candidate.sh"] = "exit 3\n"
	c := newCalibrated(t, files)

	if now := c.state(); now.Calibrated || !strings.Contains(now.Broken, "exit code 3") {
		t.Errorf("calibrated %v, broken %q", now.Calibrated, now.Broken)
	}

	if x := c.judge("echo 10\n"); x.Judgement.Verdict != research.Invalid ||
		!strings.Contains(x.Judgement.Reason, "the incumbent gives no usable metric") {
		t.Errorf("an experiment on a broken incumbent: %+v", x.Judgement)
	}
}

// TestRefusals has workers refuse jobs, or lose them.
func TestRefusals(t *testing.T) {
	t.Parallel()

	c := newCampaign(t, tinyFiles())
	c.startCalibration()

	var told error
	none := host.Job{Campaign: "tiny", ID: "none"}

	err := worker.DoJob(t.Context(), c.Checkout, none, func(err error) { told = err })
	if err == nil || told == nil {
		t.Errorf("a job that is none was done: %v, and %v was told", err, told)
	}

	presence, err := c.Host.Announce(host.Job{Campaign: "tiny", ID: "c1"})
	c.must(err)

	if err := c.work("c1"); !research.HasCode(err, research.CodeBusy) {
		t.Errorf("a job that has a worker: %v", err)
	}
	presence.Release()

	if err := c.work("x7"); !research.HasCode(err, research.CodeConflict) {
		t.Errorf("a job that is not open: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := worker.RunWorker(ctx, c.Checkout, host.Job{Campaign: "tiny", ID: "c1"}, "", 0); err == nil {
		t.Error("a job was done after its stop")
	}

	if m := c.measurement("c1"); m.Lost != "stopped by request" {
		t.Errorf("a stopped calibration: %+v", m)
	}
}

// contains says whether text contains want, and is empty when want is.
func contains(text, want string) bool {
	return strings.Contains(text, want) && (text == "") == (want == "")
}
