package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/sandbox"
)

// Local is the host of this machine: a worker is a process in a session of its
// own. These are the files in its folder:
//
//	CAMPAIGN.JOB          locked by the job's worker while it does the job; its lines are
//	                      the process's number, its phase, and its standby key where it
//	                      stays; they are written under the lock
//	CAMPAIGN.KEY.standby  locked by the worker that stays (standby.go); its lines are the
//	                      process's number and the secret of its socket
//	CAMPAIGN.KEY.socket   where that worker takes jobs
//	CAMPAIGN.KEY.log      what workers print, which is nothing where all is well
type Local struct {
	dir     string
	standby string // the key of this process, as a worker that stays
}

// NewLocal is the host whose files lie in dir, a folder on a file system of this
// machine. The folder is made when it is needed.
func NewLocal(dir string) *Local { return &Local{dir: dir} }

func (h *Local) lockFile(job Job) string {
	return filepath.Join(h.dir, job.Campaign+"."+string(job.ID))
}

// Start is Host's. A worker that stays and would be equal to a new one in all that
// it inherits is given the job; else a new one is started. It acknowledges by
// sandbox.Ready once it has announced itself; one that has not done so after half a
// minute is killed.
func (h *Local) Start(ctx context.Context, l Launch) error {
	if err := os.MkdirAll(h.dir, 0o777); err != nil {
		return err
	}

	key, err := standbyKey(l)
	if err != nil {
		return err
	}

	if taken, err := h.handOver(ctx, l.Job, key); taken {
		return err
	}
	argv := slices.Concat(l.Argv, []string{"--campaign", l.Campaign, "--job", string(l.ID), "--standby", key}, l.Args)

	err = fault.At("supervisor.spawn", func() error {
		_, err := sandbox.Detach(argv, os.Environ(), l.Dir, h.standbyFile(l.Campaign, key, "log"))
		return err
	})

	return err
}

// Status is Host's. The file is read before the lock is looked at: its text was
// written under the lock, so a text without the lock is that of a dead worker.
// An empty file is that of a worker between opening and locking it, or of one
// killed there: Unannounced.
func (h *Local) Status(job Job) (Status, error) {
	text, readErr := os.ReadFile(h.lockFile(job))
	s := Status{Phase: "starting"}
	if readErr == nil {
		s.Phase = parseLockText(text).phase
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

// Stop is Host's. A worker that stays is asked by its socket, which names the job;
// any other by SIGTERM. The process is looked up before the lock: if the lock is held
// after that, and by the same process, its number was not given to another one. A
// number in a file that nobody locks means nothing.
func (h *Local) Stop(job Job) (asked bool) {
	if job.ID == "" {
		return h.dismiss(job.Campaign)
	}

	said := h.readLock(job)
	if said.pid <= 0 {
		return false
	}

	process, err := os.FindProcess(said.pid)
	if err != nil {
		return false
	}
	defer func() { _ = process.Release() }()

	held, err := sandbox.Locked(h.lockFile(job))
	if err != nil || !held || h.readLock(job).pid != said.pid {
		return false
	}

	if said.standby != "" {
		return h.askToStop(job, said.standby)
	}

	return process.Signal(syscall.SIGTERM) == nil
}

// lockText is what a worker wrote into its job's lock.
type lockText struct {
	pid     int
	phase   string
	standby string // its key, "" where it does not stay
}

func (h *Local) readLock(job Job) lockText {
	text, err := os.ReadFile(h.lockFile(job))
	if err != nil {
		return lockText{}
	}

	return parseLockText(text)
}

func parseLockText(text []byte) (said lockText) {
	lines := append(strings.Split(string(text), "\n"), "", "")
	said.pid, _ = strconv.Atoi(lines[0])
	said.phase, said.standby = lines[1], lines[2]

	return said
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
		_ = p.lock.Write(fmt.Appendf(nil, "%d\n%s\n%s\n", os.Getpid(), phase, p.host.standby))
	}
}

// Finish is Presence's. The lock is given back last: a file that is gone and
// locked is nobody's.
func (p *localPresence) Finish() error {
	if p.over {
		return nil
	}
	err := os.Remove(p.host.lockFile(p.job))
	p.Release()

	return err
}

// Release is Presence's.
func (p *localPresence) Release() {
	_ = p.lock.Release() // the lock falls with the file, whatever closing it says
	p.lock, p.over = nil, true
}
