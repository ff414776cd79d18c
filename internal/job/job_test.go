package job_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/host"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

func TestMain(m *testing.M) { checkouttest.Main(m) }

var x1 = host.Job{Campaign: checkouttest.Campaign, ID: "x1"}

// newBench is a calibrated campaign with a candidate in the file.
func newBench(t *testing.T) *checkouttest.Bench {
	t.Helper()

	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	b.Write("work.txt", checkouttest.Work(1, "less"))

	return b
}

func ignoreStop(host.Job, host.Presence) {}

// measure asks for a measurement of the incumbent as lab.Measure does.
func measure(b *checkouttest.Bench) (research.JobID, error) {
	return job.StartJob(context.Background(), b.Checkout, checkouttest.Campaign, history.KindMeasurementStarted,
		func(c *history.Campaign) (rules.JobStart, error) {
			return rules.JobStart{Job: research.NewJobID(research.MeasurementJob, c.Measurements+1),
				Commit: c.Incumbent, Target: "incumbent", Runs: 1}, nil
		})
}

func TestStartJobRecordsBeforeItStarts(t *testing.T) {
	b := newBench(t)
	recorded := 0
	b.Fake.Work = func(l host.Launch, p host.Presence) { recorded = b.Records(history.KindMeasurementStarted) }

	id, err := measure(b)
	if err != nil || id != "m1" || recorded != 1 {
		t.Fatalf("%s, %v; %d records when its worker began", id, err, recorded)
	}

	l := b.Fake.Launches()
	want := []string{"ratchet", "supervise", "--ledger", b.Ledger.Path(),
		"-C", b.Root(), "--git-dir", b.Repo.GitDir(), "--common-dir", b.Repo.CommonDir()}

	if len(l) != 1 || l[0].ID != "m1" || l[0].Dir != b.Root() || !slices.Equal(slices.Concat(l[0].Argv, l[0].Args), want) {
		t.Errorf("launched %+v, want %q", l, want)
	}

	if c := b.State(); !slices.Equal(c.Open, []research.JobID{"m1"}) {
		t.Errorf("open are %v", c.Open)
	}
}

func TestStartJobMakesNone(t *testing.T) {
	b := newBench(t)
	refuse := errors.New("refused")

	for _, want := range []error{nil, refuse} {
		id, err := job.StartJob(t.Context(), b.Checkout, checkouttest.Campaign, history.KindMeasurementStarted,
			func(*history.Campaign) (rules.JobStart, error) { return rules.JobStart{}, want })
		if id != "" || !errors.Is(err, want) || len(b.Fake.Launches()) > 0 {
			t.Errorf("none, with %v: %q, %v, %d launches", want, id, err, len(b.Fake.Launches()))
		}
	}
}

func TestAJobWhoseWorkerCannotStartIsLost(t *testing.T) {
	b := newBench(t)
	b.Fake.StartError = research.Errorf(research.CodeStorage, "free space", "the disk is full")

	id, err := measure(b)
	if !research.HasCode(err, research.CodeStorage) {
		t.Errorf("the cause became %v", err)
	}

	if c := b.State(); len(c.Open) > 0 || b.Records(history.KindRunLost) != 1 {
		t.Fatalf("open are %v, %d lost", c.Open, b.Records(history.KindRunLost))
	}

	out, err := job.ReadOutcome(t.Context(), b.Checkout, checkouttest.Campaign, id)
	if err != nil || out.Status != "done" ||
		!strings.HasPrefix(out.Reason, "its worker could not be started: the disk is full") {
		t.Errorf("%+v, %v", out, err)
	}
}

// A job is lost once: a worker that ended it first is believed.
func TestRecordLostOfAJobThatHasEnded(t *testing.T) {
	b := newBench(t)
	b.Propose(1)
	b.Judge(1, 900)

	if err := job.RecordLost(t.Context(), b.Checkout, checkouttest.Campaign, "x1", "late", nil); err != nil {
		t.Fatal(err)
	}

	if b.Records(history.KindRunLost) != 0 || b.Experiment(1).Judgement.Verdict != research.Improved {
		t.Errorf("a verdict was taken back: %+v", b.Experiment(1))
	}
}

