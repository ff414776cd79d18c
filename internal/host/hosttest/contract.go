package hosttest

import (
	"testing"
	"time"

	"ratchet/internal/host"
	"ratchet/internal/research"
)

// Subject is a host under test, empty.
type Subject struct {
	Host host.Host
	// Argv is the command of a worker that announces itself, reports
	// "measuring", lives until it is asked to end, and finishes.
	Argv []string
	// Kill ends the job's worker at once, as a crash does.
	Kill func(job host.Job)
}

// TestHost checks what the comments of host.Host promise.
func TestHost(t *testing.T, open func(t *testing.T) Subject) {
	job := host.Job{Campaign: "sorting", ID: "x7"}

	t.Run("a worker comes, is seen, is stopped and leaves nothing", func(t *testing.T) {
		subject := open(t)
		requireState(t, subject.Host, job, host.Unannounced, "starting")
		start(t, subject, job)
		requireState(t, subject.Host, job, host.Alive, "measuring")
		requireState(t, subject.Host, host.Job{Campaign: "sorting", ID: "x70"}, host.Unannounced, "starting")

		if !subject.Host.Stop(job) {
			t.Fatal("a living worker was not asked to end")
		}
		awaitState(t, subject.Host, job, host.Unannounced)

		if subject.Host.Stop(job) {
			t.Error("somebody was asked to end after the worker had")
		}
	})

	t.Run("a job has one worker", func(t *testing.T) {
		s := open(t)
		start(t, s, job)
		defer s.Kill(job)

		err := s.Host.Start(t.Context(), host.Launch{Job: job, Argv: s.Argv, Dir: t.TempDir()})
		if !research.HasCode(err, research.CodeBusy) {
			t.Errorf("a second worker: %v, want %s", err, research.CodeBusy)
		}

		if _, err := s.Host.Announce(job); !research.HasCode(err, research.CodeBusy) {
			t.Errorf("a second presence: %v, want %s", err, research.CodeBusy)
		}
		requireState(t, s.Host, job, host.Alive, "measuring")
	})

	t.Run("a worker that dies is gone, and may be followed", func(t *testing.T) {
		s := open(t)
		start(t, s, job)
		s.Kill(job)
		awaitState(t, s.Host, job, host.Gone)

		if s.Host.Stop(job) {
			t.Error("a dead worker was asked to end")
		}
		start(t, s, job)
		requireState(t, s.Host, job, host.Alive, "measuring")
		s.Kill(job)
	})

	t.Run("a presence is seen by others, and ends in two ways", func(t *testing.T) {
		s := open(t)

		p, err := s.Host.Announce(job)
		if err != nil {
			t.Fatal(err)
		}
		p.Report("building")
		p.Report("run 3")
		requireState(t, s.Host, job, host.Alive, "run 3")

		p.Release()
		p.Release()
		requireState(t, s.Host, job, host.Gone, "run 3")

		if p, err = s.Host.Announce(job); err != nil {
			t.Fatal(err)
		}
		p.Report("again")

		if err := p.Finish(); err != nil {
			t.Fatal(err)
		}
		p.Release()
		requireState(t, s.Host, job, host.Unannounced, "starting")
	})
}

func start(t *testing.T, subject Subject, job host.Job) {
	t.Helper()

	if err := subject.Host.Start(t.Context(),
		host.Launch{Job: job, Argv: subject.Argv, Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
}

func requireState(t *testing.T, h host.Host, job host.Job, want host.State, phase string) {
	t.Helper()

	got, err := h.Status(job)
	if err != nil || got.State != want || got.Phase != phase {
		t.Fatalf("%s is %+v, %v; want state %d, phase %q", job.ID, got, err, want, phase)
	}
}

// awaitState waits for what a process does when it ends.
func awaitState(t *testing.T, h host.Host, job host.Job, want host.State) {
	t.Helper()

	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got, err := h.Status(job)
		if err == nil && got.State == want {
			return
		}

		if time.Now().After(end) {
			t.Fatalf("%s stays %+v, %v; want state %d", job.ID, got, err, want)
		}
	}
}
