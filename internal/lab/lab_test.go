package lab_test

import (
	"strings"
	"testing"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/host"
	"ratchet/internal/job"
	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

func TestMain(m *testing.M) { checkouttest.Main(m) }

// newBench is a campaign that was started by the lab, in whose worker's place the
// test appends: the calibration finds 1000, and an experiment finds values in turn.
func newBench(t *testing.T, values ...float64) *checkouttest.Bench {
	t.Helper()

	b := checkouttest.New(t, checkouttest.Program)
	work(b, values...)

	if _, err := lab.StartCampaign(t.Context(), b.Checkout, lab.StartRequest{}); err != nil {
		t.Fatal(err)
	}

	return b
}

// work makes the host's workers find values in turn, and live on without an end
// once there are no more.
func work(b *checkouttest.Bench, values ...float64) {
	b.Fake.Work = func(l host.Launch, p host.Presence) {
		switch {
		case l.ID.Kind() == research.CalibrationJob:
			b.Calibrate(l.ID)
		case len(values) == 0:
			return
		default:
			b.Judge(l.ID.N(), values[0])
			values = values[1:]
		}
		_ = p.Finish()
	}
}

func run(t *testing.T, b *checkouttest.Bench, text string) (*job.Outcome, error) {
	t.Helper()
	b.Write("work.txt", text)

	return lab.RunExperiment(t.Context(), b.Checkout, lab.ExperimentRequest{Hypothesis: "shorter"}, nil)
}

func mustRun(t *testing.T, b *checkouttest.Bench, text string) *job.Outcome {
	t.Helper()

	out, err := run(t, b, text)
	if err != nil {
		t.Fatal(err)
	}

	return out
}

func mustKeep(t *testing.T, b *checkouttest.Bench, id string) *lab.KeptAnswer {
	t.Helper()

	out, err := lab.Keep(t.Context(), b.Checkout, lab.KeepRequest{ID: id})
	if err != nil {
		t.Fatal(err)
	}

	return out
}

func mustRevert(t *testing.T, b *checkouttest.Bench) *lab.RevertedAnswer {
	t.Helper()

	out, err := lab.Revert(t.Context(), b.Checkout, lab.RevertRequest{Lesson: "no use"})
	if err != nil {
		t.Fatal(err)
	}

	return out
}

func refused(t *testing.T, what string, err error, want research.Code) {
	t.Helper()

	if !research.HasCode(err, want) {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// requireAgreement compares what the ledger says of the incumbent with the refs, the
// branch, the index and the file.
func requireAgreement(t *testing.T, b *checkouttest.Bench, text string) {
	t.Helper()
	incumbent := b.State().Incumbent

	for _, ref := range []string{checkout.RefName(checkouttest.Campaign, "incumbent"), "HEAD"} {
		if at := b.Git("rev-parse", ref); at != incumbent {
			t.Errorf("%s is at %s, the ledger's incumbent is %s", ref, at, incumbent)
		}
	}

	if status := b.Git("status", "--porcelain", "--untracked-files=no"); status != "" {
		t.Errorf("git status is %q", status)
	}

	if got := b.Read("work.txt"); got != text {
		t.Errorf("work.txt is %q, want %q", got, text)
	}
}

func TestStartCampaign(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	work(b)

	for name, want := range map[string]research.Code{"Sorting": research.CodeBadArgument,
		"-x": research.CodeBadArgument} {
		_, err := lab.StartCampaign(t.Context(), b.Checkout, lab.StartRequest{Name: name})
		refused(t, name, err, want)
	}
	b.Write("bench", "changed")

	_, err := lab.StartCampaign(t.Context(), b.Checkout, lab.StartRequest{})
	refused(t, "with a changed file", err, research.CodeRepository)
	b.Git("restore", "bench")
	b.Write("work.txt", checkouttest.Work(1, "mine"))

	s, err := lab.StartCampaign(t.Context(), b.Checkout, lab.StartRequest{})
	if err != nil {
		t.Fatal(err)
	}

	if s.Resumed || s.Branch != "ratchet/sorting" || s.Back != "git switch main" || s.ID != "c1" ||
		s.Left.Experiments != 20 {
		t.Errorf("started %+v", s)
	}

	if len(s.Notes) != 1 || !strings.HasPrefix(s.Notes[0], "work.txt has uncommitted changes: they were left in place") ||
		b.Read("work.txt") != checkouttest.Work(1, "mine") {
		t.Errorf("the edit of before: %q", s.Notes)
	}

	again, err := lab.StartCampaign(t.Context(), b.Checkout, lab.StartRequest{})
	if err != nil || !again.Resumed || again.ID != "" || *again.Value != 1000 || len(b.Fake.Launches()) != 1 {
		t.Errorf("again: %+v, %v, %d launches", again, err, len(b.Fake.Launches()))
	}
}

// A start that died between its refs and its record is taken over.
func TestStartCampaignAfterOneThatDied(t *testing.T) {
	b := newBench(t)
	c := b.State()

	other := checkouttest.New(t, checkouttest.Program)
	work(other)
	head := other.Git("rev-parse", "HEAD")

	for _, ref := range []string{c.Branch, "refs/ratchet/sorting/start", "refs/ratchet/sorting/incumbent"} {
		other.Git("update-ref", ref, head)
	}

	s, err := lab.StartCampaign(t.Context(), other.Checkout, lab.StartRequest{})
	if err != nil || s.Resumed {
		t.Fatalf("%+v, %v", s, err)
	}
	requireAgreement(t, other, checkouttest.Work(0, ""))
}

func TestRefusalsSpendNothing(t *testing.T) {
	b := newBench(t, 1200, 1200)
	less := checkouttest.Work(1, "less")
	mustRun(t, b, checkouttest.Work(2, "worse"))
	mustRevert(t, b)
	records := b.Records()

	try := func(what string, want research.Code, change func()) {
		t.Helper()
		change()
		_, err := lab.RunExperiment(t.Context(), b.Checkout, lab.ExperimentRequest{Hypothesis: "shorter"}, nil)
		refused(t, what, err, want)

		if n := b.Records(); n != records {
			t.Errorf("%s: %d records were written", what, n-records)
		}
	}

	_, err := lab.RunExperiment(t.Context(), b.Checkout, lab.ExperimentRequest{Hypothesis: " \n"}, nil)
	refused(t, "no hypothesis", err, research.CodeBadArgument)
	_, err = lab.RunExperiment(t.Context(), b.Checkout, lab.ExperimentRequest{Hypothesis: "h", Idea: "7"}, nil)
	refused(t, "an idea that is not there", err, research.CodeNotFound)

	try("an unchanged file", research.CodeNoChange, func() {})
	try("an edit that was judged", research.CodeDuplicate,
		func() { b.Write("work.txt", checkouttest.Work(2, "worse")) })
	try("a file outside the scope", research.CodeScope, func() {
		b.Write("work.txt", less)
		b.Write("bench", "exit 0")
	})
	b.Git("restore", "bench")
	try("a changed contract", research.CodeContract, func() {
		b.Write("program.md", strings.Replace(checkouttest.Program, "hours: 1", "hours: 9", 1))
	})
	b.Git("restore", "program.md")
	try("another branch", research.CodeRepository, func() { b.Git("symbolic-ref", "HEAD", "refs/heads/main") })
	b.Git("symbolic-ref", "HEAD", "refs/heads/ratchet/sorting")

	if out := mustRun(t, b, less); out.Experiment != 2 {
		t.Errorf("after all that: %+v", out)
	}
}

func TestRunAndKeep(t *testing.T) {
	b := newBench(t, 900)
	less := checkouttest.Work(1, "less")
	parent := b.State().Incumbent

	out := mustRun(t, b, less)
	if out.Status != "done" || out.Verdict != research.Improved || out.Next != "keep{}" || out.Left.Experiments != 19 {
		t.Fatalf("the outcome is %+v", out)
	}

	if x := b.Git("rev-parse", "refs/ratchet/sorting/x/1^"); x != parent {
		t.Errorf("the candidate's parent is %s, want %s", x, parent)
	}

	_, err := run(t, b, checkouttest.Work(2, "less"))
	refused(t, "while an improvement waits", err, research.CodeUnresolved)
	b.Write("work.txt", less)

	k := mustKeep(t, b, "")
	c := b.State()

	if k.Experiment != 1 || k.Branch != "ratchet/sorting" || *k.Value != 900 || c.Kept != 1 || c.Rule.Incumbent != 900 {
		t.Errorf("kept %+v; campaign kept %d, incumbent %g", k, c.Kept, c.Rule.Incumbent)
	}
	requireAgreement(t, b, less)

	if message := b.Git("log", "-1", "--format=%B"); !strings.Contains(message, "Ratchet-Experiment: sorting/1\n") ||
		!strings.Contains(message, "Ratchet-Verdict: improved\n") {
		t.Errorf("the commit says %q", message)
	}

	if again := mustKeep(t, b, "x1"); again.Commit != k.Commit || b.State().Kept != 1 {
		t.Errorf("kept again: %+v", again)
	}
}

func TestRunAndRevert(t *testing.T) {
	b := newBench(t, 1200)
	begin := checkouttest.Work(0, "")

	if out := mustRun(t, b, checkouttest.Work(1, "more")); out.Verdict != research.Regressed {
		t.Fatalf("the outcome is %+v", out)
	}

	_, err := lab.Keep(t.Context(), b.Checkout, lab.KeepRequest{})
	refused(t, "a keep of a regression", err, research.CodeVerdict)

	// What was edited on meanwhile is stored first.
	b.Write("work.txt", checkouttest.Work(3, "precious"))
	r := mustRevert(t, b)

	if r.Experiment != 1 || !r.Lesson || r.SavedAs != "refs/ratchet/sorting/saved/1" || b.State().Lessons != 1 {
		t.Errorf("reverted %+v", r)
	}
	requireAgreement(t, b, begin)

	if saved := b.Git("show", r.SavedAs+":work.txt"); saved+"\n" != checkouttest.Work(3, "precious") {
		t.Errorf("stored is %q", saved)
	}

	if again := mustRevert(t, b); again.Experiment != 0 || b.State().Reverted != 1 {
		t.Errorf("reverted again: %+v, %d reverted", again, b.State().Reverted)
	}
}

// A person may keep what the verdict does not allow, if a number came of it.
func TestKeepOverridden(t *testing.T) {
	b := newBench(t, 1200)
	mustRun(t, b, checkouttest.Work(1, "more"))

	o, err := lab.FindOverridable(t.Context(), b.Checkout, "")
	if err != nil || o.ID != "x1" || o.Checkout != b.Root() {
		t.Fatalf("%+v, %v", o, err)
	}

	k, err := lab.Keep(t.Context(), b.Checkout, lab.KeepRequest{ID: "x1", Override: lab.Word{By: history.ByTerminal}})
	if err != nil || !k.Overridden || b.State().Overridden != 1 {
		t.Fatalf("%+v, %v", k, err)
	}
	requireAgreement(t, b, checkouttest.Work(1, "more"))
}

// Two checkouts propose from one incumbent. The second keep is not of what was
// measured: the edit is merged with the first and measured again.
func TestKeepAfterAnotherSessionKept(t *testing.T) {
	b := newBench(t, 900, 950, 850)
	beside := b.Beside()

	if _, err := lab.StartCampaign(t.Context(), beside.Checkout, lab.StartRequest{}); err != nil {
		t.Fatal(err)
	}
	mustRun(t, b, checkouttest.Work(1, "first"))
	mustRun(t, beside, checkouttest.Work(9, "second"))
	first := mustKeep(t, b, "")

	_, err := lab.Keep(t.Context(), beside.Checkout, lab.KeepRequest{})
	refused(t, "the second keep", err, research.CodeConflict)

	x := b.Experiment(3)
	if x.Merges != 2 || !strings.HasPrefix(x.Parent, first.Commit) || x.Status != research.Unresolved {
		t.Fatalf("the merged experiment is %+v", x)
	}
	mustKeep(t, beside, "")

	merged := strings.Replace(checkouttest.Work(1, "first"), "this is line 9", "second", 1)
	requireAgreement(t, beside, merged)

	if c := b.State(); c.Kept != 2 || c.Rule.Incumbent != 850 {
		t.Errorf("kept %d, incumbent %g", c.Kept, c.Rule.Incumbent)
	}

	// The first checkout stands on an older incumbent: revert brings the new one.
	mustRevert(t, b)
	requireAgreement(t, b, merged)
}

// An edit of the very lines that another session changed can't be merged.
func TestRunInAConflictWithAnotherSession(t *testing.T) {
	b := newBench(t, 900)
	beside := b.Beside()

	if _, err := lab.StartCampaign(t.Context(), beside.Checkout, lab.StartRequest{}); err != nil {
		t.Fatal(err)
	}
	mustRun(t, b, checkouttest.Work(1, "first"))
	mustKeep(t, b, "")

	_, err := run(t, beside, checkouttest.Work(1, "second"))
	refused(t, "a change of the same line", err, research.CodeConflict)
}

// keep moves the incumbent by compare-and-swap: of two calls that decided by the
// same reading of the ledger one is refused.
func TestKeepIsACompareAndSwap(t *testing.T) {
	b := newBench(t, 900, 800)
	beside := b.Beside()

	if _, err := lab.StartCampaign(t.Context(), beside.Checkout, lab.StartRequest{}); err != nil {
		t.Fatal(err)
	}
	mustRun(t, b, checkouttest.Work(1, "first"))
	mustRun(t, beside, checkouttest.Work(9, "second"))
	stale := b.State()

	mustKeep(t, beside, "")

	_, err := lab.RecordKeep(t.Context(), b.Checkout, stale,
		history.Keeping{N: 1, Commit: b.Experiment(1).Candidate, Was: stale.Incumbent, Branch: stale.Branch})
	refused(t, "a keep on an older reading", err, research.CodeConflict)

	if c := b.State(); c.Kept != 1 || c.IncumbentOf != 2 {
		t.Errorf("kept %d, incumbent of %d", c.Kept, c.IncumbentOf)
	}
}

// A keep whose process died after its record is finished by the next call.
func TestKeepAfterOneThatDiedBetweenRecordAndRefs(t *testing.T) {
	for name, next := range map[string]func(b *checkouttest.Bench) error{
		"keep": func(b *checkouttest.Bench) error {
			_, err := lab.Keep(t.Context(), b.Checkout, lab.KeepRequest{ID: "x1"})
			return err
		},
		"start_campaign": func(b *checkouttest.Bench) error {
			s, err := lab.StartCampaign(t.Context(), b.Checkout, lab.StartRequest{})
			if err == nil && len(s.Notes) > 0 {
				t.Errorf("what was finished is announced as another session's: %q", s.Notes)
			}

			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 900)
			less := checkouttest.Work(1, "less")
			mustRun(t, b, less)

			c, x := b.State(), b.Experiment(1)
			commit := b.Git("commit-tree", "-p", c.Incumbent, "-m", "kept", x.Tree)

			if _, err := lab.RecordKeep(t.Context(), b.Checkout, c,
				history.Keeping{N: 1, Commit: commit, Was: c.Incumbent, Branch: c.Branch}); err != nil {
				t.Fatal(err)
			}

			if b.Git("rev-parse", "HEAD") == commit {
				t.Fatal("the refs have moved already")
			}

			if err := next(b); err != nil {
				t.Fatal(err)
			}
			requireAgreement(t, b, less)
		})
	}
}

func TestWaitAndStop(t *testing.T) {
	b := newBench(t)
	b.Fake.OnStop = func(id host.Job, p host.Presence) {
		b.Append(history.KindRunLost, history.Loss{Job: id.ID, Reason: "stopped by request"})
		_ = p.Finish()
	}

	calibrated, err := lab.Wait(t.Context(), b.Checkout, job.WaitRequest{}, nil)
	if err != nil || calibrated.ID != "c1" || calibrated.Status != "done" {
		t.Errorf("before the first experiment: %+v, %v", calibrated, err)
	}

	nothing, err := lab.StopJob(t.Context(), b.Checkout, "")
	if err != nil || nothing.Status != "idle" {
		t.Errorf("nothing to stop: %+v, %v", nothing, err)
	}

	if out := mustRun(t, b, checkouttest.Work(1, "less")); out.Status != "running" || out.ID != "x1" {
		t.Fatalf("the outcome is %+v", out)
	}

	_, err = run(t, b, checkouttest.Work(2, "less"))
	refused(t, "while one runs", err, research.CodeBusy)
	_, err = lab.Keep(t.Context(), b.Checkout, lab.KeepRequest{})
	refused(t, "a keep while it runs", err, research.CodeBusy)
	_, err = lab.Revert(t.Context(), b.Checkout, lab.RevertRequest{})
	refused(t, "a revert while it runs", err, research.CodeBusy)

	s, err := lab.StopJob(t.Context(), b.Checkout, "")
	if err != nil || s.Status != "stopped" || s.Text != "invalid: stopped by request" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestStopAndResumeTheLoop(t *testing.T) {
	b := newBench(t)
	b.Fake.OnStop = func(id host.Job, p host.Presence) {
		b.Append(history.KindRunLost, history.Loss{Job: id.ID, Reason: "stopped by request"})
		_ = p.Finish()
	}
	mustRun(t, b, checkouttest.Work(1, "less"))

	for _, changed := range []bool{true, false} {
		out, err := lab.StopLoop(t.Context(), b.Checkout, "terminal")
		if err != nil || out.Status != "rests" || out.Changed != changed || len(out.Stopped) > 0 != changed {
			t.Fatalf("%+v, %v", out, err)
		}
	}

	_, err := run(t, b, checkouttest.Work(2, "less"))
	refused(t, "a run while the loop rests", err, research.CodeStopped)

	if _, err := lab.Revert(t.Context(), b.Checkout, lab.RevertRequest{}); err != nil {
		t.Errorf("a revert while the loop rests: %v", err)
	}

	out, err := lab.ResumeLoop(t.Context(), b.Checkout, "terminal")
	if err != nil || out.Status != "goes on" || !out.Changed {
		t.Fatalf("%+v, %v", out, err)
	}
	work(b, 900)

	if out := mustRun(t, b, checkouttest.Work(2, "less")); out.Verdict != research.Improved {
		t.Errorf("after it went on: %+v", out)
	}
}

func TestShareIdeasAndClaims(t *testing.T) {
	b := newBench(t, 900)
	beside := b.Beside()
	share := func(b *checkouttest.Bench, ops ...lab.ShareOp) (*lab.Shared, error) {
		return lab.Share(t.Context(), b.Checkout, ops)
	}

	out, err := share(b, lab.ShareOp{Op: "add", Idea: "Sort fewer elements"},
		lab.ShareOp{Op: "add", Idea: "sort fewer  elements"}, lab.ShareOp{Op: "claim", Idea: "1"},
		lab.ShareOp{Op: "lesson", Lesson: "caches are small"})
	if err != nil || len(out.Done) != 4 || !strings.HasPrefix(out.Done[1], "this is idea 1 already") ||
		b.State().Ideas != 1 || b.State().Lessons != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	records := b.Records()

	for what, test := range map[string]struct {
		ops  []lab.ShareOp
		want research.Code
	}{
		"nothing":                   {nil, research.CodeBadArgument},
		"an unknown operation":      {[]lab.ShareOp{{Op: "shout", Idea: "1"}}, research.CodeBadArgument},
		"a number as an idea":       {[]lab.ShareOp{{Op: "add", Idea: "12"}}, research.CodeBadArgument},
		"an idea that is not there": {[]lab.ShareOp{{Op: "claim", Idea: "9"}}, research.CodeNotFound},
		"another session's claim":   {[]lab.ShareOp{{Op: "claim", Idea: "1"}}, research.CodeClaimed},
		"a release of another's":    {[]lab.ShareOp{{Op: "release", Idea: "1"}}, research.CodeConflict},
		"all, if one of them is refused": {[]lab.ShareOp{{Op: "add", Idea: "Unroll"}, {Op: "drop", Idea: "1"}},
			research.CodeClaimed},
	} {
		_, err := share(beside, test.ops...)
		refused(t, what, err, test.want)
	}

	if n := b.Records(); n != records {
		t.Errorf("refused operations wrote %d records", n-records)
	}

	b.Write("work.txt", checkouttest.Work(1, "less"))

	if _, err := lab.RunExperiment(t.Context(), b.Checkout, lab.ExperimentRequest{Hypothesis: "fewer", Idea: "1"},
		nil); err != nil {
		t.Fatal(err)
	}

	if x := b.Experiment(1); x.Idea != "1" || x.Fence != 1 {
		t.Errorf("the experiment has idea %q under claim %d", x.Idea, x.Fence)
	}

	if out, err := share(b, lab.ShareOp{Op: "drop", Idea: "1", Lesson: "done"}); err != nil ||
		out.Ideas[0].Status != history.IdeaDropped {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestUndoTakesTheLastKeepBack(t *testing.T) {
	b := newBench(t, 900, 800)
	first := checkouttest.Work(1, "first")
	mustRun(t, b, first)
	mustKeep(t, b, "")
	mustRun(t, b, strings.Replace(first, "this is line 2", "second", 1))
	last := mustKeep(t, b, "")

	u, err := lab.Undo(t.Context(), b.Checkout)
	if err != nil || u.Experiment != 2 {
		t.Fatalf("%+v, %v", u, err)
	}
	requireAgreement(t, b, first)

	if parent := b.Git("rev-parse", "--short=7", "HEAD^"); !strings.HasPrefix(last.Commit, parent) {
		t.Errorf("the undo stands on %s, not on the keep %s", parent, last.Commit)
	}

	if _, err := lab.Undo(t.Context(), b.Checkout); err != nil {
		t.Fatal(err)
	}
	requireAgreement(t, b, checkouttest.Work(0, ""))
	_, err = lab.Undo(t.Context(), b.Checkout)
	refused(t, "an undo of nothing", err, research.CodeNotFound)
}

func TestAbandon(t *testing.T) {
	b := newBench(t, 900)
	mustRun(t, b, checkouttest.Work(1, "less"))

	lines, err := lab.Abandon(t.Context(), b.Checkout, true)
	if err != nil || len(lines) != 4 || lines[1] != "3 refs below refs/ratchet/sorting removed" {
		t.Fatalf("%q, %v", lines, err)
	}

	_, err = run(t, b, checkouttest.Work(2, "less"))
	refused(t, "a run after the end", err, research.CodeEnded)
}

func TestAcceptContract(t *testing.T) {
	b := newBench(t, 900)
	b.Write("program.md", strings.Replace(checkouttest.Program, "experiments: 20", "experiments: 30", 1))

	c, _, digest, err := lab.PendingContract(t.Context(), b.Checkout)
	if err != nil || digest == c.Digest {
		t.Fatalf("pending is %s, %v", digest, err)
	}
	refused(t, "another text than was seen", lab.AcceptContract(t.Context(), b.Checkout, c.Digest,
		lab.Word{By: history.ByTerminal}),
		research.CodeConflict)

	if err := lab.AcceptContract(t.Context(), b.Checkout, digest, lab.Word{By: history.ByTerminal}); err != nil {
		t.Fatal(err)
	}

	if now := b.State(); now.Digest != digest || now.Program.Campaign.Experiments != 30 {
		t.Errorf("accepted is %s with %d experiments", now.Digest, now.Program.Campaign.Experiments)
	}
}

func TestANoteIsToldOnce(t *testing.T) {
	b := newBench(t, 900, 950)

	if n, err := lab.AddNote(t.Context(), b.Checkout, "try radix sort", "terminal"); n != 1 || err != nil {
		t.Fatalf("note %d, %v", n, err)
	}

	if out := mustRun(t, b, checkouttest.Work(1, "less")); out.Human != "try radix sort" {
		t.Errorf("the run's answer tells %q", out.Human)
	}

	if k := mustKeep(t, b, ""); k.Human != "" {
		t.Errorf("the note was told again: %q", k.Human)
	}

	if n := b.Records(history.KindNoteDelivered); n != 1 {
		t.Errorf("%d records of the delivery", n)
	}
	_, err := lab.AddNote(t.Context(), b.Checkout, "\x00", "terminal")
	refused(t, "an empty note", err, research.CodeBadArgument)
}

func TestMeasureSpendsAndDecidesNothing(t *testing.T) {
	b := newBench(t)

	_, err := lab.Measure(t.Context(), b.Checkout, lab.MeasureRequest{Runs: 101}, nil)
	refused(t, "101 runs", err, research.CodeBadArgument)
	_, err = lab.Measure(t.Context(), b.Checkout, lab.MeasureRequest{Target: "no-such-version", Runs: 1}, nil)
	refused(t, "an unknown version", err, research.CodeNotFound)

	b.Write("bench", "exit 0")
	b.Git("commit", "-qam", "outside the scope")
	_, err = lab.Measure(t.Context(), b.Checkout, lab.MeasureRequest{Target: "HEAD", Runs: 1}, nil)
	refused(t, "a version outside the scope", err, research.CodeScope)
	b.Git("reset", "-q", "--hard", "HEAD^")

	out, err := lab.Measure(t.Context(), b.Checkout, lab.MeasureRequest{With: "start", Runs: 2, Wait: time.Millisecond},
		nil)
	if err != nil || out.Status != "running" || out.ID != "m1" || b.State().Experiments != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

// A resuming session waits for what its checkout runs; a calibration's outcome stays
// that of the version which it measured.
func TestStartCampaignWhileAnExperimentRuns(t *testing.T) {
	b := newBench(t)
	b.Write("work.txt", checkouttest.Work(1, "less"))

	if _, err := lab.RunExperiment(t.Context(), b.Checkout, lab.ExperimentRequest{Hypothesis: "shorter"}, nil); err != nil {
		t.Fatal(err)
	}

	s, err := lab.StartCampaign(t.Context(), b.Checkout, lab.StartRequest{})
	if err != nil || s.Next != `wait_run{id: "x1"}` {
		t.Errorf("resumed: %+v, %v", s, err)
	}
}

func TestWaitForCalibrationAfterKeep(t *testing.T) {
	b := newBench(t, 900)
	mustRun(t, b, checkouttest.Work(1, "less"))
	mustKeep(t, b, "")

	out, err := lab.Wait(t.Context(), b.Checkout, job.WaitRequest{ID: "c1"}, nil)
	if err != nil || out.Value == nil || *out.Value != 1000 || !strings.Contains(out.Finding, "the start: ") ||
		strings.Contains(out.Finding, "900") {
		t.Errorf("c1 after a keep: %+v, %v", out, err)
	}
}
