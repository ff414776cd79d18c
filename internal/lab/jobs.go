package lab

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// workerStartTimeout is how long a proposed job may be without a supervisor's lock before it
// counts as lost: the time between its record and its process's first breath.
const workerStartTimeout = 15 * time.Second

// startJob records a job that next makes of the campaign as it is at that moment,
// and starts its supervisor. The id is "" where next makes none.
func (l *Lab) startJob(
	ctx context.Context, campaign string, kind history.Kind, next func(*history.Campaign) (rules.JobStart, error),
) (research.JobID, error) {
	var job rules.JobStart

	err := l.updateCampaign(ctx, campaign, func(tx *ledger.Tx, now *history.Campaign, session string) (err error) {
		if job, err = next(now); err != nil || job.Job == "" {
			return err
		}
		_, err = tx.Append(history.Entry{Campaign: campaign, Session: session, Kind: kind, Body: job})

		return err
	})
	if err != nil || job.Job == "" {
		return "", err
	}

	return job.Job, l.startWorker(ctx, campaign, job.Job)
}

// startWorker starts the job's supervisor, in a session of its own, and returns when
// it has acknowledged. A job whose supervisor can't start is recorded as lost.
func (l *Lab) startWorker(ctx context.Context, campaign string, id research.JobID) error {
	if err := os.MkdirAll(l.jobsDir(), 0o777); err != nil {
		return l.recordLost(ctx, campaign, id, "its supervisor could not be started", err)
	}
	argv := slices.Concat(l.opt.Supervise, []string{"--campaign", campaign, "--job", string(id), "--ledger",
		l.ledger.Path(), "-C", l.repo.Root(), "--git-dir", l.repo.GitDir(), "--common-dir", l.repo.CommonDir()})

	err := fault.At("supervisor.spawn", func() error {
		_, err := sandbox.Detach(argv, os.Environ(), l.repo.Root(), l.jobFile(campaign, id)+".log")
		return err
	})
	if err != nil {
		return l.recordLost(ctx, campaign, id, "its supervisor could not be started", err)
	}

	return nil
}

// recordLost appends run.lost for a job that is still open, and returns cause.
func (l *Lab) recordLost(ctx context.Context, campaign string, id research.JobID, reason string, cause error) error {
	if cause != nil {
		reason += ": " + errorLine(cause)
	}
	err := l.ledger.Update(ctx, func(tx *ledger.Tx) error {
		c, err := tx.Campaign(campaign)
		if err != nil || !slices.Contains(c.Open, id) {
			return err
		}
		_, err = tx.Append(history.Entry{Campaign: campaign, Kind: history.KindRunLost,
			Body: history.Loss{Job: id, Reason: reason}})

		return err
	})

	return errors.Join(cause, err)
}

// currentReaped is the campaign of the checkout, after recording as lost every open job
// whose supervisor has died.
func (l *Lab) currentReaped(ctx context.Context) (*history.Campaign, error) {
	c, err := l.currentCampaign(ctx)
	if err != nil || len(c.Open) == 0 {
		return c, err
	}
	lost := false

	for _, id := range c.Open {
		dead, err := l.workerGone(ctx, c.Name, id)
		if err != nil {
			return nil, err
		}

		if dead {
			lost = true

			if err := l.recordLost(ctx, c.Name, id, "its supervisor died (killed, or the machine went down)",
				nil); err != nil {
				return nil, err
			}
		}
	}

	if !lost {
		return c, nil
	}

	return l.currentCampaign(ctx)
}

// workerGone says whether an open job has no supervisor. What its file says was
// written under the lock, so whoever wrote that and holds the lock no more is
// gone. An empty file is that of a supervisor between opening and locking it,
// or of one killed there: only age tells them apart.
func (l *Lab) workerGone(ctx context.Context, campaign string, id research.JobID) (bool, error) {
	path := l.jobFile(campaign, id)

	said, statErr := os.Stat(path) // before the lock is asked for, not after
	if held, err := sandbox.Locked(path); err != nil || held {
		return false, err
	}

	if statErr == nil && said.Size() > 0 {
		return true, nil
	}
	var since time.Time
	err := l.ledger.View(ctx, func(tx *ledger.Tx) error {
		if id.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(campaign, id.N())
			if err == nil {
				since = x.ProposedAt
			}

			return err
		}

		m, err := tx.Measurement(campaign, id)
		if err == nil {
			since = m.At
		}

		return err
	})

	return time.Since(since).Abs() > workerStartTimeout, err // a clock that was set back makes it no younger
}

// hasWorker says whether a supervisor holds the job's lock.
func (l *Lab) hasWorker(campaign string, id research.JobID) bool {
	held, err := sandbox.Locked(l.jobFile(campaign, id))
	return held || err != nil
}

