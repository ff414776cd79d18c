package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/sandbox"
)

// buildVersion builds a version once; the mark of success is a file, so that a
// supervisor that dies leaves nothing half-built behind.
func (s *worker) buildVersion(ctx context.Context, job research.JobID, v *version) (reason string, err error) {
	p := s.space.c.Program
	if p.Build == "" || v.built {
		return "", nil
	}

	lock, err := sandbox.AcquireLock(ctx, v.dir+".lock", 0) // another session may build the same
	if err != nil {
		return "", err
	}
	defer lock.Release()

	mark := filepath.Join(v.dir, "built")
	if _, err := os.Stat(mark); err == nil {
		v.built = true
		return "", nil
	}

	for _, d := range []string{v.build(), v.cache()} {
		if err := checkout.RemoveTree(d); err != nil {
			return "", err
		}
	}

	err = fault.At("workspace.build", func() (err error) {
		reason, err = s.runStep(ctx, job, v, "build", p.Build)
		return err
	})
	if reason != "" || err != nil {
		return reason, err
	}
	v.built = true

	if err := s.space.requireQuota(); err != nil {
		return "", err
	}

	return "", fault.At("workspace.mark", func() error { return os.WriteFile(mark, nil, 0o666) })
}

// checkVersion runs the program's check on a version, on a layer of its own.
func (s *worker) checkVersion(ctx context.Context, job research.JobID, v *version) (string, error) {
	if s.space.c.Program.Check == "" {
		return "", nil
	}

	return s.runStep(ctx, job, v, "check", s.space.c.Program.Check)
}

// runSetup runs the program's setup once, on the start's tree.
func (w *workspace) runSetup(ctx context.Context, s *worker, job research.JobID) (string, error) {
	mark := w.setupDir() + ".done"
	if _, err := os.Stat(mark); err == nil || w.c.Program.Setup == "" {
		return "", nil
	}

	lock, err := sandbox.AcquireLock(ctx, w.setupDir()+".lock", 0)
	if err != nil {
		return "", err
	}
	defer lock.Release()

	if _, err := os.Stat(mark); err == nil {
		return "", nil
	}

	if err := errors.Join(checkout.RemoveTree(w.setupDir()), makeGoModuleCache()); err != nil {
		return "", err
	}

	v, err := w.makeVersion(ctx, w.c.Start)
	if err != nil {
		return "", err
	}

	if reason, err := s.runStep(ctx, job, v, "setup", w.c.Program.Setup); reason != "" || err != nil {
		return reason, err
	}

	return "", os.WriteFile(mark, nil, 0o666)
}

// runStep runs an unmeasured command. Its failure is recorded, and is the reason.
func (s *worker) runStep(
	ctx context.Context, job research.JobID, v *version, name, command string,
) (reason string, err error) {
	s.reportPhase(name)

	spec, err := s.space.commandSpec(v, command, 0, name == "check")
	if err != nil {
		return "", err
	}

	scratch := spec
	if err := s.space.redirectLayers(&spec, v, name); err != nil {
		return "", err
	}

	spec.Wall, spec.Grace = max(4*time.Duration(s.space.c.Program.Budget.Wall), 10*time.Minute),
		time.Duration(s.space.c.Program.Budget.Grace)
	if name == "check" && s.space.c.Program.GPUs > 0 {
		hold, err := s.acquireResources(ctx)
		if err != nil {
			return "", err
		}
		defer hold.release(ctx)

		if err := hold.exposeGPUs(&spec, contract.Budget{}); err != nil {
			return "", err
		}
	}

	res, err := sandbox.Run(ctx, spec)
	if err != nil {
		return "", fmt.Errorf("run the %s: %w", name, err)
	}

	res.Slept = 0 // nothing is measured here, and the deadline stood still meanwhile
	if reason = s.describeFailure(spec, res); reason != "" {
		reason += offlineHint(spec, res)
	}

	if reason == "" && name != "setup" {
		reason = s.space.forbiddenChanges(res.Changes, name == "check",
			false) // a build may write files that are loaded as code
	}

	if reason == "" && name == "build" {
		reason = s.space.plantedCode(v, res.Changes)
	}
	s.space.discardLayers(scratch)

	end := history.StepEnd{Job: job, Step: name, Commit: v.commit, OK: reason == "", Reason: reason,
		Wall: res.Wall.Seconds(), Bytes: res.Output.Bytes}
	if reason != "" {
		reason = name + " " + reason

		if end.Output, err = s.Ledger.PutOutput(res.Output.Text()); err != nil {
			return "", err
		}
	}
	_, err = s.Ledger.Append(context.WithoutCancel(ctx),
		history.Entry{Campaign: s.campaign, Session: s.session, Kind: history.KindStepFinished, Body: end})

	return reason, err
}
