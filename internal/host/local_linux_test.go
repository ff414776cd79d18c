package host_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/host"
	"ratchet/internal/host/hosttest"
	"ratchet/internal/research"
	_ "ratchet/sandbox/stage" // this binary is also the stage that detaches workers
)

// TestMain makes this binary a worker, too: see workerArgv.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "work" {
		os.Exit(work(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// workerArgv is the command of a worker that measures nothing. One that is patient
// does a job until it is asked to stop; another one is done at once. It writes its
// number into a file for each job, and waits for more for so long as idle.
func workerArgv(t *testing.T, dir string, idle time.Duration, patient bool) []string {
	t.Helper()
	return []string{ownPath(t), "work", dir, idle.String(), strconv.FormatBool(patient)}
}

// work is the life of such a worker. Its arguments are those of workerArgv, and what
// the host appends.
func work(args []string) int {
	dir, rest := args[0], flag.NewFlagSet("work", flag.ContinueOnError)
	idle, _ := time.ParseDuration(args[1])
	campaign, id := rest.String("campaign", "", ""), rest.String("job", "", "")
	key := rest.String("standby", "", "")

	if rest.Parse(args[3:]) != nil {
		return 2
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	local := host.NewLocal(dir)

	err := local.Serve(ctx, *key, host.Job{Campaign: *campaign, ID: research.JobID(*id)}, idle,
		func(ctx context.Context, job host.Job, ready func(error)) error {
			presence, err := local.Announce(job)
			if err != nil {
				ready(err)
				return err
			}
			presence.Report("measuring")
			ran := []byte(strconv.Itoa(os.Getpid()))
			err = os.WriteFile(filepath.Join(dir, "ran."+string(job.ID)), ran, 0o666)
			ready(err)

			if args[2] == "true" {
				<-ctx.Done()
			}

			return errors.Join(err, presence.Finish())
		})
	if err != nil {
		return 1
	}

	return 0
}

func TestLocal(t *testing.T) {
	hosttest.TestHost(t, func(t *testing.T) hosttest.Subject {
		dir := filepath.Join(t.TempDir(), "jobs")

		return hosttest.Subject{
			Host: host.NewLocal(dir),
			Argv: workerArgv(t, dir, 0, true),
			Kill: func(job host.Job) { kill(t, readPid(t, filepath.Join(dir, "sorting."+string(job.ID)))) },
		}
	})
}

// Workers that stay keep the same contract.
func TestLocalStaying(t *testing.T) {
	hosttest.TestHost(t, func(t *testing.T) hosttest.Subject {
		dir := filepath.Join(t.TempDir(), "jobs")

		return hosttest.Subject{
			Host: host.NewLocal(dir),
			Argv: workerArgv(t, dir, time.Minute, true),
			Kill: func(job host.Job) { kill(t, readPid(t, filepath.Join(dir, "sorting."+string(job.ID)))) },
		}
	})
}

func TestFake(t *testing.T) {
	hosttest.TestHost(t, func(t *testing.T) hosttest.Subject {
		fake := &hosttest.Fake{Work: func(_ host.Launch, p host.Presence) { p.Report("measuring") }}
		return hosttest.Subject{Host: fake, Kill: fake.Kill}
	})
}

// readPid reads the number in the first line of the file.
func readPid(t *testing.T, path string) int {
	t.Helper()

	text, err := os.ReadFile(path)
	first, _, _ := strings.Cut(string(text), "\n")

	pid, convErr := strconv.Atoi(first)
	if err := errors.Join(err, convErr); err != nil {
		t.Fatal(err)
	}

	return pid
}

func kill(t *testing.T, pid int) {
	t.Helper()

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func ownPath(t *testing.T) string {
	t.Helper()

	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	return path
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

func copyFile(t *testing.T, from, to string) {
	t.Helper()

	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o755)
	}

	if err != nil {
		t.Fatal(err)
	}
}

func stopProcess(t *testing.T, pid int) {
	t.Helper()

	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}