func TestAwaitJobSeesTheEnd(t *testing.T) {
	b := newBench(t)
	b.Propose(1)
	p, err := b.Fake.Announce(x1)
	if err != nil {
		t.Fatal(err)
	}
	p.Report("run 1")

	out, err := job.AwaitJob(t.Context(), b.Checkout, checkouttest.Campaign, "x1", 0, nil)
	if err != nil || out.Status != "running" || out.Phase != "run 1" || out.Next != "wait_run{}" {
		t.Fatalf("without a wait: %+v, %v", out, err)
	}

	go func() {
		b.Judge(1, 900)
		_ = p.Finish()
	}()

	out, err = job.AwaitJob(t.Context(), b.Checkout, checkouttest.Campaign, "x1", 30*time.Second, nil)
	if err != nil || out.Status != "done" || out.Verdict != research.Improved || out.Next != "keep{}" {
		t.Errorf("after the verdict: %+v, %v", out, err)
	}
}

func TestAwaitJobEndsWithItsTimeAndWithItsCall(t *testing.T) {
	b := newBench(t)
	b.Propose(1)

	if _, err := b.Fake.Announce(x1); err != nil {
		t.Fatal(err)
	}

	out, err := job.AwaitJob(t.Context(), b.Checkout, checkouttest.Campaign, "x1", 30*time.Millisecond, nil)
	if err != nil || out.Status != "running" {
		t.Errorf("at its time: %+v, %v", out, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)

	_, err = job.AwaitJob(ctx, b.Checkout, checkouttest.Campaign, "x1", 30*time.Second, nil)
	if !research.HasCode(err, research.CodeCancelled) {
		t.Errorf("cancelled: %v", err)
	}

	if c := b.State(); len(c.Open) != 1 || len(b.Fake.Stops()) > 0 {
		t.Errorf("a call that ended stopped its job: open %v, asked %v", c.Open, b.Fake.Stops())
	}
}

// A worker that has not announced itself yet is only lost when it is late; and in
// doubt it lives.
func TestCurrentReaped(t *testing.T) {
	b := newBench(t)
	b.Propose(1)
	reap := func(want int) {
		t.Helper()

		c, err := job.CurrentReaped(t.Context(), b.Checkout)
		if err != nil || len(c.Open) != want {
			t.Fatalf("open are %v, %v; want %d", c.Open, err, want)
		}
	}
	reap(1) // just proposed

	p, err := b.Fake.Announce(x1)
	if err != nil {
		t.Fatal(err)
	}
	reap(1) // alive
	p.Release()

	b.Fake.StatusError = errors.New("no answer")
	if _, err := job.CurrentReaped(t.Context(), b.Checkout); !errors.Is(err, b.Fake.StatusError) || b.Records(
		history.KindRunLost) > 0 {
		t.Errorf("in doubt: %v, %d lost", err, b.Records(history.KindRunLost))
	}

	b.Fake.StatusError = nil
	reap(0) // dead
	reap(0)

	if n := b.Records(history.KindRunLost); n != 1 {
		t.Errorf("%d records of the loss", n)
	}
}

func TestStopAndWait(t *testing.T) {
	b := newBench(t)
	b.Propose(1)
	b.Fake.OnStop = func(_ host.Job, p host.Presence) { // a moment later, as a process would
		time.AfterFunc(10*time.Millisecond, func() {
			b.Append(history.KindRunLost, history.Loss{Job: "x1", Reason: "stopped by request"})
			_ = p.Finish()
		})
	}

	// It is asked as soon as it is there.
	announced := time.AfterFunc(50*time.Millisecond, func() { _, _ = b.Fake.Announce(x1) })
	defer announced.Stop()

	out, err := job.StopAndWait(t.Context(), b.Checkout, checkouttest.Campaign, "x1")
	if err != nil || out.Status != "done" || out.Reason != "stopped by request" {
		t.Fatalf("%+v, %v", out, err)
	}

	if got := b.Fake.Stops(); !slices.Equal(got, []host.Job{x1}) {
		t.Errorf("asked to end were %v", got)
	}
}

func TestNextAfterDecision(t *testing.T) {
	b := newBench(t)
	c := *b.State()

	for want, change := range map[string]func(c *history.Campaign){
		"edit the file for the next idea, then run_experiment{hypothesis}": func(*history.Campaign) {},
		"experiment 3 waits":                                    func(c *history.Campaign) { c.Mine = 3 },
		"9 experiments since the last keep":                     func(c *history.Campaign) { c.Streak = 9 },
		"the incumbent gives no usable metric (exit 1)":         func(c *history.Campaign) { c.Broken = "exit 1" },
		"follow read_log{view: \"guide\", query: \"finalize\"}": func(c *history.Campaign) { c.Experiments = 20 },
	} {
		now := c
		change(&now)

		if got := job.NextAfterDecision(&now); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCollectGarbage(t *testing.T) {
	b := newBench(t)

	removed, err := job.CollectGarbage(t.Context(), b.Checkout)
	if err != nil || len(removed) > 0 {
		t.Errorf("of a living campaign %v was removed, %v", removed, err)
	}
}
