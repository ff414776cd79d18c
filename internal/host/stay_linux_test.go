package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ratchet/internal/host"
	"ratchet/internal/research"
)

// staying is a folder of jobs whose workers stay.
type staying struct {
	*host.Local
	t    *testing.T
	dir  string
	argv []string
	last int // of the jobs
}

func newStaying(t *testing.T, idle time.Duration, patient bool) *staying {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "jobs")
	s := &staying{Local: host.NewLocal(dir), t: t, dir: dir, argv: workerArgv(t, dir, idle, patient)}
	t.Cleanup(func() { s.Stop(host.Job{Campaign: "sorting"}) })

	return s
}

// start starts the next job and returns it and its worker's number.
func (s *staying) start() (job host.Job, pid int) {
	s.t.Helper()
	s.last++
	job = host.Job{Campaign: "sorting", ID: research.NewJobID(research.ExperimentJob, s.last)}

	err := s.Start(s.t.Context(), host.Launch{Job: job, Argv: s.argv, Dir: filepath.Dir(s.dir)})
	if err != nil {
		s.t.Fatal(err)
	}

	return job, readPid(s.t, filepath.Join(s.dir, "ran."+string(job.ID)))
}

// awaitEnd waits for the end of the process; init may take its time to reap it.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()

	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if _, state, _ := strings.Cut(string(stat), ") "); err != nil || strings.HasPrefix(state, "Z") {
			return
		}

		if time.Now().After(end) {
			t.Fatalf("process %d lives on", pid)
		}
	}
}

func TestStayingWorkerDoesOneJobAfterAnother(t *testing.T) {
	s := newStaying(t, time.Minute, false)
	_, first := s.start()

	for range 20 {
		if _, pid := s.start(); pid != first {
			t.Fatalf("%s was done by %d, the first job by %d", fmt.Sprint("x", s.last), pid, first)
		}
	}

	if !s.Stop(host.Job{Campaign: "sorting"}) {
		t.Error("no worker was asked to exit")
	}
	awaitEnd(t, first)

	if left, _ := filepath.Glob(filepath.Join(s.dir, "sorting.*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	if _, pid := s.start(); pid == first {
		t.Error("a worker that was dismissed did another job")
	}
}

func TestStayingWorkerExitsWhenIdle(t *testing.T) {
	s := newStaying(t, 50*time.Millisecond, false)
	_, pid := s.start()
	awaitEnd(t, pid)

	if left, _ := filepath.Glob(filepath.Join(s.dir, "sorting.*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStayingWorkerExitsWithItsFolder(t *testing.T) {
	s := newStaying(t, time.Hour, false)
	_, pid := s.start()

	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, pid)
}

// What a process inherits must be equal for a worker to be given the job.
func TestStayingWorkerIsPassedOver(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, s *staying){
		"another environment": func(t *testing.T, _ *staying) { t.Setenv("LANG", "xx") },
		"other arguments":     func(_ *testing.T, s *staying) { s.argv[3] = "59s" },
		"another program": func(t *testing.T, s *staying) { // of the same name
			path := s.argv[0]
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			copyFile(t, path+".old", path)
		},
		"it was killed": func(t *testing.T, s *staying) {
			pid := readPid(t, filepath.Join(s.dir, "ran.x1"))
			kill(t, pid)
			awaitEnd(t, pid)
		},
		"its socket is gone": func(t *testing.T, s *staying) {
			sockets, _ := filepath.Glob(filepath.Join(s.dir, "*.socket"))
			if len(sockets) != 1 || os.Remove(sockets[0]) != nil {
				t.Fatalf("the sockets are %v", sockets)
			}
		},
		"it stands still": func(t *testing.T, s *staying) {
			pid := readPid(t, filepath.Join(s.dir, "ran.x1"))
			stopProcess(t, pid)
			t.Cleanup(func() { kill(t, pid) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStaying(t, time.Minute, false)
			program := filepath.Join(filepath.Dir(s.dir), "program")
			copyFile(t, s.argv[0], program)
			s.argv[0] = program

			_, first := s.start()
			change(t, s)

			if _, pid := s.start(); pid == first {
				t.Error("it did the next job")
			}
		})
	}
}

// PWD and the like are another in every call, and no difference.
func TestStayingWorkerServesAnotherShell(t *testing.T) {
	s := newStaying(t, time.Minute, false)
	_, first := s.start()
	t.Setenv("SHLVL", "7")
	t.Setenv("OLDPWD", "/elsewhere")

	if _, pid := s.start(); pid != first {
		t.Error("another process did the next job")
	}
}

// A job that comes while the worker has one gets a process of its own, which exits
// after it.
func TestStayingWorkerIsBusy(t *testing.T) {
	s := newStaying(t, time.Minute, true)
	one, first := s.start()
	two, second := s.start()

	if first == second {
		t.Fatal("two jobs at once in one process")
	}

	if !s.Stop(two) {
		t.Fatal("the second worker was not asked to end")
	}
	awaitEnd(t, second)

	if got, err := s.Status(one); err != nil || got.State != host.Alive {
		t.Errorf("the first job is %+v, %v", got, err)
	}

	if !s.Stop(one) {
		t.Fatal("the first worker was not asked to end")
	}
	awaitEnd(t, first) // it was stopped: it does not stay
}

// A stop names the job: the one that the worker does next goes on.
func TestStayingWorkerIsStoppedByJob(t *testing.T) {
	s := newStaying(t, time.Minute, true)
	one, pid := s.start()

	if s.Stop(host.Job{Campaign: "sorting", ID: "x9"}) {
		t.Error("a job that is not under way was stopped")
	}

	// What a session that is late would read: the file of another job with this worker's number.
	text, err := os.ReadFile(filepath.Join(s.dir, "sorting.x1"))
	if err != nil {
		t.Fatal(err)
	}
	late := host.Job{Campaign: "sorting", ID: "x2"}
	lock := filepath.Join(s.dir, "sorting.x2")

	presence, err := s.Announce(late)
	if err != nil {
		t.Fatal(err)
	}
	defer presence.Release()

	if err := os.WriteFile(lock, text, 0o666); err != nil {
		t.Fatal(err)
	}

	if s.Stop(late) {
		t.Error("the worker took the stop of another job for its own")
	}

	if got, err := s.Status(one); err != nil || got.State != host.Alive || readPid(t, filepath.Join(s.dir,
		"sorting.x1")) != pid {
		t.Errorf("its own job is %+v, %v", got, err)
	}
	s.Stop(one)
	awaitEnd(t, pid)
}

// A socket's address is short; a repository's path may be long.
func TestStayingWorkerInADeepFolder(t *testing.T) {
	s := newStaying(t, time.Minute, false)
	s.dir = filepath.Join(filepath.Dir(s.dir), strings.Repeat("deep/", 60), "jobs")
	s.Local = host.NewLocal(s.dir)
	s.argv[2] = s.dir
	_, first := s.start()

	if _, pid := s.start(); pid != first {
		t.Error("another process did the next job")
	}
}

// The process is after some jobs what a new one is in its first: the same environment,
// folder, open files, limits, control groups and signals.
func TestStayingWorkerIsLikeANewOne(t *testing.T) {
	s := newStaying(t, time.Minute, true)
	one, pid := s.start()
	fresh := describeProcess(t, pid)
	for end := time.Now().Add(10 * time.Second); hasPipe(fresh) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond) // it closes the pipe on which it acknowledged
		fresh = describeProcess(t, pid)
	}
	s.Stop(one)
	awaitEnd(t, pid)

	s.argv[4] = "false"
	for range 5 {
		s.start()
	}
	_, used := s.start()

	got := describeProcess(t, used)
	for end := time.Now().Add(10 * time.Second); !slices.Equal(got, fresh) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond) // what the last job's end leaves for a moment
		got = describeProcess(t, used)
	}

	if !slices.Equal(got, fresh) {
		t.Errorf("after six jobs:\n%s\nin its first:\n%s", strings.Join(got, "\n"), strings.Join(fresh, "\n"))
	}
}

