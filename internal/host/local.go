package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/sandbox"
)

// Local is the host of this machine: a worker is a process in a session of its
// own. Of each job there are two files in its folder:
//
//	CAMPAIGN.JOB      locked by the worker while it lives; first line its process's
//	                  number, second line its phase; both are written under the lock
//	CAMPAIGN.JOB.log  what the worker prints, which is nothing where all is well
type Local struct {
	dir string
}

// NewLocal is the host whose files lie in dir, a folder on a file system of this
// machine. The folder is made when it is needed.
func NewLocal(dir string) *Local { return &Local{dir: dir} }

func (h *Local) lockFile(job Job) string {
	return filepath.Join(h.dir, job.Campaign+"."+string(job.ID))
}

func (h *Local) logFile(job Job) string { return h.lockFile(job) + ".log" }

// Start is Host's. The worker acknowledges by sandbox.Ready once it has announced
// itself; one that has not done so after half a minute is killed.
func (h *Local) Start(_ context.Context, l Launch) error {
	if err := os.MkdirAll(h.dir, 0o777); err != nil {
		return err
	}

	return fault.At("supervisor.spawn", func() error {
		_, err := sandbox.Detach(l.Argv, os.Environ(), l.Dir, h.logFile(l.Job))
		return err
	})
}

// Status is Host's. The file is read before the lock is looked at: its text was
// written under the lock, so a text without the lock is that of a dead worker.
// An empty file is that of a worker between opening and locking it, or of one
// killed there: Unannounced.
func (h *Local) Status(job Job) (Status, error) {
	text, readErr := os.ReadFile(h.lockFile(job))
	s := Status{Phase: "starting"}
	if readErr == nil {
		_, s.Phase = parseLockText(text)
	}

	held, err := sandbox.Locked(h.lockFile(job))
	switch {
	case err != nil:
		return s, err
	case held:
		s.State = Alive
	case len(text) > 0:
		s.State = Gone
	}

	return s, nil
}

// Stop is Host's: it sends SIGTERM. The process is looked up before the lock: if
// the lock is held after that, and by the same process, its number was not given
// to another one. A number in a file that nobody locks means nothing.
func (h *Local) Stop(job Job) (asked bool) {
	pid := h.readPid(job)
	if pid <= 0 {
		return false
	}

	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = process.Release() }()

	held, err := sandbox.Locked(h.lockFile(job))
	if err != nil || !held || h.readPid(job) != pid {
		return false
	}

	return process.Signal(syscall.SIGTERM) == nil
}

func (h *Local) readPid(job Job) int {
	text, err := os.ReadFile(h.lockFile(job))
	if err != nil {
		return 0
	}
	pid, _ := parseLockText(text)

	return pid
}

// parseLockText reads what a worker wrote into its lock's file.
func parseLockText(text []byte) (pid int, phase string) {
	first, rest, _ := strings.Cut(string(text), "\n")
	pid, _ = strconv.Atoi(first)
	phase, _, _ = strings.Cut(rest, "\n")

	return pid, phase
}

// Announce is Host's: it takes the job's lock.
func (h *Local) Announce(job Job) (Presence, error) {
	if err := os.MkdirAll(h.dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the folder for jobs: %w", err)
	}

	var lock *sandbox.Lock
	ok := true
	err := fault.At("job.lock", func() (err error) {
		lock, ok, err = sandbox.TryLock(h.lockFile(job))
		return err
	})
	if err != nil {
		return nil, err
	}

	if !ok {
		return nil, research.Errorf(research.CodeBusy, "wait_run{}", "%s has a worker already", job.ID)
	}

	return &localPresence{host: h, job: job, lock: lock}, nil
}

// localPresence is a held lock.
type localPresence struct {
	host *Local
	job  Job
	lock *sandbox.Lock
	over bool // finished or released
}

// Report is Presence's.
func (p *localPresence) Report(phase string) {
	if p.lock != nil { // it is nil where a fault point left it out, and at the end
		_ = p.lock.Write(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), phase))
	}
}

// Finish is Presence's. The lock is given back last: a file that is gone and
// locked is nobody's.
func (p *localPresence) Finish() error {
	if p.over {
		return nil
	}
	err := os.Remove(p.host.lockFile(p.job))

	log := p.host.logFile(p.job)
	if info, statErr := os.Stat(log); statErr == nil && info.Size() == 0 {
		err = errors.Join(err, os.Remove(log))
	}
	p.Release()

	return err
}

// Release is Presence's.
func (p *localPresence) Release() {
	_ = p.lock.Release() // the lock falls with the file, whatever closing it says
	p.lock, p.over = nil, true
}
