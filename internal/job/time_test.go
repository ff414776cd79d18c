package job_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// These tests wait for minutes of a bubble's clock: calls of git and of the ledger
// take none of it.

func TestAWorkerThatNeverCameIsLostWhenItIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Propose(1)

		for _, step := range []struct {
			wait       time.Duration
			open, lost int
		}{{0, 1, 0}, {14 * time.Second, 1, 0}, {2 * time.Second, 0, 1}} {
			time.Sleep(step.wait)

			c, err := job.CurrentReaped(t.Context(), b.Checkout)
			if err != nil || len(c.Open) != step.open || b.Records(history.KindRunLost) != step.lost {
				t.Fatalf("after %v more: open %v, %d lost, %v", step.wait, c.Open, b.Records(history.KindRunLost), err)
			}
		}
	})
}

func TestAwaitJobNoticesADeadWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Propose(1)

		if _, err := b.Fake.Announce(x1); err != nil {
			t.Fatal(err)
		}
		dies := time.AfterFunc(20*time.Millisecond, func() { b.Fake.Kill(x1) })
		defer dies.Stop()

		out, err := job.AwaitJob(t.Context(), b.Checkout, checkouttest.Campaign, "x1", 10*time.Second, nil)
		if err != nil || out.Status != "done" || out.Verdict != research.Invalid ||
			!strings.Contains(out.Reason, "its worker died") {
			t.Errorf("%+v, %v", out, err)
		}

		if n := b.Records(history.KindRunLost); n != 1 {
			t.Errorf("%d records of the loss", n)
		}
	})
}

func TestAwaitJobTellsItsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Propose(1)

		if _, err := b.Fake.Announce(x1); err != nil {
			t.Fatal(err)
		}
		began, told := time.Now(), 0
		progress := func(out job.Outcome) {
			if told++; out.Status != "running" {
				t.Errorf("progress tells %+v", out)
			}
		}

		out, err := job.AwaitJob(t.Context(), b.Checkout, checkouttest.Campaign, "x1", time.Hour, progress)
		if took := time.Since(began); err != nil || out.Status != "running" || took < 50*time.Second ||
			took > 51*time.Second || told != 9 {
			t.Errorf("%+v, %v after %v, told %d times", out, err, took, told)
		}
	})
}

func TestAWorkerThatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Propose(1)

		began := time.Now()
		b.Fake.OnStop = ignoreStop

		if _, err := b.Fake.Announce(x1); err != nil {
			t.Fatal(err)
		}

		_, err := job.StopAndWait(t.Context(), b.Checkout, checkouttest.Campaign, "x1")
		if took := time.Since(began); !research.HasCode(err, research.CodeBusy) || took < 40*time.Second ||
			took > 42*time.Second || len(b.Fake.Stops()) != 1 {
			t.Errorf("%v after %v, asked %v", err, took, b.Fake.Stops())
		}
	})
}