// readPhase is what a running job's supervisor says of itself.
func (l *Lab) readPhase(campaign string, id research.JobID) (pid int, phase string) {
	b, err := os.ReadFile(l.jobFile(campaign, id))
	if err != nil {
		return 0, "starting"
	}
	first, rest, _ := strings.Cut(string(b), "\n")
	pid, _ = strconv.Atoi(first)
	phase, _, _ = strings.Cut(rest, "\n")

	return pid, phase
}

// StopJob stops a job: its run is killed and recorded, and it ends invalid with
// that reason. Nothing to stop is no error.
func (l *Lab) StopJob(ctx context.Context, id string) (*Stopped, error) {
	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}
	var job research.JobID

	err = l.ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		job, err = l.resolveJob(tx, c, id)
		return err
	})
	if err != nil {
		return nil, err
	}

	if !slices.Contains(c.Open, job) {
		return &Stopped{Status: "idle", ID: job, Text: "nothing is running", Next: "run_experiment{hypothesis}"}, nil
	}

	out, err := l.stopAndDecide(ctx, c.Name, job)
	if err != nil {
		return nil, err
	}

	return &Stopped{Status: "stopped", ID: job, Text: cmp.Or(out.Finding, out.Reason), Next: out.Next}, nil
}

// stopWithin is below what clients wait for an answer. A supervisor ends within
// the grace of its run, and a moment; on a busy machine that moment may be long.
const stopWithin = 40 * time.Second

// stopAndWait asks a job's supervisor to end, as soon as there is one, and waits for it.
func (l *Lab) stopAndWait(ctx context.Context, campaign string, id research.JobID) (*Outcome, error) {
	for asked, until := false, time.Now().Add(stopWithin); ; {
		asked = asked || l.signalWorker(campaign, id)

		limit := time.Until(until)
		if !asked {
			limit = min(limit, 100*time.Millisecond)
		}

		out, err := l.awaitJob(ctx, campaign, id, limit, nil)
		if err != nil || out.Status != "running" {
			return out, err
		}

		if time.Now().After(until) {
			return nil, research.Errorf(research.CodeBusy, "call stop_run again", "%s did not stop within %v", id,
				stopWithin)
		}
	}
}

// signalWorker asks a job's supervisor to end, and says whether it did. The process is looked up before the
// lock: if the lock is still held then, and by the same process, its number was
// not given to another one. A number in a file that nobody locks means nothing.
func (l *Lab) signalWorker(campaign string, id research.JobID) bool {
	pid, _ := l.readPhase(campaign, id)
	if pid <= 0 {
		return false
	}

	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}

	defer func() { _ = p.Release() }()
	held, err := sandbox.Locked(l.jobFile(campaign, id))
	now, _ := l.readPhase(campaign, id)

	return err == nil && held && now == pid && p.Signal(syscall.SIGTERM) == nil
}

// CollectGarbage removes what runs left in the cache: workspaces of campaigns that have
// ended, and private indexes whose process died. It returns the folders removed.
func (l *Lab) CollectGarbage(ctx context.Context) (removed []string, err error) {
	var all []history.Campaign

	if err := l.ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		all, err = tx.Campaigns()
		return err
	}); err != nil {
		return nil, err
	}

	if removed, err = l.removeStaleIndexes(); err != nil {
		return removed, err
	}

	dir, err := l.cacheDir()
	if err != nil {
		return nil, err
	}

	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return removed, nil
	}

	if err != nil {
		return removed, err
	}

	for _, e := range entries {
		i := slices.IndexFunc(all, func(c history.Campaign) bool { return c.Name == e.Name() })
		if i >= 0 && (all[i].Ended == "" || len(all[i].Open) > 0) {
			continue
		}

		path := filepath.Join(dir, e.Name())
		if err := removeTree(path); err != nil {
			return removed, err
		}
		removed = append(removed, path)
	}

	return removed, nil
}

// removeStaleIndexes removes the private indexes that killed processes left in the git
// directory: a living call needs its own for a moment only.
func (l *Lab) removeStaleIndexes() (removed []string, err error) {
	entries, err := os.ReadDir(l.repo.GitDir())
	if err != nil {
		return nil, err
	}

	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), "ratchet-index-") || time.Since(info.ModTime()) < time.Hour {
			continue
		}

		path := filepath.Join(l.repo.GitDir(), e.Name())
		if err := removeTree(path); err != nil {
			return removed, err
		}
		removed = append(removed, path)
	}

	return removed, nil
}

// jobsDir is the folder of the supervisors' locks.
func (l *Lab) jobsDir() string { return filepath.Join(l.ledger.Dir(), "jobs") }

func (l *Lab) jobFile(campaign string, id research.JobID) string {
	return filepath.Join(l.jobsDir(), campaign+"."+string(id))
}
