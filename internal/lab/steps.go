package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/sandbox"
)

// build builds a version once; the mark of success is a file, so that a
// supervisor that dies leaves nothing half-built behind.
func (s *supervisor) build(ctx context.Context, job research.JobID, v *version) (reason string, err error) {
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
		if err := removeTree(d); err != nil {
			return "", err
		}
	}

	err = fault.At("workspace.build", func() (err error) {
		reason, err = s.step(ctx, job, v, "build", p.Build)
		return err
	})
	if reason != "" || err != nil {
		return reason, err
	}
	v.built = true

	if err := s.space.quota(); err != nil {
		return "", err
	}

	return "", fault.At("workspace.mark", func() error { return os.WriteFile(mark, nil, 0o666) })
}

// check runs the program's check on a version, on a layer of its own.
func (s *supervisor) check(ctx context.Context, job research.JobID, v *version) (string, error) {
	if s.space.c.Program.Check == "" {
		return "", nil
	}

	return s.step(ctx, job, v, "check", s.space.c.Program.Check)
}

// setup runs the program's setup once, on the start's tree.
func (w *workspace) setup(ctx context.Context, s *supervisor, job research.JobID) (string, error) {
	mark := w.setupLayer() + ".done"
	if _, err := os.Stat(mark); err == nil || w.c.Program.Setup == "" {
		return "", nil
	}

	lock, err := sandbox.AcquireLock(ctx, w.setupLayer()+".lock", 0)
	if err != nil {
		return "", err
	}
	defer lock.Release()

	if _, err := os.Stat(mark); err == nil {
		return "", nil
	}

	if err := errors.Join(removeTree(w.setupLayer()), makeModuleCache()); err != nil {
		return "", err
	}

	v, err := w.version(ctx, w.c.Start)
	if err != nil {
		return "", err
	}

	if reason, err := s.step(ctx, job, v, "setup", w.c.Program.Setup); reason != "" || err != nil {
		return reason, err
	}

	return "", os.WriteFile(mark, nil, 0o666)
}

// step runs an unmeasured command. Its failure is recorded, and is the reason.
func (s *supervisor) step(
	ctx context.Context, job research.JobID, v *version, name, command string,
) (reason string, err error) {
	s.say(name)

	spec, err := s.space.spec(v, command, 0, name == "check")
	if err != nil {
		return "", err
	}

	scratch := spec
	if err := s.space.aim(&spec, v, name); err != nil {
		return "", err
	}

	spec.Wall, spec.Grace = max(4*time.Duration(s.space.c.Program.Budget.Wall), 10*time.Minute),
		time.Duration(s.space.c.Program.Budget.Grace)
	if name == "check" && s.space.c.Program.GPUs > 0 {
		hold, err := s.hold(ctx)
		if err != nil {
			return "", err
		}
		defer hold.release(ctx)

		if err := hold.expose(&spec, contract.Budget{}); err != nil {
			return "", err
		}
	}

	res, err := sandbox.Run(ctx, spec)
	if err != nil {
		return "", fmt.Errorf("run the %s: %w", name, err)
	}

	res.Slept = 0 // nothing is measured here, and the deadline stood still meanwhile
	if reason = s.failure(spec, res); reason != "" {
		reason += offline(spec, res)
	}

	if reason == "" && name != "setup" {
		reason = s.space.trespass(res.Changes, name == "check",
			false) // a build may write files that are loaded as code
	}

	if reason == "" && name == "build" {
		reason = s.space.plants(v, res.Changes)
	}
	s.space.discard(scratch)

	end := history.StepEnd{Job: job, Step: name, Commit: v.commit, OK: reason == "", Reason: reason,
		Wall: res.Wall.Seconds(), Bytes: res.Output.Bytes}
	if reason != "" {
		reason = name + " " + reason

		if end.Output, err = s.ledger.PutOutput(res.Output.Text()); err != nil {
			return "", err
		}
	}
	_, err = s.ledger.Append(context.WithoutCancel(ctx),
		history.Entry{Campaign: s.campaign, Session: s.session, Kind: history.KindStepFinished, Body: end})

	return reason, err
}