func hasPipe(process []string) bool {
	return slices.ContainsFunc(process, func(line string) bool {
		return strings.HasPrefix(line, "open ") && strings.Contains(line, " pipe")
	})
}

// describeProcess is what can be seen of a process from outside, without what is its own.
func describeProcess(t *testing.T, pid int) (lines []string) {
	t.Helper()
	at := func(name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

	for _, name := range []string{"environ", "cgroup", "limits"} {
		text, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}

	status, err := os.ReadFile(at("status"))
	if err != nil {
		t.Fatal(err)
	}

	for _, line := range strings.Split(string(status), "\n") {
		// What a thread blocks (SigBlk) changes from moment to moment.
		for _, name := range []string{"Umask:", "Uid:", "Gid:", "Groups:", "SigIgn", "SigCgt", "Cap", "Seccomp",
			"Cpus_allowed:"} {
			if strings.HasPrefix(line, name) {
				lines = append(lines, line)
			}
		}
	}

	folder, err := os.Readlink(at("cwd"))
	if err != nil {
		t.Fatal(err)
	}

	descriptors, err := os.ReadDir(at("fd"))
	if err != nil {
		t.Fatal(err)
	}

	var open []string
	for _, d := range descriptors {
		link, _ := os.Readlink(at("fd/" + d.Name()))
		kind, _, _ := strings.Cut(link, ":")
		if strings.HasPrefix(filepath.Base(link), "sorting.") {
			kind = filepath.Ext(link) // its key is another, since its arguments are
		}

		if !strings.HasPrefix(kind, ".x") { // the job's lock is open in the first one's job
			open = append(open, kind)
		}
	}
	slices.Sort(open)

	return append(lines, "folder "+folder, "open "+strings.Join(open, " "), "processes "+children(pid))
}

// children counts the processes that this one started and that live.
func children(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	return strconv.Itoa(len(strings.Fields(string(text))))
}
