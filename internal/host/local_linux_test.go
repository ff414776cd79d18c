package host_test

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ratchet/internal/host"
	"ratchet/internal/host/hosttest"
	"ratchet/internal/research"
	"ratchet/sandbox"
	_ "ratchet/sandbox/stage" // this binary is also the stage that detaches workers
)

// TestMain makes this binary a worker, too: its arguments are work, the host's
// folder, the campaign and the job.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "work" {
		os.Exit(work(os.Args[2], host.Job{Campaign: os.Args[3], ID: research.JobID(os.Args[4])}))
	}
	os.Exit(m.Run())
}

// work is the life of a worker that measures nothing.
func work(dir string, job host.Job) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)

	p, err := host.NewLocal(dir).Announce(job)
	if err == nil {
		p.Report("measuring")
	}
	sandbox.Ready(err)

	if err != nil {
		return 1
	}
	<-stop

	if p.Finish() != nil {
		return 1
	}

	return 0
}

func TestLocal(t *testing.T) {
	hosttest.TestHost(t, func(t *testing.T) hosttest.Subject {
		dir := filepath.Join(t.TempDir(), "jobs")
		lock := func(job host.Job) string { return filepath.Join(dir, job.Campaign+"."+string(job.ID)) }

		return hosttest.Subject{
			Host: host.NewLocal(dir),
			Argv: func(job host.Job) []string {
				return []string{ownPath(t), "work", dir, job.Campaign, string(job.ID)}
			},
			Kill: func(job host.Job) {
				text, err := os.ReadFile(lock(job))
				first, _, _ := strings.Cut(string(text), "\n")

				pid, convErr := strconv.Atoi(first)
				if err := errors.Join(err, convErr); err != nil {
					t.Fatal(err)
				}

				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestFake(t *testing.T) {
	hosttest.TestHost(t, func(t *testing.T) hosttest.Subject {
		fake := &hosttest.Fake{Work: func(_ host.Launch, p host.Presence) { p.Report("measuring") }}
		return hosttest.Subject{Host: fake, Argv: func(host.Job) []string { return nil }, Kill: fake.Kill}
	})
}

func ownPath(t *testing.T) string {
	t.Helper()

	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	return path
}

// A worker of this machine that prints something leaves that for people to read.
func TestLocalKeepsWhatAWorkerPrints(t *testing.T) {
	dir, job := t.TempDir(), host.Job{Campaign: "sorting", ID: "x1"}
	h := host.NewLocal(dir)
	log := filepath.Join(dir, "sorting.x1.log")

	for _, text := range []string{"", "panic: out of memory\n"} {
		if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		p, err := h.Announce(job)
		if err != nil {
			t.Fatal(err)
		}

		if err := p.Finish(); err != nil {
			t.Fatal(err)
		}

		if got, err := os.ReadFile(log); text != "" && string(got) != text || text == "" && err == nil {
			t.Errorf("the log with %q holds %q after the end, %v", text, got, err)
		}
	}
}

func TestLocalReportsWhyNoWorkerCame(t *testing.T) {
	h, job := host.NewLocal(filepath.Join(t.TempDir(), "jobs")), host.Job{Campaign: "sorting", ID: "x1"}

	err := h.Start(t.Context(), host.Launch{Job: job, Argv: []string{"no-such-program"}, Dir: t.TempDir()})
	if !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("no program: %v", err)
	}

	err = h.Start(t.Context(), host.Launch{Job: job, Argv: []string{"sh", "-c", "echo no licence; exit 3"},
		Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "no licence") {
		t.Errorf("a worker that ends before it is ready: %v", err)
	}

	if got, err := h.Status(job); err != nil || got.State != host.Unannounced {
		t.Errorf("after both: %+v, %v", got, err)
	}
}

// A file without a lock and without a text is that of a worker between opening
// and locking it, or of one killed there.
func TestLocalTellsAWorkerThatComesUpFromOneThatDied(t *testing.T) {
	dir, job := t.TempDir(), host.Job{Campaign: "sorting", ID: "x1"}
	h := host.NewLocal(dir)

	for text, want := range map[string]host.State{"": host.Unannounced, "4711\nmeasuring\n": host.Gone} {
		if err := os.WriteFile(filepath.Join(dir, "sorting.x1"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}

		if got, err := h.Status(job); err != nil || got.State != want {
			t.Errorf("a file with %q: %+v, %v; want %d", text, got, err, want)
		}

		if h.Stop(job) {
			t.Errorf("a file with %q that nobody locks names a process to stop", text)
		}
	}
}
